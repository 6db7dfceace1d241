"""The product, made once: rows of A times B by SpArch's merge kernel, all entries of A in one round."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.errors import WorkloadError
from sim.outerspace.work import Int64s
from sim.sparch.condensed import RoundElements
from sim.sparch.operand import Operand
from sim.sparch.product import BlockLimits, SparseRows, merge_round

_NO_LIMIT = 2**62


def multiply(a: Operand, b: Operand) -> SparseRows:
    """The structural product a · b by rows."""
    lengths = np.diff(a.indptr)
    rows = np.flatnonzero(lengths).astype(np.int32)
    elements = RoundElements(
        rows=rows,
        start=np.concatenate([[0], np.cumsum(lengths[rows])]).astype(np.int64),
        element=np.arange(a.nnz, dtype=np.int64),
        slot=np.zeros(a.nnz, np.int32),
    )
    limits = BlockLimits(elements=_NO_LIMIT, requests=_NO_LIMIT, a_elements=_NO_LIMIT, partial_in=_NO_LIMIT, shares=1)
    return merge_round(a, b, elements, [], ways=2, lanes=1, line_elements=1, limits=limits).merged


def given_product(product: Any, shape: tuple[int, int]) -> SparseRows:
    """A product that a caller has already: `SparseRows`, or a CSR matrix of the right shape.

    Raises WorkloadError for another shape.
    """
    if isinstance(product, SparseRows):
        if product.rows.size and int(product.rows[-1]) >= shape[0]:
            raise WorkloadError(f"the given product has row {int(product.rows[-1])}, the operands only {shape[0]} rows")
        return product
    if tuple(product.shape) != shape:
        found = f"{product.shape[0]} x {product.shape[1]}"
        raise WorkloadError(f"the given product is {found}, not {shape[0]} x {shape[1]}")
    return SparseRows(
        rows=np.arange(shape[0], dtype=np.int32),
        start=product.indptr.astype(np.int64, copy=False),
        indices=product.indices.astype(np.int32, copy=False),
        data=product.data.astype(np.float64, copy=False),
    )


def row_lengths(product: SparseRows, rows: int) -> Int64s:
    """Entries of every row of the product."""
    lengths = np.zeros(rows, np.int64)
    lengths[product.rows] = np.diff(product.start)
    return lengths
