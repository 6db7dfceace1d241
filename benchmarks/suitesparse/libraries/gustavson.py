"""Gustavson's product by rows in numba: two passes, rows dealt to threads in turn.

    row i of C = sum over k of a_ik x row k of B

The first pass counts the entries of each row, the second fills them in, in the order in which columns turn up
(unsorted). Partial sums are kept in a *dense* accumulator (an array over the columns, and for each the row that last
used it) or in a *hash* table (open addressing, linear probing, at most half full). An entry that cancels to zero stays.
Each thread has its own accumulator; rows go to threads cyclically, which evens out the long rows of power-law matrices.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import prange

from sim.jit import inline, parallel

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


@parallel
def count_dense(
    a_indptr: Int64s, a_indices: Int32s, b_indptr: Int64s, b_indices: Int32s, cols: int, threads: int, counts: Int64s
) -> None:
    """counts (rows): entries of each row of the product."""
    for thread in prange(threads):
        last = np.full(cols, -1, np.int32)
        for row in range(np.int64(thread), counts.size, threads):
            found = 0
            for x in range(a_indptr[row], a_indptr[row + 1]):
                k = a_indices[x]
                for y in range(b_indptr[k], b_indptr[k + 1]):
                    column = b_indices[y]
                    if last[column] != row:
                        last[column] = row
                        found += 1
            counts[row] = found


@parallel
def fill_dense(
    a_indptr: Int64s, a_indices: Int32s, a_data: Float64s, b_indptr: Int64s, b_indices: Int32s, b_data: Float64s,
    cols: int, threads: int, indptr: Int64s, indices: Int32s, data: Float64s,
) -> None:  # fmt: skip
    """indices, data: the product, rows where `indptr` says."""
    for thread in prange(threads):
        last = np.full(cols, -1, np.int32)
        sums = np.empty(cols, np.float64)
        for row in range(np.int64(thread), indptr.size - 1, threads):
            end = indptr[row]
            for x in range(a_indptr[row], a_indptr[row + 1]):
                k = a_indices[x]
                factor = a_data[x]
                for y in range(b_indptr[k], b_indptr[k + 1]):
                    column = b_indices[y]
                    if last[column] != row:
                        last[column] = row
                        sums[column] = factor * b_data[y]
                        indices[end] = column
                        end += 1
                    else:
                        sums[column] += factor * b_data[y]
            for z in range(indptr[row], end):
                data[z] = sums[indices[z]]


@inline
def _table_size(entries: int) -> int:
    """The power of two that leaves a table of `entries` at most half full."""
    size = 2
    while size < 2 * entries:
        size *= 2
    return size


@inline
def _slot(keys: Int32s, mask: int, column: int) -> int:
    """Where `column` is, or the free place where it belongs."""
    slot = (column * 2654435761) & mask
    while keys[slot] != column and keys[slot] != -1:
        slot = (slot + 1) & mask
    return slot


@parallel
def row_work(a_indptr: Int64s, a_indices: Int32s, b_indptr: Int64s, cols: int, work: Int64s) -> None:
    """work (rows): the most entries that each row of the product can have."""
    for row in prange(work.size):
        most = 0
        for x in range(a_indptr[row], a_indptr[row + 1]):
            most += b_indptr[a_indices[x] + 1] - b_indptr[a_indices[x]]
        work[row] = min(most, cols)


@parallel
def count_hash(
    a_indptr: Int64s, a_indices: Int32s, b_indptr: Int64s, b_indices: Int32s, work: Int64s, threads: int, counts: Int64s
) -> None:
    """As `count_dense`; `work` bounds each row."""
    largest = _table_size(work.max()) if work.size else 2
    for thread in prange(threads):
        keys = np.empty(largest, np.int32)
        for row in range(np.int64(thread), counts.size, threads):
            size = _table_size(work[row])
            keys[:size] = -1
            found = 0
            for x in range(a_indptr[row], a_indptr[row + 1]):
                k = a_indices[x]
                for y in range(b_indptr[k], b_indptr[k + 1]):
                    slot = _slot(keys, size - 1, b_indices[y])
                    if keys[slot] == -1:
                        keys[slot] = b_indices[y]
                        found += 1
            counts[row] = found


@parallel
def fill_hash(
    a_indptr: Int64s, a_indices: Int32s, a_data: Float64s, b_indptr: Int64s, b_indices: Int32s, b_data: Float64s,
    threads: int, indptr: Int64s, indices: Int32s, data: Float64s,
) -> None:  # fmt: skip
    """As `fill_dense`. The table holds where in the row a column is, so sums are made in place."""
    longest = 0
    for row in range(indptr.size - 1):
        longest = max(longest, indptr[row + 1] - indptr[row])
    largest = _table_size(longest)
    for thread in prange(threads):
        keys = np.empty(largest, np.int32)
        places = np.empty(largest, np.int64)
        for row in range(np.int64(thread), indptr.size - 1, threads):
            size = _table_size(indptr[row + 1] - indptr[row])
            keys[:size] = -1
            end = indptr[row]
            for x in range(a_indptr[row], a_indptr[row + 1]):
                k = a_indices[x]
                for y in range(b_indptr[k], b_indptr[k + 1]):
                    slot = _slot(keys, size - 1, b_indices[y])
                    if keys[slot] == -1:
                        keys[slot] = b_indices[y]
                        places[slot] = end
                        indices[end] = b_indices[y]
                        data[end] = a_data[x] * b_data[y]
                        end += 1
                    else:
                        data[places[slot]] += a_data[x] * b_data[y]
