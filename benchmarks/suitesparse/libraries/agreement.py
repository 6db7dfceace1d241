"""Whether a library's product is SciPy's: pattern and values, whatever the order within rows.

Values are compared on the union pattern by the kernel and the tolerance of `sim.verify`: the error of an entry is
relative to max(|c|, 1e-6 x bound of its row). Libraries differ in what they do with sums that cancel, so an entry that
one side lacks counts as zero there, and where no sum can cancel (no negative value) both must have the same non-zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.row_compare import compare_values
from sim.sparch.operand import Operand
from sim.verify import FLOOR, TOLERANCE, row_bounds


@dataclass(frozen=True)
class Agreement:
    """reason: what differs, None where nothing does. max_relative_error: None where it is not a finite number."""

    agrees: bool
    max_relative_error: float | None
    reason: str | None


def compare(a: Any, b: Any, product: Any, reference: Any, sorted_output: bool) -> Agreement:
    """`product` of a library against SciPy's `reference` = a @ b; all CSR."""
    fault = _shape_fault(product, reference, sorted_output)
    if fault:
        return Agreement(False, None, fault)
    floors = FLOOR * row_bounds(Operand.of(a, "A"), Operand.of(b, "B"))
    may_cancel = bool((a.data < 0).any() or (b.data < 0).any())
    stored = reference.nnz
    if may_cancel:
        reference = _without_negligible(reference, floors)
    worst, at = np.zeros(4), np.full(3, -1, np.int64)
    compare_values(
        np.arange(product.shape[0], dtype=np.int32), *_arrays(product), *_arrays(reference),
        floors, np.full(product.shape[1], -1, np.int32), worst, at,
    )  # fmt: skip
    error, ours, theirs, _ = worst.tolist()
    row, column, absent = at.tolist()
    if absent >= 0:
        return Agreement(False, None, f"no entry in row {row}, column {column}, where SciPy has {theirs!r}")
    finite = error if math.isfinite(error) else None
    if not error <= TOLERANCE:
        place = f"row {row}, column {column}" if row >= 0 else "some entry"
        return Agreement(False, finite, f"{place}: {ours!r}, SciPy has {theirs!r} (relative error {error:.3g})")
    nonzeros = int(np.count_nonzero(product.data[: product.nnz]))
    if not may_cancel and nonzeros != stored:
        return Agreement(False, finite, f"{nonzeros} non-zero entries, SciPy has {stored}")
    return Agreement(True, finite, None)


def _shape_fault(product: Any, reference: Any, sorted_output: bool) -> str | None:
    """What makes `product` no CSR matrix of the right shape, so that no kernel may touch it."""
    if tuple(product.shape) != tuple(reference.shape):
        return f"shape {tuple(product.shape)}, SciPy's is {tuple(reference.shape)}"
    indptr, indices = product.indptr, product.indices
    if (
        indptr.size != product.shape[0] + 1
        or indptr[0] != 0
        or indptr[-1] > product.indices.size
        or (np.diff(indptr) < 0).any()
    ):
        return "its row pointers are damaged"
    indices, data = product.indices[: product.nnz], product.data[: product.nnz]
    if product.nnz and (indices.min() < 0 or indices.max() >= product.shape[1]):
        return "its columns are out of range"
    if np.isnan(data).any() and not np.isnan(reference.data).any():
        return f"{int(np.isnan(data).sum())} entries are not a number"
    if sorted_output and not _sorted(product):
        return "its rows are not sorted, as this library's should be"
    return None


def _sorted(product: Any) -> bool:
    """Whether columns ascend within each row; looks, whatever flags SciPy keeps."""
    ascends = np.diff(product.indices[: product.nnz].astype(np.int64)) > 0
    starts = product.indptr[1:-1]
    ascends[starts[(starts > 0) & (starts < product.nnz)] - 1] = True
    return bool(ascends.all())


def _arrays(csr: Any) -> tuple[Any, Any, Any]:
    indices = np.ascontiguousarray(csr.indices, np.int32)
    return csr.indptr.astype(np.int64), indices, np.ascontiguousarray(csr.data, np.float64)


def _without_negligible(reference: Any, floors: Any) -> Any:
    """`reference` without entries that are nothing but rounding: a library may have exactly zero, and no entry."""
    kept = reference.copy()
    rows = np.repeat(np.arange(kept.shape[0]), np.diff(kept.indptr))
    kept.data[np.abs(kept.data) <= TOLERANCE * floors[rows]] = 0.0
    kept.eliminate_zeros()
    return kept
