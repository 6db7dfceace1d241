"""Symmetric patterns: meshes, roads and circuits as neighbours on a grid, with the degree of every vertex prescribed.

Vertices are the points of a box, numbered along its short axes first. Edges are offered shortest first, as offsets on
the grid: an edge is taken if both ends still lack neighbours, and then only with probability `keep`, which is what
sets nnz(C): the looser the mesh, the farther its second neighbours. `grain` vertices in a row decide together, which
makes their rows alike. Vertices of high degree take their nearest points before all others. What is still open at the
end is paired along the numbering, the last few by exchanging edges, so that all degrees come out exactly. A full
diagonal (of the non-empty rows) can be added.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.suitesparse.standins.draws import State, below, chance, new_state
from benchmarks.suitesparse.standins.recipe import Lattice
from sim.jit import njit

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

_STREAM = 2
_SHELLS = 5000
_HUB = 3.0
_EXCHANGES = 1000


def lattice_pattern(lengths: Int64s, recipe: Lattice, seed: int) -> tuple[Int64s, Int32s]:
    """`indptr` and (unsorted) `indices` of a symmetric pattern whose rows have exactly `lengths` entries."""
    degrees = np.where(lengths > 0, lengths - 1, 0) if recipe.diagonal else lengths
    start = np.zeros(lengths.size + 1, dtype=np.int64)
    np.cumsum(degrees, out=start[1:])
    adjacent = np.full(int(start[-1]), -1, dtype=np.int32)
    degree = np.zeros(lengths.size, dtype=np.int64)
    dx, dy, dz = _offsets(recipe)
    state = new_state(seed, _STREAM)
    box = np.array([recipe.width, recipe.depth], dtype=np.int64)
    hubs = np.flatnonzero(degrees > max(_HUB * float(degrees.mean()), 2 * recipe.reach))
    hubs = hubs[np.argsort(-degrees[hubs], kind="stable")]
    _serve_hubs(hubs, dx, dy, dz, box, start, adjacent, degree)
    _offer(
        dx[: recipe.reach],
        dy[: recipe.reach],
        dz[: recipe.reach],
        box,
        recipe.keep,
        recipe.grain,
        start,
        adjacent,
        degree,
        state,
    )
    _pair_open(start, adjacent, degree)
    _exchange(start, adjacent, degree, state)
    if adjacent.size and int(adjacent.min()) < 0:
        raise ValueError(f"no symmetric pattern of {lengths.size} rows found with these lengths")
    if not recipe.diagonal:
        return start, adjacent
    return _with_diagonal(lengths, start, adjacent)


def _offsets(recipe: Lattice) -> tuple[Int64s, Int64s, Int64s]:
    """Half of the grid's offsets (each stands for itself and its opposite), shortest first."""
    side = 9 if recipe.depth > 1 else 40
    reach_z = min(side, recipe.depth - 1)
    grid = np.mgrid[0 : side + 1, -side : side + 1, -reach_z : reach_z + 1].reshape(3, -1)
    x, y, z = grid
    half = (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
    x, y, z = x[half], y[half], z[half]
    order = np.argsort(x * x + y * y + z * z, kind="stable")[:_SHELLS]
    return x[order].astype(np.int64), y[order].astype(np.int64), z[order].astype(np.int64)


@njit
def _joined(a: int, b: int, start: Int64s, adjacent: Int32s, degree: Int64s) -> bool:
    if degree[b] < degree[a]:
        a, b = b, a
    for x in range(start[a], start[a] + degree[a]):  # noqa: SIM110
        if adjacent[x] == b:
            return True
    return False


@njit
def _join(a: int, b: int, start: Int64s, adjacent: Int32s, degree: Int64s) -> bool:
    """Add the edge if both ends have room and it is new."""
    if a == b or start[a] + degree[a] >= start[a + 1] or start[b] + degree[b] >= start[b + 1]:
        return False
    if _joined(a, b, start, adjacent, degree):
        return False
    adjacent[start[a] + degree[a]] = b
    adjacent[start[b] + degree[b]] = a
    degree[a] += 1
    degree[b] += 1
    return True


@njit
def _neighbour(p: int, dx: int, dy: int, dz: int, box: Int64s, size: int) -> int:
    """The point at an offset from `p`, or -1 outside the box."""
    width, depth = int(box[0]), int(box[1])
    z = p % depth + dz
    y = (p // depth) % width + dy
    u = p + (dx * width + dy) * depth + dz
    if z < 0 or z >= depth or y < 0 or y >= width or u < 0 or u >= size:
        return -1
    return u


@njit
def _serve_hubs(
    hubs: Int64s, dx: Int64s, dy: Int64s, dz: Int64s, box: Int64s, start: Int64s, adjacent: Int32s, degree: Int64s
) -> None:
    for p in hubs:
        for o in range(dx.size):
            if start[p] + degree[p] == start[p + 1]:
                break
            for sign in (1, -1):
                u = _neighbour(p, sign * dx[o], sign * dy[o], sign * dz[o], box, degree.size)
                if u >= 0:
                    _join(p, u, start, adjacent, degree)


@njit
def _offer(
    dx: Int64s, dy: Int64s, dz: Int64s, box: Int64s, keep: float, grain: int,
    start: Int64s, adjacent: Int32s, degree: Int64s, state: State,
) -> None:  # fmt: skip
    for o in range(dx.size):
        taken = False
        for p in range(degree.size):
            if p % grain == 0:
                taken = chance(state, keep)
            if not taken or start[p] + degree[p] == start[p + 1]:
                continue
            u = _neighbour(p, dx[o], dy[o], dz[o], box, degree.size)
            if u >= 0 and start[u] + degree[u] < start[u + 1]:
                _join(p, u, start, adjacent, degree)


@njit
def _pair_open(start: Int64s, adjacent: Int32s, degree: Int64s) -> None:
    """Pair the vertices that lack neighbours with the next such ones along the numbering."""
    for _ in range(4):
        todo = np.flatnonzero(degree < start[1:] - start[:-1])
        for x in range(todo.size):
            p = todo[x]
            for y in range(x + 1, min(todo.size, x + 64 + 4 * (start[p + 1] - start[p]))):
                if start[p] + degree[p] == start[p + 1]:
                    break
                _join(p, todo[y], start, adjacent, degree)


@njit
def _exchange(start: Int64s, adjacent: Int32s, degree: Int64s, state: State) -> None:
    """Open p, q (maybe the same) and an edge a-b elsewhere become p-a and q-b."""
    todo = np.flatnonzero(degree < start[1:] - start[:-1])
    x = 0
    for _ in range(_EXCHANGES * (todo.size + 1)):
        if x == todo.size:
            return
        p = todo[x]
        if start[p] + degree[p] == start[p + 1]:
            x += 1
            continue
        q = p
        if start[p + 1] - start[p] - degree[p] < 2:
            for y in range(x + 1, todo.size):
                if start[todo[y]] + degree[todo[y]] < start[todo[y] + 1]:
                    q = todo[y]
                    break
            if q == p:
                return
        slot = below(state, adjacent.size)
        b = int(adjacent[slot])
        if b < 0:
            continue
        a = int(np.searchsorted(start, slot, side="right")) - 1
        if a in (p, q) or b in (p, q):
            continue
        if _joined(a, p, start, adjacent, degree) or _joined(b, q, start, adjacent, degree):
            continue
        _replace(a, b, p, start, adjacent, degree)
        _replace(b, a, q, start, adjacent, degree)
        adjacent[start[p] + degree[p]] = a
        degree[p] += 1
        adjacent[start[q] + degree[q]] = b
        degree[q] += 1


@njit
def _replace(a: int, old: int, new: int, start: Int64s, adjacent: Int32s, degree: Int64s) -> None:
    for x in range(start[a], start[a] + degree[a]):
        if adjacent[x] == old:
            adjacent[x] = new
            return


@njit
def _with_diagonal(lengths: Int64s, start: Int64s, adjacent: Int32s) -> tuple[Int64s, Int32s]:
    indptr = np.zeros(start.size, np.int64)
    indices = np.empty(lengths.sum(), np.int32)
    for p in range(lengths.size):
        indptr[p + 1] = indptr[p] + lengths[p]
        if lengths[p] > 0:
            indices[indptr[p]] = p
            indices[indptr[p] + 1 : indptr[p + 1]] = adjacent[start[p] : start[p + 1]]
    return indptr, indices
