"""The merger of one merge-tree layer: comparator arrays that emit up to `width` elements a cycle.

Two sorted windows are compared all against all. In cell (i, j) of the array stands "right[j] < left[i]", and because
both windows are sorted the "<" cells and the ">=" cells are parted by a staircase. The cells along the staircase lie
one on each anti-diagonal, and the cell on anti-diagonal d emits the d-th output: the smaller of its two inputs. No
output waits for another, so a window leaves in one cycle. That is the *flat* array, `width` x `width` comparators.

The *hierarchical* array cuts both windows into chunks. A small top array compares only the last elements of the chunks;
each cell of its staircase selects the one pair of chunks from which the outputs between two consecutive chunk ends can
come, and a low-level array merges that pair. What a low array emits is clipped to its own interval:

* lower bound: the chunk end before it. Elements of the older chunk that are not above it went out with the pair before.
  The comparisons that say so are the last row or column of the low array before it, so clipping needs no comparator.
* upper bound: the smaller of the two chunk ends. The staircase of the low array leaves the array exactly there.

With m chunks a side the top staircase has at most 2m - 1 cells, hence 2m - 1 low arrays. Width 16 in chunks of 4 takes
16 + 7 x 16 = 128 comparators where the flat array takes 256. (No more than m of the low arrays can hold one of the
first `width` outputs; the published machine nevertheless has 2m - 1 of them, and they are counted.)

Order is total and stable: equal keys leave the left window first, then by position. Lanes beyond a short window compare
as larger than every key. Covered here: what a merger computes and how many comparators it has. Not covered: when it
runs (that is the merge tree) and what happens to equal keys afterwards (adder.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.errors import ConfigError

Keys = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

LEFT, RIGHT = 0, 1


@dataclass(frozen=True)
class MergeStep:
    """What one merger emits in one cycle.

    ``keys``: the emitted keys, ascending. ``source``: 0 where the key came from the left window, 1 from the right.
    ``taken_left``, ``taken_right``: how many elements were popped from the front of each window; they sum to len(keys).
    """

    keys: Keys
    source: npt.NDArray[np.uint8]
    taken_left: int
    taken_right: int


class ChunkPair(NamedTuple):
    """One selected pair of chunks: a cell of the top array's staircase and the side whose chunk end bounds it above."""

    left: int
    right: int
    ends: int


class _Window(NamedTuple):
    keys: Keys
    valid: Bits


def default_chunk(width: int) -> int:
    """The divisor of `width` nearest to its square root; of two equally near, the one with fewer comparators.

    16 gives the published 4. Raises ConfigError for a width below 1.
    """
    _check_shape(width, width)
    divisors = [c for c in range(1, width + 1) if width % c == 0]
    return min(divisors, key=lambda c: (max(c * c, width) / min(c * c, width), comparators(width, c)))


def low_arrays(width: int, chunk: int | None = None) -> int:
    """Number of low-level arrays, 2 * (width / chunk) - 1. Raises ConfigError for an impossible shape."""
    chunk = default_chunk(width) if chunk is None else chunk
    _check_shape(width, chunk)
    return 2 * (width // chunk) - 1


def comparators(width: int, chunk: int | None = None) -> int:
    """Key comparators of one merger: top array plus low arrays.

    One chunk as wide as the window leaves the top array nothing to select: that is the flat array, width * width.
    Raises ConfigError for an impossible shape.
    """
    chunk = default_chunk(width) if chunk is None else chunk
    _check_shape(width, chunk)
    if chunk == width:
        return width * width
    return (width // chunk) ** 2 + low_arrays(width, chunk) * chunk * chunk


def flat_merge(left: npt.ArrayLike, right: npt.ArrayLike, *, width: int | None = None) -> MergeStep:
    """Merge two sorted windows with one `width` x `width` comparator array (default: the longer window's length).

    Shapes: 1-d integer keys, ascending, each at most `width` long. Emits the `width` smallest, fewer only if the two
    windows together hold fewer. Raises ValueError for windows that are unsorted or too long, ConfigError for the width.
    """
    n = max(np.size(left), np.size(right), 1) if width is None else width
    _check_shape(n, n)
    a, b = _window(left, n), _window(right, n)
    i, j, from_right = _emit(_compare(a, b))
    return _step(a, b, np.where(from_right, j, i), from_right, n)


def hierarchical_merge(
    left_keys: npt.ArrayLike,
    right_keys: npt.ArrayLike,
    *,
    width: int = 16,
    chunk: int | None = None,
    left_open: bool = False,
    right_open: bool = False,
) -> MergeStep:
    """Merge two sorted windows with the top array and the low-level arrays.

    Shapes: 1-d integer keys, ascending, each at most `width` long. Emits the `width` smallest of the union, fewer where
    the windows hold fewer. A side marked *open* will receive further elements behind its window: then nothing that lies
    behind the window's last element may leave yet (and nothing at all if the window is empty).
    Raises ValueError for windows that are unsorted or too long, ConfigError for an impossible shape.
    """
    chunk = default_chunk(width) if chunk is None else chunk
    _check_shape(width, chunk)
    a, b = _window(left_keys, width), _window(right_keys, width)
    if chunk == width:
        i, j, from_right = _emit(_compare(a, b))
        position = np.where(from_right, j, i)
    else:
        position, from_right = _low_outputs(a, b, chunk)
    step = _step(a, b, position, from_right, width)
    return _hold_back(step, np.size(left_keys), np.size(right_keys), left_open, right_open)


def chunk_pairs(left: npt.ArrayLike, right: npt.ArrayLike, *, width: int, chunk: int) -> tuple[ChunkPair, ...]:
    """The pairs of chunks that the top array selects, in output order: at most ``low_arrays(width, chunk)``."""
    _check_shape(width, chunk)
    return _select(_window(left, width), _window(right, width), chunk)


def merge_streams(
    left: npt.ArrayLike, right: npt.ArrayLike, *, width: int = 16, chunk: int | None = None
) -> tuple[Keys, npt.NDArray[np.uint8], int]:
    """Merge two whole sorted streams, a window of `width` of each at a time.

    Returns the merged keys, their source (0 left, 1 right) and the cycles: ceil(elements / width), since both windows
    are refilled to `width` every cycle. Raises as `hierarchical_merge`.
    """
    a, b = _as_keys(left), _as_keys(right)
    i = j = cycles = 0
    keys: list[Keys] = [np.empty(0, np.uint64)]
    sources: list[npt.NDArray[np.uint8]] = [np.empty(0, np.uint8)]
    while i < a.size or j < b.size:
        step = hierarchical_merge(a[i : i + width], b[j : j + width], width=width, chunk=chunk)
        keys.append(step.keys)
        sources.append(step.source)
        i, j, cycles = i + step.taken_left, j + step.taken_right, cycles + 1
    return np.concatenate(keys), np.concatenate(sources), cycles


def _check_shape(width: int, chunk: int) -> None:
    if width < 1:
        raise ConfigError(f"merger width must be at least 1, not {width}; nearest: 1")
    if chunk < 1 or width % chunk:
        near = min((c for c in range(1, width + 1) if width % c == 0), key=lambda c: abs(c - chunk))
        raise ConfigError(f"merger chunk {chunk} does not divide the width {width}; nearest: {near}")


def _as_keys(keys: npt.ArrayLike) -> Keys:
    array: npt.NDArray[Any] = np.asarray(keys)
    if array.ndim != 1:
        raise ValueError(f"keys must be one-dimensional, not {array.ndim}-dimensional")
    if array.size and (array.dtype.kind not in "iu" or (array.dtype.kind == "i" and int(array.min()) < 0)):
        raise ValueError("keys must be integers that are not negative")
    result: Keys = array.astype(np.uint64)
    if np.any(result[1:] < result[:-1]):
        raise ValueError("keys of a merger window must ascend")
    return result


def _window(keys: npt.ArrayLike, width: int) -> _Window:
    """The keys in `width` lanes; lanes without a key are invalid and compare as larger than any key."""
    given = _as_keys(keys)
    if given.size > width:
        raise ValueError(f"a window of {given.size} keys does not fit a merger of width {width}")
    lanes = np.zeros(width, np.uint64)
    lanes[: given.size] = given
    return _Window(lanes, np.arange(width) < given.size)


def _compare(left: _Window, right: _Window) -> Bits:
    """Every comparator of an array at once: cell (i, j) tells whether right[j] goes before left[i]."""
    smaller: Bits = right.keys[None, :] < left.keys[:, None]
    result: Bits = right.valid[None, :] & (smaller | ~left.valid[:, None])
    return result


def _emit(before: Bits) -> tuple[Index, Index, Bits]:
    """The cells (i, j) of the staircase in output order, and which of them emit their right input.

    A cell is on the staircase if its upper neighbour says "left first" and its left neighbour "right first"; the rim of
    the array counts as saying so.
    """
    row, column = before.shape
    above = np.vstack([np.ones((1, column), np.bool_), ~before[:-1]])
    beside = np.hstack([np.ones((row, 1), np.bool_), before[:, :-1]])
    i, j = np.nonzero(above & beside)
    order = np.argsort(i + j)
    i, j = i[order], j[order]
    return i, j, before[i, j]


def _part(window: _Window, index: int, chunk: int) -> _Window:
    lanes = slice(index * chunk, (index + 1) * chunk)
    return _Window(window.keys[lanes], window.valid[lanes])


def _select(left: _Window, right: _Window, chunk: int) -> tuple[ChunkPair, ...]:
    """The top array: the staircase over the chunk ends. Its cell emits the end that bounds the pair above."""
    last = slice(chunk - 1, None, chunk)
    p, q, ends = _emit(
        _compare(_Window(left.keys[last], left.valid[last]), _Window(right.keys[last], right.valid[last]))
    )
    return tuple(ChunkPair(int(x), int(y), int(e)) for x, y, e in zip(p, q, ends, strict=True))


def _low_outputs(left: _Window, right: _Window, chunk: int) -> tuple[Index, Bits]:
    """All low arrays, clipped and put side by side: window position and side of each output, in order."""
    position: list[Index] = []
    side: list[Bits] = []
    gone_left, gone_right = np.zeros(chunk, np.bool_), np.zeros(chunk, np.bool_)
    for pair in _select(left, right, chunk):
        before = _compare(_part(left, pair.left, chunk), _part(right, pair.right, chunk))
        i, j, from_right = _emit(before)
        keep = ~np.where(from_right, gone_right[j], gone_left[i])
        lanes = np.where(from_right, pair.right * chunk + j, pair.left * chunk + i)
        position.append(lanes[keep])
        side.append(from_right[keep])
        gone_left, gone_right = _below_end(before, pair.ends)
    return np.concatenate(position), np.concatenate(side)


def _below_end(before: Bits, ends: int) -> tuple[Bits, Bits]:
    """The lower bound of the next pair: which elements of the chunk that stays are already out.

    Read from the row (or column) of the low array that belongs to the chunk end; the other chunk is replaced whole.
    """
    fresh = np.zeros(before.shape[0], np.bool_)
    return (fresh, before[-1, :]) if ends == LEFT else (~before[:, -1], fresh)


def _step(left: _Window, right: _Window, position: Index, from_right: Bits, width: int) -> MergeStep:
    """The first `width` outputs, without the lanes that held no key."""
    position, from_right = position[:width], from_right[:width]
    valid = np.where(from_right, right.valid[position], left.valid[position])
    position, from_right = position[valid], from_right[valid]
    keys: Keys = np.where(from_right, right.keys[position], left.keys[position])
    taken_right = int(np.count_nonzero(from_right))
    return MergeStep(keys, from_right.astype(np.uint8), keys.size - taken_right, taken_right)


def _hold_back(step: MergeStep, left_size: int, right_size: int, left_open: bool, right_open: bool) -> MergeStep:
    """Stop behind the last element of an open window: what follows it is not known yet."""
    count = step.keys.size
    for side, is_open, size, taken in (
        (LEFT, left_open, left_size, step.taken_left),
        (RIGHT, right_open, right_size, step.taken_right),
    ):
        if is_open and taken == size:
            own = np.flatnonzero(step.source == side)
            count = min(count, int(own[-1]) + 1 if own.size else 0)
    source = step.source[:count]
    taken_right = int(np.count_nonzero(source))
    return MergeStep(step.keys[:count], source, count - taken_right, taken_right)
