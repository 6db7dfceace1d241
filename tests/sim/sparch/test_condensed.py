"""Condensed and original columns against plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.sparch.condensed import Leaves, RoundElements
from sim.sparch.operand import Operand


def random_operand(seed: int, rows: int = 40, cols: int = 30, density: float = 0.2) -> Operand:
    """With an empty row and an empty column."""
    rng = np.random.default_rng(seed)
    dense = rng.random((rows, cols)) * (rng.random((rows, cols)) < density)
    dense[rows // 2] = 0
    dense[:, cols // 3] = 0
    return Operand.of(dense)


def columns_of(a: Operand, condensing: bool) -> list[list[tuple[int, int]]]:
    """(row, index into CSR) of each leaf, in row order."""
    places: dict[int, list[tuple[int, int]]] = {}
    for row in range(a.rows):
        for at in range(a.indptr[row], a.indptr[row + 1]):
            places.setdefault(at - a.indptr[row] if condensing else int(a.indices[at]), []).append((row, at))
    return [places[key] for key in sorted(places)]


def as_list(elements: RoundElements) -> list[tuple[int, int, int]]:
    """(row, index into CSR, slot), and the invariants of the offsets."""
    assert elements.start[0] == 0
    assert elements.start[-1] == elements.element.size == elements.slot.size
    assert elements.start.size == elements.rows.size + 1
    assert (np.diff(elements.start) > 0).all()
    assert (np.diff(elements.rows) > 0).all()
    rows = np.repeat(elements.rows, np.diff(elements.start))
    return list(zip(rows.tolist(), elements.element.tolist(), elements.slot.tolist(), strict=True))


def gathered(a: Operand, condensing: bool, chosen: list[int]) -> list[tuple[int, int, int]]:
    columns = columns_of(a, condensing)
    return sorted((row, at, slot) for slot, leaf in enumerate(chosen) for row, at in columns[leaf])


def test_sizes_are_the_rows_longer_than_j() -> None:
    a = random_operand(1)
    lengths = np.diff(a.indptr)
    leaves = Leaves(a, condensing=True)
    assert leaves.count == lengths.max()
    assert leaves.sizes.tolist() == [(lengths > j).sum() for j in range(lengths.max())]
    assert (np.diff(leaves.sizes) <= 0).all()
    assert leaves.sizes.sum() == a.nnz


def test_sizes_of_original_columns() -> None:
    a = random_operand(2)
    leaves = Leaves(a, condensing=False)
    assert leaves.sizes.tolist() == [len(column) for column in columns_of(a, False)]
    assert leaves.count == 29  # one column is empty


@pytest.mark.parametrize("condensing", [True, False])
def test_products(condensing: bool) -> None:
    a = random_operand(3)
    b_lengths = np.arange(a.cols) % 7
    expected = [sum(int(b_lengths[a.indices[at]]) for _, at in column) for column in columns_of(a, condensing)]
    assert Leaves(a, condensing).products(b_lengths).tolist() == expected


@pytest.mark.parametrize("condensing", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_gather_goes_row_by_row(condensing: bool, seed: int) -> None:
    a = random_operand(seed, density=[0.02, 0.1, 0.2, 0.5, 0.9][seed])
    leaves = Leaves(a, condensing)
    rng = np.random.default_rng(seed)
    for _ in range(10):
        chosen = np.flatnonzero(rng.random(leaves.count) < rng.random())
        assert as_list(leaves.gather(chosen)) == gathered(a, condensing, chosen.tolist())
    everything = leaves.gather(np.arange(leaves.count))
    assert everything.element.tolist() == list(range(a.nnz)) or not condensing
    assert sorted(everything.element.tolist()) == list(range(a.nnz))


def test_gather_from_a_few_long_rows() -> None:
    """Fewer than a sixteenth of the rows reach the chosen columns: another way to find them."""
    dense = np.zeros((200, 50))
    dense[:, 0] = 1
    dense[[3, 77, 150], 10:40] = 1
    a = Operand.of(dense)
    leaves = Leaves(a, condensing=True)
    for chosen in ([1], [30], [5, 20], [0, 30], list(range(31))):
        assert as_list(leaves.gather(np.array(chosen))) == gathered(a, True, chosen)


@pytest.mark.parametrize("condensing", [True, False])
def test_nothing(condensing: bool) -> None:
    for shape in ((0, 0), (4, 4), (0, 3), (3, 0)):
        leaves = Leaves(Operand.of(np.zeros(shape)), condensing)
        assert leaves.count == 0
        assert leaves.products(np.zeros(shape[1], np.int64)).size == 0
        assert as_list(leaves.gather(np.zeros(0, np.int64))) == []


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.booleans(), st.data())
def test_every_element_is_in_one_leaf(seed: int, density: float, condensing: bool, data: Any) -> None:
    rng = np.random.default_rng(seed)
    dense = np.ones((rng.integers(1, 15), rng.integers(1, 15))) * 1.0
    dense *= rng.random(dense.shape) < density
    a = Operand.of(dense)
    leaves = Leaves(a, condensing)
    cut = data.draw(st.integers(0, leaves.count))
    first, rest = leaves.gather(np.arange(cut)), leaves.gather(np.arange(cut, leaves.count))
    assert sorted([*first.element.tolist(), *rest.element.tolist()]) == list(range(a.nnz))
