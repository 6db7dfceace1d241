"""Whole populations of generators to one workload batch, without building or lowering any of them.

An operator depends on at most two neighbouring positions of the channel configuration (`_PIECES`), so a generator is a
row of some 17 pieces of which a space has a few hundred. The graph is the same for all channels; what follows from it
alone (kernel launches, critical path) is taken from one generator. Peak memory is the largest of the pieces', plus the
label map while a SPADE still needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from models.gan.generators import ResNetGenerator, SpadeGenerator
from models.ofa.pieces import Array, stack
from sim.fusion import fuse
from sim.network import INPUT, Network
from sim.operator_counts import volume
from sim.workload import Context, WorkloadBatch

Channels = tuple[int, ...]
Spec = ResNetGenerator | SpadeGenerator
Cut = tuple[tuple[int, ...], int, int]
"""Positions that a piece depends on, and its operators: first, and one behind the last."""


def cuts(spec: Spec, operators: int) -> list[Cut]:
    """Where a generator of 8 numbers falls into pieces."""
    sizes = _resnet_sizes(spec, operators) if isinstance(spec, ResNetGenerator) else _spade_sizes(spec)
    found, start = [], 0
    for positions, size in sizes:
        found.append((positions, start, start + size))
        start += size
    assert start == operators, f"{start} operators in pieces, {operators} in the network"
    return found


def _resnet_sizes(spec: ResNetGenerator, operators: int) -> list[tuple[tuple[int, ...], int]]:
    block = (operators - 17) // spec.blocks
    blocks = [((2, 3 + 3 * number // spec.blocks), block) for number in range(spec.blocks)]
    return [((0,), 3), ((0, 1), 3), ((1, 2), 3), *blocks, ((2, 6), 3), ((6, 7), 3), ((7,), 2)]


def _spade_sizes(spec: SpadeGenerator) -> list[tuple[tuple[int, ...], int]]:
    norm = 12 if spec.separable else 8
    plain, projected = 2 * norm + 5, 3 * norm + 6
    middle = [((0, 1), plain), ((0, 2), plain + 1), ((0, 3), plain + (1 if spec.more else 0))]
    ups = [((before, after), projected + 1) for before, after in ((0, 4), (4, 5), (5, 6))]
    return [((0,), 2), *middle, *ups, ((6, 7), projected + 2), ((7,), 2)]


class PieceTable:
    """All pieces of a space, lowered in one context."""

    def __init__(
        self,
        choices: Sequence[Sequence[int]],
        spec: Callable[[Channels], Spec],
        size: tuple[int, int],
        fusion: tuple[str, ...],
        context: Context,
    ) -> None:
        from scipy.sparse import csr_array, eye_array

        self._choices = choices
        pieces: list[Network] = []
        peaks: list[int] = []
        self._numbers: list[tuple[tuple[int, ...], Array]] = []
        lower = functools.cache(lambda channels: spec(channels).lower(*size))
        first = tuple(one[0] for one in choices)
        whole = lower(first)
        last_map = max(place for place, sources in enumerate(whole.inputs) if INPUT in sources)
        map_bytes = 0 if last_map == 0 else 4 * volume(whole.operators[0].shape)
        for positions, start, stop in cuts(spec(first), len(whole)):
            table = np.zeros([len(choices[one]) for one in positions], np.int64)
            for places in np.ndindex(table.shape):
                channels = _spread(choices, positions, places)
                pieces.append(fuse(_slice(lower(channels), start, stop), fusion))
                peak = pieces[-1].peak_activation_bytes
                if 0 < start <= last_map:  # the label map is needed up to there
                    needed = fuse(_slice(lower(channels), start, min(stop, last_map + 1)), fusion)
                    peak = max(peak, needed.peak_activation_bytes + map_bytes)
                peaks.append(peak)
                table[places] = len(pieces) - 1
            self._numbers.append((positions, table))
        operators, blocks = stack(pieces)
        graph = fuse(whole, fusion)
        self._launches, self._path = graph.kernel_launches, graph.critical_path_operators
        features = {name: np.ones(len(pieces), np.int64) for name in ("kernel_launches", "critical_path_operators")}
        features |= {"peak_activation_bytes": np.array(peaks, np.int64), "serial_steps": np.ones(len(pieces), np.int64)}
        alone = csr_array(eye_array(len(pieces), dtype=np.int64, format="csr"))
        self._all = WorkloadBatch(operators, alone, features, blocks=blocks).with_context(context)
        self._peaks = self._all.network_features["peak_activation_bytes"]

    def lower(self, population: Array) -> WorkloadBatch:
        """A batch with a row for each network: places among the choices (networks, positions)."""
        from scipy.sparse import csr_array

        rows = len(population)
        columns = np.empty((rows, len(self._numbers)), np.int64)
        for column, (positions, table) in enumerate(self._numbers):
            columns[:, column] = table[tuple(population[:, one] for one in positions)]
        indptr = np.arange(rows + 1, dtype=np.int64) * columns.shape[1]
        counts = csr_array((np.ones(columns.size, np.int64), columns.ravel(), indptr), (rows, len(self._peaks)))
        features = {
            "peak_activation_bytes": self._peaks[columns].max(axis=1, initial=0),
            "serial_steps": np.ones(rows, np.int64),
            "kernel_launches": np.full(rows, self._launches, np.int64),
            "critical_path_operators": np.full(rows, self._path, np.int64),
        }
        return self._all.with_networks(counts, features)


def _spread(choices: Sequence[Sequence[int]], positions: Iterable[int], places: Iterable[int]) -> Channels:
    """Channels with these places at these positions, the first choice elsewhere."""
    found = [one[0] for one in choices]
    for position, place in zip(positions, places, strict=True):
        found[position] = choices[position][place]
    return tuple(found)


def _slice(network: Network, start: int, stop: int) -> Network:
    """Operators `start` to `stop` as a network of its own, whose input is what the operators before it gave.

    Only the first piece keeps its edges from the network's input: for others that is the label map, which is counted
    by itself.
    """
    edges = []
    for sources in network.inputs[start:stop]:
        kept = [one for one in sources if start == 0 or one != INPUT]
        edges.append(tuple(dict.fromkeys(max(one - start, INPUT) for one in kept)))
    return Network(network.operators[start:stop], tuple(edges))
