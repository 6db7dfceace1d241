"""Operands from whatever SciPy turns into CSR, and the ones that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from sim.errors import WorkloadError
from sim.sparch.operand import Operand

DENSE = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, -3.0]])


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix, sp.lil_array])
def test_forms(form: Any) -> None:
    operand = Operand.of(form(DENSE))
    assert (operand.rows, operand.cols, operand.nnz) == (2, 3, 3)
    assert operand.indptr.tolist() == [0, 1, 3]
    assert operand.indices.tolist() == [1, 0, 2]
    assert operand.data.tolist() == [2.0, 1.0, -3.0]
    assert (operand.indptr.dtype, operand.indices.dtype, operand.data.dtype) == (np.int64, np.int32, np.float64)
    assert (operand.scipy().toarray() == DENSE).all()


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16, np.float32, np.float64, bool])
def test_types_of_values(kind: Any) -> None:
    operand = Operand.of(sp.csr_array(np.eye(3).astype(kind)))
    assert operand.data.dtype == np.float64
    assert operand.data.tolist() == [1.0, 1.0, 1.0]


def test_duplicates_are_summed_and_the_original_is_left_alone() -> None:
    matrix = sp.csr_array(([1.0, 2.0, 4.0], [2, 2, 0], [0, 3]), shape=(1, 3))
    operand = Operand.of(matrix)
    assert operand.indices.tolist() == [0, 2]
    assert operand.data.tolist() == [4.0, 3.0]
    assert matrix.indices.tolist() == [2, 2, 0]


def test_explicit_zeros_stay() -> None:
    assert Operand.of(sp.csr_array(([0.0, 1.0], ([0, 1], [1, 0])), shape=(2, 2))).nnz == 2
    cancelled = sp.coo_array(([1.0, -1.0], ([0, 0], [1, 1])), shape=(2, 2))
    assert Operand.of(cancelled).nnz == 1


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (3, 3)])
def test_empty(shape: tuple[int, int]) -> None:
    operand = Operand.of(sp.csr_array(shape))
    assert (operand.rows, operand.cols, operand.nnz) == (*shape, 0)
    assert operand.indptr.size == shape[0] + 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(bad: float) -> None:
    with pytest.raises(WorkloadError, match=r"^left: contains NaN or infinite values$"):
        Operand.of(np.array([[1.0, bad]]), "left")


@pytest.mark.parametrize("bad", ["text", np.ones((2, 2, 2)), sp.coo_array(np.ones(3)), sp.csr_array(np.eye(2) * 1j)])
def test_not_a_real_matrix(bad: Any) -> None:
    with pytest.raises(WorkloadError, match=r"^left: "):
        Operand.of(bad, "left")


def test_side_that_is_too_long() -> None:
    with pytest.raises(WorkloadError, match="side 2147483648 is over the largest supported, 2147483647"):
        Operand.of(sp.coo_array(([1.0], ([0], [2**31 - 1])), shape=(1, 2**31)))


def test_frozen() -> None:
    operand = Operand.of(np.eye(2))
    with pytest.raises(AttributeError):
        operand.rows = 3  # type: ignore[misc]
