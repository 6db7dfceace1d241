"""A simulated product against SciPy's: structure and values, after every run.

The reference is ``A @ B`` of SciPy, made in slices of rows where the whole would not fit into memory, and timed alone.
Values are compared on the union of both patterns. The error of an entry is relative to

    max(|c|, 1e-6 x bound of its row),    bound of row i = sum over k of |a_ik| x max |b_k|

so that what cancels is measured against what was added. SciPy drops entries that are exactly zero while `output_nnz` is
structural. So where values may cancel, the pattern is also held to the product of the patterns (of ones), which cannot.
Rows whose bound overflows a double are compared by pattern only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sim.errors import InvariantError
from sim.row_compare import compare_values, first_different_row, row_maxima, weighted_sums

TOLERANCE = 1e-9
FLOOR = 1e-6
_BYTES_AN_ENTRY = 30
"""SciPy's entry, the pattern's entry, and the growth of the buffers of both."""
_ALWAYS_ENTRIES = 1 << 24
"""A reference of so many entries is made without looking at how much memory is left."""
_AGAIN_BELOW_S = 0.25
"""A product faster than this is timed twice, and the better time counts."""

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


class Rows(Protocol):
    """A product by rows: `rows` (ascending) hold ``indices[start[r] : start[r + 1]]``, in any order, and `data`."""

    @property
    def rows(self) -> Int32s: ...
    @property
    def start(self) -> Int64s: ...
    @property
    def indices(self) -> Int32s: ...
    @property
    def data(self) -> Float64s: ...


class Matrix(Protocol):
    """An operand; see `sim.sparch.operand.Operand`."""

    @property
    def rows(self) -> int: ...
    @property
    def cols(self) -> int: ...
    @property
    def indptr(self) -> Int64s: ...
    @property
    def indices(self) -> Int32s: ...
    @property
    def data(self) -> Float64s: ...


@dataclass(frozen=True)
class Verification:
    """Outcome. scipy_s: SciPy's product alone; compare_s: everything else."""

    max_relative_error: float
    scipy_s: float
    compare_s: float


def verify(a: Matrix, b: Matrix, product: Rows, *, max_entries: int | None = None) -> Verification:
    """Compare `product` with SciPy's a @ b. Raises InvariantError with the numbers where they differ.

    max_entries: of the product that are compared at once; as many as the memory takes by default.
    """
    begin = time.perf_counter()
    left, right = _scipy(a), _scipy(b)
    floors = FLOOR * row_bounds(a, b)
    may_cancel = not _keeps_sign(a.data, b.data)
    limit = max_entries or _entries_at_once(int(product.start[-1]))
    left[:1] @ right  # so that nothing is set up for the first time below
    worst, scipy_s = 0.0, 0.0
    scratch = np.full(b.cols, -1, np.int32)
    for first, last, part in _slices(product, a.rows, limit):
        piece = left if last - first == a.rows else left[first:last]
        reference, seconds = _timed_product(piece, right, again=piece is left)
        scipy_s += seconds
        worst = max(worst, _compare_values(part, reference, floors[first:last], first, scratch))
        if may_cancel or reference.nnz != part.indices.size:
            _compare_pattern(part, _ones(piece) @ _ones(right), first, scratch)
    return Verification(worst, scipy_s, max(time.perf_counter() - begin - scipy_s, 0.0))


def row_bounds(a: Matrix, b: Matrix) -> Float64s:
    """For each row i of `a`: the sum over k of |a_ik| x max |b_k|; infinite where that overflows."""
    largest = np.zeros(b.rows)
    row_maxima(b.indptr, b.data, largest)
    bounds = np.zeros(a.rows)
    weighted_sums(a.indptr, a.indices, a.data, largest, bounds)
    return bounds


@dataclass(frozen=True)
class _Part:
    """Some consecutive rows of a product; rows count from the first row of the slice."""

    rows: Int32s
    start: Int64s
    indices: Int32s
    data: Float64s


def _slices(product: Rows, rows: int, limit: int) -> Iterator[tuple[int, int, _Part]]:
    """Row ranges that hold at most `limit` entries each (but at least one row), and their part of the product."""
    first, at, last = 0, 0, -1
    while last < rows:
        stop = int(np.searchsorted(product.start, product.start[at] + limit, side="right")) - 1
        stop = min(max(stop, at + 1), product.rows.size)
        last = rows if stop == product.rows.size else int(product.rows[stop - 1]) + 1
        begin, end = int(product.start[at]), int(product.start[stop])
        yield (
            first,
            last,
            _Part(
                product.rows[at:stop] - np.int32(first),
                product.start[at : stop + 1] - begin,
                product.indices[begin:end],
                product.data[begin:end],
            ),
        )
        first, at = last, stop


def _entries_at_once(entries: int) -> int:
    if entries <= _ALWAYS_ENTRIES:
        return _ALWAYS_ENTRIES
    import psutil  # type: ignore[import-untyped]

    return max(int(psutil.virtual_memory().available * 0.8) // _BYTES_AN_ENTRY, _ALWAYS_ENTRIES)


def _scipy(matrix: Matrix) -> Any:
    """As loaded: 32-bit indices wherever they are enough."""
    import scipy.sparse as sp

    indptr = matrix.indptr if matrix.indices.size >= 2**31 else matrix.indptr.astype(np.int32)
    return sp.csr_array((matrix.data, matrix.indices, indptr), shape=(matrix.rows, matrix.cols))


def _ones(csr: Any) -> Any:
    """The pattern: sums of booleans saturate, so nothing cancels or overflows."""
    import scipy.sparse as sp

    return sp.csr_array((np.ones(csr.nnz, np.bool_), csr.indices, csr.indptr), shape=csr.shape)


def _timed_product(left: Any, right: Any, again: bool) -> tuple[Any, float]:
    with np.errstate(over="ignore", invalid="ignore"):
        begin = time.perf_counter()
        reference = left @ right
        seconds = time.perf_counter() - begin
        if again and seconds < _AGAIN_BELOW_S:
            begin = time.perf_counter()
            reference = left @ right
            seconds = min(seconds, time.perf_counter() - begin)
    return reference, seconds


def _keeps_sign(*values: Float64s) -> bool:
    """Whether no sum of products of these values can be zero: all of one sign, none zero or near underflow."""
    smallest = 1.0
    for data in values:
        if data.size == 0:
            return True
        low, high = float(data.min()), float(data.max())
        if low <= 0 <= high:
            return False
        smallest *= min(abs(low), abs(high))
    return smallest > 1e-290


def _compare_values(part: _Part, reference: Any, floors: Float64s, first_row: int, scratch: Int32s) -> float:
    # reference.indptr may be 32 or 64 bits wide: one kind keeps this at one compilation
    worst, at = np.zeros(4), np.full(3, -1, np.int64)
    compare_values(
        part.rows, part.start, part.indices, part.data,
        reference.indptr.astype(np.int64), reference.indices.astype(np.int32, copy=False), reference.data,
        floors, scratch, worst, at,
    )  # fmt: skip
    error, ours, theirs, scale = worst.tolist()
    row, column, absent = at.tolist()
    place = f"row {row + first_row}, column {column}"
    if absent >= 0:
        raise InvariantError(f"verification: SciPy's product has {theirs!r} in {place}, the simulated one no entry")
    if not error <= TOLERANCE:
        raise InvariantError(
            f"verification: {place}: simulated {ours!r}, SciPy {theirs!r}; "
            f"relative error {error:.3g} (scale {scale:.3g}) is over {TOLERANCE:g}"
        )
    return float(error)


def _compare_pattern(part: _Part, reference: Any, first_row: int, scratch: Int32s) -> None:
    if reference.nnz != part.indices.size:
        raise InvariantError(
            f"verification: the product has {part.indices.size} entries from row {first_row} on, "
            f"the product of the patterns {reference.nnz}"
        )
    indptr, indices = reference.indptr.astype(np.int64), reference.indices.astype(np.int32, copy=False)
    row = int(first_different_row(part.rows, part.start, part.indices, indptr, indices, scratch))
    if row >= 0:
        raise InvariantError(f"verification: row {row + first_row} has other columns than the product of the patterns")
