"""Condensed representation of A, read straight from CSR (SpArch section II-A).

Condensed column ``j`` is the j-th stored element of every row that has one, each element keeping its original column
(the row of B to fetch). Element ``j`` of row ``i`` is simply ``indptr[i] + j``: nothing is rewritten. There are as many
condensed columns as the longest row has elements, and they get shorter to the right.

Without condensing a leaf of the merge is an original, non-empty column of A instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.jit import njit
from sim.sparch.operand import Operand

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RoundElements:
    """The elements of A of one merge round, row by row over its leaves: the order in which B rows are asked for.

    rows: the rows that have one, ascending. start: (rows + 1) offsets into the two below. element: index into the
    CSR arrays of A. slot: input of the merge tree.
    """

    rows: Int32s
    start: Int64s
    element: Int64s
    slot: Int32s


class Leaves:
    """All leaves of A: condensed columns, or original columns (`condensing` false)."""

    def __init__(self, a: Operand, condensing: bool) -> None:
        self._a = a
        self.condensing = condensing
        self._lengths = np.diff(a.indptr)
        if condensing:
            self._rows_by_length = np.argsort(-self._lengths, kind="stable").astype(np.int32)
            longest = int(self._lengths.max(initial=0))
            histogram = np.bincount(self._lengths, minlength=longest + 1)
            self.sizes = (a.rows - np.cumsum(histogram))[:longest].astype(np.int64)
        else:
            counts = np.bincount(a.indices, minlength=a.cols)
            self._columns = np.flatnonzero(counts).astype(np.int32)
            self.sizes = counts[self._columns].astype(np.int64)
            self._by_column = np.argsort(a.indices, kind="stable")
            self._column_start = np.concatenate([[0], np.cumsum(self.sizes)])
            self._element_row = np.repeat(np.arange(a.rows, dtype=np.int32), self._lengths)

    @property
    def count(self) -> int:
        """Number of leaves; with condensing, of condensed columns."""
        return int(self.sizes.size)

    def products(self, b_lengths: Int64s) -> Int64s:
        """Exact number of multiplications of each leaf."""
        per_element = b_lengths[self._a.indices]
        if self.condensing:
            place = np.arange(self._a.nnz) - np.repeat(self._a.indptr[:-1], self._lengths)
        else:
            place = np.searchsorted(self._columns, self._a.indices)
        return np.bincount(place, weights=per_element, minlength=self.count).astype(np.int64)

    def gather(self, leaves: Int64s) -> RoundElements:
        """Elements of the given leaves (ascending); leaf ``leaves[s]`` is input ``s`` of the tree."""
        if leaves.size == 0:
            empty = np.zeros(0, np.int32)
            return RoundElements(empty, np.zeros(1, np.int64), np.zeros(0, np.int64), empty)
        if not self.condensing:
            return self._gather_columns(leaves)
        slot_of = np.full(self.count, -1, np.int32)
        slot_of[leaves] = np.arange(leaves.size, dtype=np.int32)
        first, last = int(leaves[0]), int(leaves[-1])
        members = int(self.sizes[first])
        if members * 16 > self._a.rows:
            rows = np.flatnonzero(self._lengths > first).astype(np.int32)
        else:
            rows = np.sort(self._rows_by_length[:members])
        total = int(self.sizes[leaves].sum())
        start, element, slot = _gather_condensed(self._a.indptr, rows, slot_of, first, last + 1, total)
        return RoundElements(rows, start, element, slot)

    def _gather_columns(self, leaves: Int64s) -> RoundElements:
        pieces = [self._by_column[self._column_start[leaf] : self._column_start[leaf + 1]] for leaf in leaves]
        element = np.concatenate(pieces)
        slot = np.repeat(np.arange(leaves.size, dtype=np.int32), self.sizes[leaves])
        order = np.lexsort((slot, self._element_row[element]))
        element = element[order].astype(np.int64)
        rows, first = np.unique(self._element_row[element], return_index=True)
        return RoundElements(rows, np.append(first, element.size).astype(np.int64), element, slot[order])


@njit
def _gather_condensed(
    indptr: Int64s, rows: Int32s, slot_of: Int32s, first: int, stop: int, total: int
) -> tuple[Int64s, Int64s, Int32s]:
    start = np.empty(rows.size + 1, np.int64)
    element = np.empty(total, np.int64)
    slot = np.empty(total, np.int32)
    n = 0
    for r in range(rows.size):
        start[r] = n
        begin = indptr[rows[r]]
        for j in range(first, min(stop, indptr[rows[r] + 1] - begin)):
            if slot_of[j] >= 0:
                element[n] = begin + j
                slot[n] = slot_of[j]
                n += 1
    start[rows.size] = n
    return start, element, slot
