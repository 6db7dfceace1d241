"""Kernels of `sim.verify`: two sparse matrices compared row by row, without sorting either.

Ours is given by its rows that hold something, the reference as CSR; columns of a row are in any order in both. One
array over the columns finds the entry of a column; it is left as it was, all -1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.jit import njit

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


@njit
def row_maxima(indptr: Int64s, data: Float64s, largest: Float64s) -> None:
    """The largest magnitude of each row."""
    for row in range(largest.size):
        for x in range(indptr[row], indptr[row + 1]):
            largest[row] = max(largest[row], abs(data[x]))


@njit
def weighted_sums(indptr: Int64s, indices: Int32s, data: Float64s, weights: Float64s, sums: Float64s) -> None:
    """For each row, the sum of magnitudes times the weight of their column."""
    for row in range(sums.size):
        for x in range(indptr[row], indptr[row + 1]):
            sums[row] += abs(data[x]) * weights[indices[x]]


@njit
def compare_values(
    rows: Int32s, start: Int64s, indices: Int32s, data: Float64s,
    r_indptr: Int64s, r_indices: Int32s, r_data: Float64s,
    floors: Float64s, place: Int32s, worst: Float64s, at: Int64s,
) -> None:  # fmt: skip
    """worst: error, ours, theirs, scale. at: row and column of it; third entry >= 0: no entry of ours there.

    place: for each column -1; while in a row, where our entry of the column is, counted from the start of the row.
    """
    r = 0
    for row in range(floors.size):
        ours = r < rows.size and rows[r] == row
        begin = start[r] if ours else 0
        end = start[r + 1] if ours else 0
        for y in range(begin, end):
            place[indices[y]] = y - begin
        absent = -1
        for z in range(r_indptr[row], r_indptr[row + 1]):
            c = r_indices[z]
            if place[c] < 0:
                absent = z
                continue
            mine = data[begin + place[c]]
            place[c] = -1
            _note(mine, r_data[z], floors[row], row, c, worst, at)
        for y in range(begin, end):
            if place[indices[y]] >= 0:  # SciPy has no entry: it was exactly zero
                place[indices[y]] = -1
                _note(data[y], 0.0, floors[row], row, indices[y], worst, at)
        if absent >= 0:
            worst[2] = r_data[absent]
            at[0], at[1], at[2] = row, r_indices[absent], 0
            return
        if ours:
            r += 1


@njit
def _note(ours: float, theirs: float, floor: float, row: int, column: int, worst: Float64s, at: Int64s) -> None:
    if ours == theirs or floor == np.inf:
        return
    scale = max(abs(theirs), floor)
    error = abs(ours - theirs) / scale if scale > 0 else np.inf
    if not error <= worst[0]:
        worst[0], worst[1], worst[2], worst[3] = error, ours, theirs, scale
        at[0], at[1] = row, column


@njit
def first_different_row(
    rows: Int32s, start: Int64s, indices: Int32s, r_indptr: Int64s, r_indices: Int32s, place: Int32s
) -> int:
    """The first row in which the sets of columns differ; -1 where they are the same everywhere."""
    r = 0
    for row in range(r_indptr.size - 1):
        ours = r < rows.size and rows[r] == row
        begin = start[r] if ours else 0
        end = start[r + 1] if ours else 0
        same = end - begin == r_indptr[row + 1] - r_indptr[row]
        for y in range(begin, end):
            place[indices[y]] = 1
        for z in range(r_indptr[row], r_indptr[row + 1]):
            same = same and place[r_indices[z]] == 1
        for y in range(begin, end):
            place[indices[y]] = -1
        if not same:
            return row
        if ours:
            r += 1
    return -1
