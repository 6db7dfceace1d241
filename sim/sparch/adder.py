"""Adder slices and zero eliminator: what stands behind a merger.

A merger may emit the same coordinate twice, once from each input. The adder slices add such neighbours: the first lane
of a run of equal keys takes the sum, the others become *empty lanes*. The zero eliminator then closes the gaps. It
counts, by a prefix sum, the empty lanes in front of every lane, and moves each lane that far through a shifter of
log2(N) stages, stage s moving by 2^s the lanes whose count has bit s set. Moving by the low bits first is what keeps
two lanes from ever landing on each other: their counts differ by no more than the empty lanes between them.

"Zero" always means a lane emptied by an addition. A sum that happens to be 0.0 is a stored entry and stays: the pattern
of a product is structural.

Two duplicate-free streams give runs of at most two, and one adder per lane and one cycle are enough. Longer runs are
added as well, in lane order, so that the functions stay right for any sorted input; hardware would need
ceil(log2(run)) passes for them, which nothing here charges. A pair of equal keys can also be cut by the end of a cycle:
`AdderSlices` therefore keeps the last lane back until the next cycle has shown its first key. How the real machine
joins such a pair is not published; the choice costs one register and changes no count of elements.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.bool_]
Lanes: TypeAlias = npt.NDArray[Any]
K = TypeVar("K", bound=np.generic)
V = TypeVar("V", bound=np.generic)


def add_neighbours(
    keys: npt.NDArray[K], values: npt.NDArray[V]
) -> tuple[npt.NDArray[K], npt.NDArray[V], npt.NDArray[np.bool_]]:
    """Add neighbouring lanes of equal key into the first of them.

    Shapes: `keys` (sorted) and `values` (lanes,). Returns new keys and values and ``valid``, False in an emptied lane,
    whose key and value are 0. A sum of 0.0 is valid. Raises ValueError for shapes that differ.
    """
    _check(keys, values)
    valid = np.ones(keys.size, np.bool_)
    valid[1:] = keys[1:] != keys[:-1]
    first = np.maximum.accumulate(np.where(valid, np.arange(keys.size), 0)) if keys.size else np.empty(0, np.intp)
    sums = values.copy()
    np.add.at(sums, first[~valid], values[~valid])  # one after the other, in lane order
    sums[~valid] = 0
    out = keys.copy()
    out[~valid] = 0
    return out, sums, valid


def longest_run(keys: npt.NDArray[K]) -> int:
    """Length of the longest run of equal neighbours: at most 2 behind a merge of two duplicate-free streams."""
    if not keys.size:
        return 0
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return int(np.diff(np.append(starts, keys.size)).max())


def shifter_stages(width: int) -> int:
    """Stages of the zero eliminator's shifter for `width` lanes: ceil(log2(width)), 4 for 16 lanes, 0 for one."""
    if width < 1:
        raise ValueError(f"a zero eliminator has at least one lane, not {width}")
    return (width - 1).bit_length()


def empty_before(valid: Bits) -> npt.NDArray[np.intp]:
    """The prefix count: number of empty lanes in front of each lane, which is how far the lane has to move."""
    counts: npt.NDArray[np.intp] = np.cumsum(~valid) - ~valid
    return counts


def shift_stage(
    stage: int, occupied: Bits, distance: npt.NDArray[np.intp], *lanes: Lanes
) -> tuple[Bits, npt.NDArray[np.intp], list[Lanes]]:
    """One stage of the shifter: occupied lanes whose `distance` has bit `stage` set move down by 2**stage.

    The distance travels with its lane. Raises ValueError if two lanes would collide, which cannot happen when the
    stages run from bit 0 upwards on distances from `empty_before`.
    """
    here = np.flatnonzero(occupied)
    there = here - (((distance[here] >> stage) & 1) << stage)
    if np.any(there < 0) or np.any(there[1:] <= there[:-1]):
        raise ValueError(f"lanes collide in stage {stage} of the zero eliminator")
    now = np.zeros_like(occupied)
    now[there] = True
    return now, _moved(distance, here, there), [_moved(lane, here, there) for lane in lanes]


def eliminate(keys: npt.NDArray[K], values: npt.NDArray[V], valid: Bits) -> tuple[npt.NDArray[K], npt.NDArray[V]]:
    """Close the gaps: the valid lanes, in order, without the empty ones; stage by stage as the shifter does it.

    Shapes: all (lanes,); returns two arrays of ``count_nonzero(valid)``. Raises ValueError for shapes that differ.
    """
    _check(keys, values, valid)
    if not keys.size:
        return keys.copy(), values.copy()
    occupied, distance = valid, empty_before(valid)
    lanes: list[Lanes] = [keys, values]
    for stage in range(shifter_stages(keys.size)):
        occupied, distance, lanes = shift_stage(stage, occupied, distance, *lanes)
    count = int(np.count_nonzero(valid))
    return lanes[0][:count], lanes[1][:count]


class AdderSlices:
    """The adder slices and the eliminator of one merger over many cycles, with the lane that is kept back.

    ``additions`` counts the lanes emptied so far: the floating point additions done.
    """

    def __init__(self) -> None:
        self.additions = 0
        self._keys: Keys = np.empty(0, np.uint64)
        self._values: npt.NDArray[np.float64] = np.empty(0, np.float64)

    def push(self, keys: Keys, values: npt.NDArray[np.float64]) -> tuple[Keys, npt.NDArray[np.float64]]:
        """Take what the merger emitted in one cycle; return what leaves for the FIFO, all but the last entry."""
        joined, sums, valid = add_neighbours(np.concatenate([self._keys, keys]), np.concatenate([self._values, values]))
        self.additions += int(np.count_nonzero(~valid))
        joined, sums = eliminate(joined, sums, valid)
        self._keys, self._values = joined[-1:], sums[-1:]
        return joined[:-1], sums[:-1]

    def flush(self) -> tuple[Keys, npt.NDArray[np.float64]]:
        """The entry kept back, at the end of both streams."""
        kept = self._keys, self._values
        self._keys, self._values = self._keys[:0], self._values[:0]
        return kept


def _moved(lane: Lanes, here: npt.NDArray[np.intp], there: npt.NDArray[np.intp]) -> Lanes:
    out: Lanes = np.zeros_like(lane)
    out[there] = lane[here]
    return out


def _check(keys: Lanes, *others: Lanes) -> None:
    if keys.ndim != 1 or any(other.shape != keys.shape for other in others):
        shapes = ", ".join(str(x.shape) for x in (keys, *others))
        raise ValueError(f"lanes must be one-dimensional and of one length, not {shapes}")
