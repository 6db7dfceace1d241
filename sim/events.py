"""The few SimPy parts that every timing model shares: stages that pass blocks of work, windows between them, ledgers.

A `Stage` is the record of one unit's progress: when each block began and when it ends. Units overlap on the same block
(cut-through): a consumer may begin a block once its producer began it, and may not end it before its producer ends it.
A `Window` is a bounded FIFO between two stages, in elements rather than blocks: the producer may be at most `capacity`
elements ahead of the consumer, whose progress inside a block is taken as even.
A `Ledger` adds up what a unit did in each cycle, and keeps the time line where one is asked for.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

Wait = Generator[simpy.Event, Any, None]

BUSY, STARVED, BLOCKED, MEMORY, IDLE = "busy", "starved", "blocked", "memory", "idle"
STATES = (BUSY, STARVED, BLOCKED, MEMORY, IDLE)


class Stage:
    """Progress of one unit through the blocks of a round. Times are in cycles; -1: not known yet."""

    def __init__(self, env: simpy.Environment, blocks: int) -> None:
        self.env = env
        self.began = [-1.0] * blocks
        self.ends = [-1.0] * blocks
        self._waiting_begin: dict[int, simpy.Event] = {}
        self._waiting_end: dict[int, simpy.Event] = {}

    def begin(self, block: int, head: float) -> None:
        """The first element of `block` is there from time `head` on."""
        self.began[block] = head
        if block in self._waiting_begin:
            self._waiting_begin.pop(block).succeed()

    def end(self, block: int, tail: float) -> None:
        """The last element of `block` is, or will be, there at time `tail`."""
        self.ends[block] = tail
        if block in self._waiting_end:
            self._waiting_end.pop(block).succeed()

    def wait_begin(self, block: int) -> simpy.Event:
        """Event for `block` being begun; only to be asked for while it is not."""
        return self._waiting_begin.setdefault(block, self.env.event())

    def wait_end(self, block: int) -> simpy.Event:
        """Event for the end of `block` being known; only to be asked for while it is not."""
        return self._waiting_end.setdefault(block, self.env.event())


class Window:
    """A FIFO of `capacity` elements between a producer and a consumer stage.

    counts: elements of each block. The producer passes the point ``x`` (elements before it) of its own work only when
    the consumer has passed ``x - capacity``, but never waits for block ``unbound`` (by default its own) or a later one.
    Where ``rows`` are given, the consumer makes room only at the end of each of them; a row that is cut into blocks
    makes room at the end of the last, ``row_last``.
    """

    def __init__(
        self,
        consumer: Stage,
        counts: npt.NDArray[np.int64],
        capacity: float,
        unbound: npt.NDArray[np.int64] | None = None,
        rows: npt.NDArray[np.int64] | None = None,
        row_last: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.consumer = consumer
        self._rows, self._row_last = rows, row_last
        self._unbound = np.arange(counts.size) if unbound is None else unbound
        upto = np.concatenate([[0], np.cumsum(counts)]).astype(float)
        self._upto, self._capacity = upto, capacity
        self._first = self.points(upto[:-1] + 1)
        self._last = self.points(upto[1:])
        # share of each block that has to wait for the same row as its last element does
        beyond = upto[1:] - (self.step_begin + capacity) if rows is not None else np.zeros(counts.size)
        waits = np.array([block >= 0 for block, _ in self._last], dtype=bool)
        self.late_share = np.where(waits, np.clip(beyond / np.maximum(counts, 1), 0.0, 1.0), 0.0).tolist()

    def points(self, elements: npt.NDArray[np.float64]) -> list[tuple[int, float]]:
        """For each block, the block and share of it that the consumer must have passed to make room for `elements`."""
        upto, needed = self._upto, elements - self._capacity
        unbound = self._unbound
        needed = np.minimum(needed, upto[unbound])
        block = np.clip(np.searchsorted(upto, needed, side="left") - 1, 0, np.maximum(unbound - 1, 0))
        size = np.maximum(upto[block + 1] - upto[block], 1e-9)
        share = np.clip((needed - upto[block]) / size, 0.0, 1.0)
        if self._rows is not None and self._row_last is not None:
            share = np.ceil(share * self._rows[block] - 1e-9) / self._rows[block]
            cut = self._row_last[block] > block
            self.step_begin = upto[block] + np.where(cut, 0.0, share - 1 / self._rows[block]) * size
            share = np.where(cut, 1.0, share)
            block = np.minimum(self._row_last[block], np.maximum(unbound - 1, 0))
        block = np.where((needed <= 0) | (unbound == 0), -1, block)
        return list(zip(block.tolist(), share.tolist(), strict=True))

    def wait_first(self, block: int) -> Wait:
        """Until there is room for the first element of `block`."""
        return self.wait(self._first[block])

    def wait_last(self, block: int) -> Wait:
        """Until there is room for the last element of `block`."""
        return self.wait(self._last[block])

    def wait(self, point: tuple[int, float]) -> Wait:
        """Until the consumer has passed a point given by `points`."""
        block, share = point
        if block < 0:
            return
        consumer = self.consumer
        if consumer.ends[block] < 0:
            yield consumer.wait_end(block)
        when = consumer.began[block] + share * (consumer.ends[block] - consumer.began[block])
        if when > consumer.env.now:
            yield consumer.env.timeout(when - consumer.env.now)


class Ledger:
    """Cycles of one unit by state, and optionally its time line as (state, begin, end) slices."""

    def __init__(self, env: simpy.Environment, keep_slices: bool) -> None:
        self.env = env
        self.cycles = dict.fromkeys(STATES, 0.0)
        self.slices: list[tuple[str, float, float]] | None = [] if keep_slices else None
        self._since = 0.0

    def mark(self, state: str, until: float | None = None) -> None:
        """The unit was in `state` since the last mark, up to now (or `until`)."""
        now = self.env.now if until is None else until
        if now > self._since:
            self.cycles[state] += now - self._since
            if self.slices is not None:
                self.slices.append((state, self._since, now))
            self._since = now
