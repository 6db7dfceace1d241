"""Distance-list builder: the line requests of a merge round and when each line is used next (SpArch section II-D).

A row of B is split into parts of `line_elements`; a line is (row, part). Requests come row by row over the elements of
A in the round, part by part over each element's row of B. An element that meets an empty row of B asks for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.jit import njit
from sim.sparch.condensed import Int32s, Int64s, RoundElements
from sim.sparch.operand import Operand


@dataclass(frozen=True)
class LineMap:
    """Numbering of the lines of B: row ``k`` owns lines ``first[k] : first[k + 1]``."""

    first: Int64s
    line_elements: int

    @staticmethod
    def of(b: Operand, line_elements: int) -> LineMap:
        """Lines of `b` for parts of `line_elements`."""
        parts = -(-np.diff(b.indptr) // line_elements)
        return LineMap(np.concatenate([[0], np.cumsum(parts)]).astype(np.int64), line_elements)

    @property
    def count(self) -> int:
        """Number of lines of B."""
        return int(self.first[-1])


@dataclass(frozen=True)
class Requests:
    """Line requests in order. line: which line. place: index of the element of A (in round order) that asks."""

    line: Int32s
    place: Int32s


def line_requests(a: Operand, lines: LineMap, elements: RoundElements) -> Requests:
    """Requests of one round."""
    total = int(_count(a.indices, lines.first, elements.element))
    line, place = np.empty(total, np.int32), np.empty(total, np.int32)
    _fill(a.indices, lines.first, elements.element, line, place)
    return Requests(line, place)


def next_use(line: Int32s, lines: int) -> Int32s:
    """For each request, the index of the next request of the same line; ``line.size`` where there is none."""
    following = np.empty(line.size, np.int32)
    _next_use(line, np.full(lines, line.size, np.int32), following)
    return following


@njit
def _count(a_indices: Int32s, first: Int64s, element: Int64s) -> int:
    total = 0
    for x in range(element.size):
        k = a_indices[element[x]]
        total += first[k + 1] - first[k]
    return total


@njit
def _fill(a_indices: Int32s, first: Int64s, element: Int64s, line: Int32s, place: Int32s) -> None:
    q = 0
    for x in range(element.size):
        k = a_indices[element[x]]
        for part in range(first[k], first[k + 1]):
            line[q] = part
            place[q] = x
            q += 1


@njit
def _next_use(line: Int32s, seen: npt.NDArray[np.int32], following: Int32s) -> None:
    for q in range(line.size - 1, -1, -1):
        following[q] = seen[line[q]]
        seen[line[q]] = q
