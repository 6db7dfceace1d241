"""Merge schedule: which condensed columns and partial matrices enter the tree together (SpArch section II-C).

A K-way Huffman tree, built while it is executed. Leaves wait in ascending order of an estimated weight (column size x
mean row of B), partial matrices in ascending order of their true size. The first round takes
``k0 = (n - 2) mod (K - 1) + 2`` inputs so that every later one is full; there are ``1 + (n - k0) / (K - 1)`` rounds.

Other policies, for comparison: *random* (any pending input, seeded), *fifo* (first pending first, results at the end;
every round is full and the last one short), *sequential* (one running result, K - 1 new leaves a round).

The scheduler is software that runs before and beside the machine; its time is not modelled.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sim.sparch.config import Schedule


def first_round_ways(leaves: int, ways: int) -> int:
    """Inputs of the first round, for `leaves` leaves and a tree of `ways` inputs."""
    return leaves if leaves <= ways else (leaves - 2) % (ways - 1) + 2


def merge_rounds(leaves: int, ways: int) -> int:
    """Number of merge rounds; 0 where there is nothing to merge."""
    if leaves == 0:
        return 0
    return 1 + (leaves - first_round_ways(leaves, ways)) // (ways - 1)


@dataclass(frozen=True)
class RoundInputs:
    """Inputs of one round: leaves ascending, then partial matrices (numbered by the round that wrote them)."""

    leaves: npt.NDArray[np.int64]
    partials: tuple[int, ...]
    last: bool


@dataclass
class Scheduler:
    """Hands out rounds one by one; tell it the size of each result with `written` before asking for the next."""

    weights: npt.NDArray[np.float64]
    ways: int
    settings: Schedule
    _partials: list[tuple[int, int]] = field(default_factory=list)
    _round: int = 0

    def __post_init__(self) -> None:
        n = self.weights.size
        self.rounds = merge_rounds(n, self.ways)
        if self.settings.policy == "huffman":
            # ascending by weight; of equal weights the left-most column first
            self._pending = list(np.lexsort((np.arange(n), self.weights)))
            self._pending.reverse()  # pop() gives the lightest
        else:
            self._pending = list(range(n))
            self._pending.reverse()
        self._queue = [(leaf, True) for leaf in range(n)]
        self._random = np.random.default_rng(self.settings.seed)

    def next_round(self) -> RoundInputs:
        """Inputs of the next round. Raises StopIteration after the last."""
        if self._round == self.rounds:
            raise StopIteration
        full = self._round > 0 or self.settings.policy == "fifo"
        count = self.ways if full else first_round_ways(self.weights.size, self.ways)
        chosen = getattr(self, f"_choose_{self.settings.policy}")(count)
        self._round += 1
        leaves = np.array(sorted(index for index, is_leaf in chosen if is_leaf), dtype=np.int64)
        partials = tuple(sorted(index for index, is_leaf in chosen if not is_leaf))
        return RoundInputs(leaves, partials, self._round == self.rounds)

    def written(self, size: int) -> None:
        """The round just handed out wrote a partial matrix of `size` elements."""
        index = self._round - 1
        heapq.heappush(self._partials, (size, index))
        self._queue.append((index, False))

    def _choose_huffman(self, count: int) -> list[tuple[int, bool]]:
        chosen: list[tuple[int, bool]] = []
        while len(chosen) < count:
            # of equal weights the partial matrix goes first
            if self._partials and not (self._pending and self.weights[self._pending[-1]] < self._partials[0][0]):
                chosen.append((heapq.heappop(self._partials)[1], False))
            else:
                chosen.append((int(self._pending.pop()), True))
        return chosen

    def _choose_sequential(self, count: int) -> list[tuple[int, bool]]:
        chosen = [(index, False) for _, index in self._partials]
        self._partials.clear()
        return chosen + [(self._pending.pop(), True) for _ in range(count - len(chosen))]

    def _choose_fifo(self, count: int) -> list[tuple[int, bool]]:
        chosen, self._queue = self._queue[:count], self._queue[count:]
        return chosen

    def _choose_random(self, count: int) -> list[tuple[int, bool]]:
        chosen = []
        for place in self._random.integers(0, np.arange(len(self._queue), len(self._queue) - count, -1)):
            chosen.append(self._queue[place])
            self._queue[place] = self._queue[-1]
            self._queue.pop()
        return chosen
