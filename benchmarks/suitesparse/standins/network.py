"""Directed patterns: web, citation and purchase graphs as rows of links, with the number of links of each row given.

Each link of a row, in natural order of the rows, is one of

* a copy of the same link of the row before (probability `copy`): neighbouring rows alike, links shared;
* a link to one of the popular rows (`hubs`): rank drawn log-uniformly, the first 2^`hub_low` of 2^`hub_high` ranks
  alike, so that in-degrees fall off as 1 / rank; all hubs have about `hub_length` links of their own, so that what
  popularity adds to the multiplications is under control;
* a link inside the row's own community of `community` neighbours (`inside`), which sets nnz(C): members share targets;
* else a link at a log-uniform distance of 2^`near` to 2^`far` rows.

The last two find a row, with probability `bias`, in proportion to its length, else evenly: this sets the
multiplications. Links of a citation graph (`backward`) point to smaller numbers. A link that the row has already is
drawn again, and in the end moved on to the next free column, so that the row lengths are exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.suitesparse.standins.draws import State, below, chance, draw, log_uniform, new_state, shuffle
from benchmarks.suitesparse.standins.recipe import Network
from sim.jit import njit

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Float64s = npt.NDArray[np.float64]

_STREAM = 3
_TRIES = 12


def network_pattern(lengths: Int64s, recipe: Network, seed: int) -> tuple[Int64s, Int32s]:
    """`indptr` and (unsorted) `indices` of a pattern whose rows have exactly `lengths` entries."""
    indptr = np.zeros(lengths.size + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    state = new_state(seed, _STREAM)
    popular = _hub_rows(lengths, recipe, state)
    chances = np.array([recipe.copy, recipe.hubs, recipe.inside, recipe.bias])
    sizes = np.array([recipe.community, recipe.near, recipe.far, recipe.hub_low, recipe.hub_high], dtype=np.int64)
    owner = np.repeat(np.arange(lengths.size, dtype=np.int32), lengths)
    indices = _links(indptr, owner, popular, chances, sizes, recipe.backward, recipe.diagonal, state)
    return indptr, indices


def _hub_rows(lengths: Int64s, recipe: Network, state: State) -> Int64s:
    """The popular rows by rank: those whose lengths are nearest to `hub_length`, at random among equals."""
    mixed = np.arange(lengths.size, dtype=np.int64)
    shuffle(state, mixed)
    nearest = np.argsort(np.abs(lengths[mixed] - recipe.hub_length), kind="stable")
    return mixed[nearest[: 1 << recipe.hub_high]]


@njit
def _links(
    indptr: Int64s, owner: Int32s, popular: Int64s, chances: Float64s, sizes: Int64s,
    backward: bool, diagonal: bool, state: State,
) -> Int32s:  # fmt: skip
    rows = indptr.size - 1
    indices = np.empty(owner.size, np.int32)
    seen = np.full(rows, -1, np.int64)
    for i in range(rows):
        begin, end = indptr[i], indptr[i + 1]
        x = begin
        if diagonal and begin < end:
            indices[x] = i
            seen[i] = i
            x += 1
        while x < end:
            before = indptr[i - 1] + x - begin if i > 0 else begin
            last = int(indices[before]) if before < begin else -1
            target = _target(i, last, indptr, owner, popular, chances, sizes, backward, state)
            tries = 1
            while seen[target] == i and tries < _TRIES:
                target = _target(i, -1, indptr, owner, popular, chances, sizes, backward, state)
                tries += 1
            while seen[target] == i:
                target = (target + 1) % rows
            seen[target] = i
            indices[x] = target
            x += 1
    return indices


@njit
def _target(
    i: int, last: int, indptr: Int64s, owner: Int32s, popular: Int64s, chances: Float64s, sizes: Int64s,
    backward: bool, state: State,
) -> int:  # fmt: skip
    """One draw of a column for row i; `last`: the link of the row before that may be copied, or -1."""
    if last >= 0 and chance(state, chances[0]):
        return last
    if chance(state, chances[1]):
        return int(popular[min(log_uniform(state, sizes[3], sizes[4]), popular.size - 1)])
    rows = indptr.size - 1
    by_length = chance(state, chances[3])
    if chance(state, chances[2]):
        base = i - i % sizes[0]
        top = min(base + sizes[0], rows)
        if backward:
            top = i
        if top > base:
            if by_length and indptr[top] > indptr[base]:
                return int(owner[indptr[base] + below(state, indptr[top] - indptr[base])])
            return int(base + below(state, top - base))
    distance = 1 + log_uniform(state, sizes[1], sizes[2])
    if by_length:
        scale = owner.size / rows
        slot = _reflect(int(indptr[i]), int(distance * scale) + 1, owner.size, backward, state)
        return int(owner[slot])
    return _reflect(i, distance, rows, backward, state)


@njit
def _reflect(at: int, distance: int, size: int, backward: bool, state: State) -> int:
    """`distance` before `at`, or either way; to the other side where the end is near, anywhere if both ends are."""
    if not backward and draw(state) & np.uint64(1):
        distance = -distance
    place = at - distance
    if backward and place < 0 and at > 0:
        return below(state, at)
    if place < 0 or place >= size:
        place = at + distance
    if place < 0 or place >= size:
        return below(state, size)
    return place
