"""What the event model has to know of single rows: when the multipliers are done with one, and whose lines it finds.

A row of B that is longer than a leaf FIFO is multiplied to its end only when the tree has taken all but the last
``depth`` of its elements. Lines and look-ahead slots of an output row are released when that holds for all its inputs:
when everything up to the column of the latest such element has been merged. What share of the row's products that is
follows from the sorted rows of B.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.jit import njit
from sim.sparch.condensed import Int32s, Int64s
from sim.sparch.distance import LineMap
from sim.sparch.operand import Operand
from sim.sparch.plan import RoundPlan
from sim.sparch.product import RoundCounts

FEW_ROWS = 4
"""Blocks of more rows do without: their last row is a small part of them."""


def merged_share(a: Operand, b: Operand, planned: RoundPlan, depth: int) -> npt.NDArray[np.float64]:
    """Share of the last output row of each block that is merged when its last product is in a leaf FIFO; 0 to 1."""
    elements = planned.elements
    share = np.zeros(planned.counts.out.size)
    if elements.rows.size:
        place = np.searchsorted(elements.rows, planned.counts.last_row)
        other = elements.rows[np.minimum(place, elements.rows.size - 1)] != planned.counts.last_row
        place[other | (planned.counts.rows > FEW_ROWS)] = -1
        _merged_share(a.indices, b.indptr, b.indices, elements.start, elements.element, place, depth, share)
    return share


def last_parts(a: Operand, lines: LineMap, planned: RoundPlan) -> Int64s:
    """Lines of the row of B that each block's last output row asks for last; 0 where it asks for none."""
    elements, row = planned.elements, planned.counts.last_row
    parts = np.zeros(row.size, np.int64)
    if elements.rows.size:
        place = np.minimum(np.searchsorted(elements.rows, row), elements.rows.size - 1)
        b_row = a.indices[elements.element[elements.start[place + 1] - 1]]
        parts = np.where(elements.rows[place] == row, lines.first[b_row + 1] - lines.first[b_row], 0)
    return parts


def last_heads(parts: Int64s, counts: RoundCounts) -> list[tuple[int, int]]:
    """Where each block's row asks for the first line of its last input, of `parts` lines: block, requests behind it."""
    heads = []
    requests, first = counts.requests.tolist(), counts.row_first.tolist()
    for block, behind in zip(counts.row_last.tolist(), np.maximum(parts - 1, 0).tolist(), strict=True):
        last = block
        while behind >= requests[last] and last > first[block]:
            behind -= requests[last]
            last -= 1
        heads.append((last, behind))
    return heads


@njit
def _merged_share(
    a_indices: Int32s, indptr: Int64s, indices: Int32s, start: Int64s, element: Int64s,
    place: Int64s, depth: int, share: npt.NDArray[np.float64],
) -> None:  # fmt: skip
    for block in range(place.size):
        row = place[block]
        if row < 0:
            continue
        if block > 0 and place[block - 1] == row:
            share[block] = share[block - 1]
            continue
        column = -1
        products = 0
        for x in range(start[row], start[row + 1]):
            k = a_indices[element[x]]
            length = indptr[k + 1] - indptr[k]
            products += length
            if length > depth:
                column = max(column, indices[indptr[k + 1] - depth - 1])
        if column < 0:
            continue
        merged = 0
        for x in range(start[row], start[row + 1]):
            k = a_indices[element[x]]
            low, high = indptr[k], indptr[k + 1]
            while low < high:
                middle = (low + high) // 2
                if indices[middle] <= column:
                    low = middle + 1
                else:
                    high = middle
            merged += low - indptr[k]
        share[block] = merged / products


def loaded_by(source: Int32s, requests: Int64s) -> Int64s:
    """For each block, the block that asked for the line that it finds in the buffer and that came last; -1: none."""
    latest = np.full(requests.size, -1, np.int64)
    _loaded_by(source, np.cumsum(requests), latest)
    return latest


@njit
def _loaded_by(source: Int32s, ends: Int64s, latest: Int64s) -> None:
    q = 0
    for block in range(ends.size):
        newest = -1
        while q < ends[block]:
            if source[q] != q:
                newest = max(newest, source[q])
            q += 1
        if newest >= 0:
            latest[block] = np.searchsorted(ends, newest, side="right")
