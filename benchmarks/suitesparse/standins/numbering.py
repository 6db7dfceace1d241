"""A new numbering of rows and columns alike: it changes locality and nothing else.

P·A·Pᵀ has the same row lengths, multiplications and nnz(C·C) as A, so a pattern is fitted first and numbered after.
The natural order is cut into runs (mean length `run`), and each run goes to a place of its own: with probability `far`
anywhere, else near its old place, shifted by up to `window` / 2 either way, and in one of `parts` equal shares of the
whole numbering, at random. Short runs make neighbouring rows less alike; parts and far runs widen the column span.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.suitesparse.standins.draws import State, below, chance, new_state
from benchmarks.suitesparse.standins.recipe import Numbering
from sim.jit import njit

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

_STREAM = 4
_SHORT = 48


def renumber(indptr: Int64s, indices: Int32s, recipe: Numbering, seed: int) -> tuple[Int64s, Int32s]:
    """`indptr` and sorted `indices` of the pattern in the new numbering."""
    keys = _keys(indptr.size - 1, recipe.run, recipe.window, recipe.far, recipe.parts, new_state(seed, _STREAM))
    order = np.argsort(keys, kind="stable")
    place = np.empty(order.size, dtype=np.int32)
    place[order] = np.arange(order.size, dtype=np.int32)
    fresh = np.zeros(indptr.size, dtype=np.int64)
    np.cumsum(np.diff(indptr)[order], out=fresh[1:])
    return fresh, _move(indptr, indices, order, place, fresh)


@njit
def _keys(size: int, run: float, window: int, far: float, parts: int, state: State) -> Int64s:
    keys = np.empty(size, np.int64)
    key = 0
    for p in range(size):
        ends, leaves = chance(state, 1.0 / run), chance(state, far)  # as many draws whatever the settings: figures
        near, anywhere, part = below(state, window + 1), below(state, size), below(state, parts)  # move smoothly
        if p == 0 or ends:
            key = part * 4 * size + (anywhere if leaves else p + near - window // 2)
        keys[p] = key
    return keys


@njit
def _move(indptr: Int64s, indices: Int32s, order: Int64s, place: Int32s, fresh: Int64s) -> Int32s:
    moved = np.empty(indices.size, np.int32)
    for row in range(order.size):
        begin, end = fresh[row], fresh[row + 1]
        source = indptr[order[row]]
        for x in range(end - begin):
            moved[begin + x] = place[indices[source + x]]
        _sort(moved[begin:end])
    return moved


@njit
def _sort(items: Int32s) -> None:
    if items.size > _SHORT:
        items.sort()
        return
    for x in range(1, items.size):
        value = items[x]
        y = x
        while y > 0 and items[y - 1] > value:
            items[y] = items[y - 1]
            y -= 1
        items[y] = value
