"""Lines, requests and next uses against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.sparch.condensed import Leaves
from sim.sparch.distance import LineMap, line_requests, next_use
from sim.sparch.operand import Operand


def operands(seed: int) -> tuple[Operand, Operand]:
    """A 20 x 15 and B 15 x 40, with empty rows in B."""
    rng = np.random.default_rng(seed)
    b = rng.random((15, 40)) * (rng.random((15, 40)) < rng.random((15, 1)))
    b[[0, 7, 14]] = 0
    return Operand.of(rng.random((20, 15)) * (rng.random((20, 15)) < 0.4)), Operand.of(b)


def test_lines_by_hand() -> None:
    b = Operand.of(np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]))
    assert LineMap.of(b, 2).first.tolist() == [0, 2, 2, 4, 5]
    assert LineMap.of(b, 3).first.tolist() == [0, 1, 1, 3, 4]
    assert LineMap.of(b, 48).first.tolist() == [0, 1, 1, 2, 3]
    assert LineMap.of(b, 2).count == 5


def test_no_lines() -> None:
    lines = LineMap.of(Operand.of(np.zeros((3, 3))), 48)
    assert lines.count == 0
    assert LineMap.of(Operand.of(np.zeros((0, 3))), 48).count == 0


@pytest.mark.parametrize("condensing", [True, False])
@pytest.mark.parametrize("line_elements", [1, 3, 48])
def test_requests_in_order(condensing: bool, line_elements: int) -> None:
    a, b = operands(4)
    leaves = Leaves(a, condensing)
    elements = leaves.gather(np.arange(0, leaves.count, 2))
    lines = LineMap.of(b, line_elements)
    expected = []
    for place, at in enumerate(elements.element.tolist()):
        row = a.indices[at]
        expected += [(line, place) for line in range(lines.first[row], lines.first[row + 1])]
    requests = line_requests(a, lines, elements)
    assert list(zip(requests.line.tolist(), requests.place.tolist(), strict=True)) == expected
    assert (np.diff(requests.place) >= 0).all()


@given(st.lists(st.integers(0, 12), max_size=60))
def test_next_use(line: list[int]) -> None:
    expected = [next((q for q in range(p + 1, len(line)) if line[q] == line[p]), len(line)) for p in range(len(line))]
    assert next_use(np.array(line, np.int32), 13).tolist() == expected
