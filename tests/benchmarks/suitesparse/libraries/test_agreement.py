"""What counts as the same product, and that anything else is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from library_cases import operands, random_csr

from benchmarks.suitesparse.libraries.agreement import Agreement, compare

A = random_csr(80, 80, 0.06, 11)
C = A @ A


def judged(product: Any, sorted_output: bool = False, a: Any = A) -> Agreement:
    """The verdict on `product` as a · a."""
    return compare(a, a, product, a @ a, sorted_output)


def changed(indices: Any = None, data: Any = None, indptr: Any = None, shape: Any = None) -> Any:
    """C with other arrays, not looked at by SciPy."""
    copy = C.copy()
    for name, array in (("indices", indices), ("data", data), ("indptr", indptr)):
        if array is not None:
            setattr(copy, name, array)
    return copy if shape is None else sp.csr_array((copy.data, copy.indices, copy.indptr), shape=shape)


@pytest.mark.parametrize("case", operands())
def test_scipys_own_product_agrees(case: str) -> None:
    a, b = operands()[case]
    assert compare(a, b, a @ b, a @ b, False) == Agreement(True, 0.0, None)


def test_order_within_rows_does_not_matter_unless_it_should_be_sorted() -> None:
    in_order = C.copy()
    in_order.sort_indices()
    reverse = in_order.copy()
    for begin, end in zip(reverse.indptr, reverse.indptr[1:], strict=False):
        reverse.indices[begin:end] = reverse.indices[begin:end][::-1].copy()
        reverse.data[begin:end] = reverse.data[begin:end][::-1].copy()
    assert judged(reverse).agrees
    assert judged(in_order, sorted_output=True).agrees
    verdict = judged(reverse, sorted_output=True)
    assert (verdict.agrees, verdict.reason) == (False, "its rows are not sorted, as this library's should be")


@pytest.mark.parametrize(("factor", "agrees"), [(1 + 1e-12, True), (1 + 1e-6, False), (-1.0, False)])
def test_a_changed_value_is_found(factor: float, agrees: bool) -> None:
    data = C.data.copy()
    data[37] *= factor
    verdict = judged(changed(data=data))
    assert verdict.agrees is agrees
    assert verdict.max_relative_error == pytest.approx(abs(factor - 1), rel=1e-3)
    assert (verdict.reason is None) is agrees


def test_an_entry_too_few_is_found() -> None:
    data = C.data.copy()
    data[5] = 0.0
    fewer = changed(data=data)
    assert judged(fewer).agrees is False
    fewer.eliminate_zeros()
    verdict = judged(fewer)
    assert verdict.agrees is False
    assert verdict.reason is not None
    assert verdict.reason.startswith("no entry in row")


def test_an_entry_too_many_is_found_and_a_zero_is_none() -> None:
    row, column = (int(one[0]) for one in np.nonzero(C.toarray() == 0))
    for value, agrees in ((1e-3, False), (0.0, True)):
        extra = sp.csr_array(([value], ([row], [column])), shape=C.shape)
        coo = C.tocoo()
        more = sp.coo_array(
            (np.append(coo.data, extra.data), (np.append(coo.coords[0], row), np.append(coo.coords[1], column))),
            shape=C.shape,
        ).tocsr()
        assert more.nnz == C.nnz + 1
        assert judged(more).agrees is agrees


def test_a_column_twice_in_a_row_is_found() -> None:
    indices = C.indices.copy()
    row = int(np.argmax(np.diff(C.indptr)))
    indices[C.indptr[row]] = indices[C.indptr[row] + 1]
    assert judged(changed(indices=indices)).agrees is False
    doubled = sp.csr_array(
        (np.repeat(C.data / 2, 2), np.repeat(C.indices, 2), C.indptr * 2), shape=C.shape
    )  # sums are right, entries are not
    assert judged(doubled).agrees is False


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda: changed(indices=np.where(C.indices == 79, 80, C.indices)), "columns are out of range"),
        (lambda: changed(indices=np.where(C.indices == 0, -1, C.indices)), "columns are out of range"),
        (lambda: changed(indptr=C.indptr[::-1].copy()), "row pointers are damaged"),
        (lambda: changed(data=np.where(np.arange(C.nnz) == 3, np.nan, C.data)), "1 entries are not a number"),
        (lambda: changed(shape=(80, 81)), "shape (80, 81), SciPy's is (80, 80)"),
    ],
)
def test_what_is_no_matrix_is_not_touched(fault: Any, reason: str) -> None:
    verdict = judged(fault())
    assert verdict.agrees is False
    assert reason in str(verdict.reason)
    assert verdict.max_relative_error is None


def test_rounding_where_sums_cancel_is_no_difference() -> None:
    a = sp.csr_array(np.array([[1.0, -1.0, 1.0], [0.1, 0.2, -0.3], [1.0, 1.0, 1.0]]))
    b = sp.csr_array(np.ones((3, 3)))
    reference = a @ b
    assert reference.nnz == 9  # 0.1 + 0.2 - 0.3 leaves 5.6e-17 with this order of sums
    exact = reference.copy()
    exact.data[3:6] = 0.0
    exact.eliminate_zeros()
    assert compare(a, b, exact, reference, False).agrees
    assert compare(a, b, reference, exact, False).agrees
