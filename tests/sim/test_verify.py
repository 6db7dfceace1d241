"""Verification accepts right products of every kind, and names what is wrong with others."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from sim.errors import InvariantError
from sim.sparch.operand import Operand
from sim.sparch.product import SparseRows
from sim.verify import row_bounds, verify


def rows_of(product: Any) -> SparseRows:
    """A CSR product as rows, columns in reverse order, empty rows left out."""
    csr = sp.csr_array(product)
    lengths = np.diff(csr.indptr)
    kept = np.flatnonzero(lengths)
    order = np.concatenate([np.zeros(0, int), *(np.arange(csr.indptr[r], csr.indptr[r + 1])[::-1] for r in kept)])
    start = np.concatenate([[0], np.cumsum(lengths[kept])]).astype(np.int64)
    return SparseRows(kept.astype(np.int32), start, csr.indices[order].astype(np.int32), csr.data[order])


def structural(a: Any, b: Any) -> SparseRows:
    """The product with its cancelled entries."""
    pattern = sp.csr_array((abs(sp.csr_array(a)) > 0).astype(float) @ (abs(sp.csr_array(b)) > 0).astype(float))
    pattern.data = np.asarray((sp.csr_array(a) @ sp.csr_array(b)).todense())[pattern.nonzero()]
    return rows_of(pattern)


@pytest.fixture
def a() -> Operand:
    """Mixed signs, some empty rows."""
    rng = np.random.default_rng(5)
    dense = rng.standard_normal((40, 40)) * (rng.random((40, 40)) < 0.2)
    dense[[0, 7, 39]] = 0
    return Operand.of(dense)


@pytest.fixture
def product(a: Operand) -> SparseRows:
    """Its square."""
    return rows_of(a.scipy() @ a.scipy())


def test_right_product(a: Operand, product: SparseRows) -> None:
    found = verify(a, a, product)
    assert found.max_relative_error == 0
    assert found.scipy_s > 0
    assert found.compare_s > 0


def test_rounding_is_measured(a: Operand, product: SparseRows) -> None:
    data = product.data.copy()
    at = int(np.argmax(abs(data)))
    data[at] *= 1 + 1e-12
    assert verify(a, a, dataclasses.replace(product, data=data)).max_relative_error == pytest.approx(1e-12, rel=1e-3)


@pytest.mark.parametrize("limit", [1, 7, 100, 10**9])
def test_slices_of_rows_give_the_same(a: Operand, product: SparseRows, limit: int) -> None:
    assert verify(a, a, product, max_entries=limit).max_relative_error == 0
    data = product.data.copy()
    data[-1] += 1
    with pytest.raises(InvariantError, match=f"row {product.rows[-1]}, column {product.indices[-1]}: "):
        verify(a, a, dataclasses.replace(product, data=data), max_entries=limit)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e9, 0.0])
def test_wrong_value(a: Operand, product: SparseRows, wrong: float) -> None:
    data = product.data.copy()
    data[17] = wrong
    with pytest.raises(InvariantError, match="relative error") as caught:
        verify(a, a, dataclasses.replace(product, data=data))
    assert repr(wrong) in str(caught.value)


def test_missing_entry(a: Operand, product: SparseRows) -> None:
    start = product.start.copy()
    start[3:] -= 1
    at = int(product.start[3]) - 1
    short = SparseRows(product.rows, start, np.delete(product.indices, at), np.delete(product.data, at))
    with pytest.raises(InvariantError, match=f"row {product.rows[2]}, column {product.indices[at]}.* no entry"):
        verify(a, a, short)


def test_entry_too_much(a: Operand, product: SparseRows) -> None:
    row = next(r for r in range(product.rows.size) if product.start[r + 1] - product.start[r] < 40)
    end = int(product.start[row + 1])
    free = np.setdiff1d(np.arange(40), product.indices[product.start[row] : end])[0]
    start = product.start.copy()
    start[row + 1 :] += 1
    for value, words in ((1.0, "SciPy 0.0"), (0.0, "product of the patterns")):
        longer = SparseRows(
            product.rows, start, np.insert(product.indices, end, free), np.insert(product.data, end, value)
        )
        with pytest.raises(InvariantError, match=words):
            verify(a, a, longer)


def test_missing_row(a: Operand, product: SparseRows) -> None:
    cut = SparseRows(
        product.rows[1:], product.start[1:] - product.start[1], product.indices[product.start[1] :],
        product.data[product.start[1] :],
    )  # fmt: skip
    with pytest.raises(InvariantError, match="no entry"):
        verify(a, a, cut)


def test_cancelled_entries_must_be_there() -> None:
    a = Operand.of(np.array([[1.0, 1.0], [0.0, 2.0]]))
    b = Operand.of(np.array([[3.0, 1.0], [-3.0, 1.0]]))
    assert (a.scipy() @ b.scipy()).nnz == 3
    assert verify(a, b, structural(a.scipy(), b.scipy())).max_relative_error == 0
    with pytest.raises(InvariantError, match=r"3 entries.* 4"):
        verify(a, b, rows_of(a.scipy() @ b.scipy()))


def test_explicit_zeros_count_as_entries() -> None:
    zero = sp.csr_array((np.zeros(1), ([0], [0])), shape=(2, 2))
    a = Operand.of(zero)
    kept = SparseRows(np.array([0], np.int32), np.array([0, 1]), np.array([0], np.int32), np.zeros(1))
    assert verify(a, a, kept).max_relative_error == 0
    with pytest.raises(InvariantError, match=r"0 entries.* 1"):
        verify(a, a, rows_of(sp.csr_array((2, 2))))


def test_right_size_with_a_wrong_column() -> None:
    a = Operand.of(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    b = Operand.of(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]))
    wrong = SparseRows(np.array([0], np.int32), np.array([0, 1]), np.array([1], np.int32), np.zeros(1))
    with pytest.raises(InvariantError, match="row 0 has other columns"):
        verify(a, b, wrong)


def test_cancellation_is_measured_against_what_was_added() -> None:
    a = Operand.of(np.array([[1e8, 1e8]]))
    b = Operand.of(np.array([[1.0], [-1.0]]))
    close = SparseRows(np.array([0], np.int32), np.array([0, 1]), np.array([0], np.int32), np.array([1e-8]))
    assert verify(a, b, close).max_relative_error == pytest.approx(1e-8 / 200)
    far = dataclasses.replace(close, data=np.array([1e-3]))
    with pytest.raises(InvariantError, match="relative error 5e-06"):
        verify(a, b, far)


def test_overflow_is_compared_by_pattern() -> None:
    a = Operand.of(np.array([[1e300, -1e300], [1e300, 1.0]]))
    assert verify(a, a, rows_of(np.array([[np.nan, 1.0], [5.0, 6.0]]))).max_relative_error == 0


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (4, 4)])
def test_empty(shape: tuple[int, int]) -> None:
    a, b = Operand.of(sp.csr_array(shape)), Operand.of(sp.csr_array(shape[::-1]))
    assert verify(a, b, rows_of(sp.csr_array((shape[0], shape[0])))).max_relative_error == 0


def test_row_bounds() -> None:
    a = Operand.of(np.array([[1.0, -2.0], [0.0, 0.0]]))
    b = Operand.of(np.array([[3.0, -4.0], [5.0, 0.5]]))
    assert row_bounds(a, b).tolist() == [14.0, 0.0]
