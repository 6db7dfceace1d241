"""Structure and locality of a sparse matrix in a few numbers, each one pass over the entries.

The columns are those of the SpMV-Research feature table (``feats.csv``), under its names: lengths of rows and columns
(``nnz-r``, ``nnz-c``), column span of a row (``bw``: last column - first column, 0 for a row with fewer than two
entries), scatter (``sc``: entries / span, 0 where the span is 0), runs of consecutive columns (``nr_groups-r``),
``num-neigh-avg`` (how many of the two columns beside an entry are taken too) and ``cross_row_sim-avg`` (the share of a
row's entries for which the next non-empty row holds column c - 1, c or c + 1; the last non-empty row counts as 0).
Means of ``nnz``, ``bw``, ``sc`` and ``nr_groups`` are over all rows, empty ones included; deviations are those of a
population. `pattern_product_nnz` counts the entries of a product without making it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.jit import njit

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Int64s = npt.NDArray[np.int64]
Integers = npt.NDArray[np.integer[Any]]
Float64s = npt.NDArray[np.float64]


def matrix_features(csr: csr_array[Any]) -> dict[str, float]:
    """All columns of the feature table but ``matrix``, by their names there, for a matrix with sorted unique columns.

    Unit: entries or columns; ``density`` a fraction, ``skew_coeff`` relative to the mean row, the ``-scaled`` columns
    relative to the number of columns. A matrix without rows, columns or entries gives zeros.
    """
    rows, cols = (int(one) for one in csr.shape)
    spans, groups = _spans_and_groups(csr.indptr, csr.indices)
    lengths = np.diff(csr.indptr)
    scatter = np.divide(lengths, spans, out=np.zeros(rows), where=spans > 0)
    result = {"nr_rows": float(rows), "nr_cols": float(cols), "nr_nzeros": float(csr.nnz)}
    result["density"] = csr.nnz / max(rows * cols, 1)
    result |= _moments("nnz-r", lengths) | _moments("nnz-c", np.bincount(csr.indices, minlength=cols))
    mean = result["nnz-r-avg"]
    result["skew_coeff"] = (result["nnz-r-max"] - mean) / mean if mean else 0.0
    result |= _moments("bw", spans) | _moments("bw-scaled", spans / max(cols, 1))
    result |= _moments("sc", scatter) | _moments("sc-scaled", scatter * cols)
    result |= _moments("nr_groups-r", groups)
    result["num-neigh-avg"] = 2 * (1 - int(groups.sum()) / csr.nnz) if csr.nnz else 0.0
    result["cross_row_sim-avg"] = row_similarity(csr)
    return result


def mean_span(csr: csr_array[Any]) -> float:
    """Mean column span of a row, ``bw-avg``."""
    spans, _ = _spans_and_groups(csr.indptr, csr.indices)
    return float(spans.mean()) if spans.size else 0.0


def row_similarity(csr: csr_array[Any]) -> float:
    """Similarity of neighbouring rows, ``cross_row_sim-avg``, 0 to 1."""
    shares, rows = _similar_shares(csr.indptr, csr.indices)
    return float(shares / rows) if rows else 0.0


def pattern_product_nnz(a: csr_array[Any], b: csr_array[Any]) -> int:
    """Entries of the pattern product a·b, whatever the values. Takes 8 bytes a column of `b`, not the product's."""
    return int(_product_nnz(a.indptr, a.indices, b.indptr, b.indices, np.full(b.shape[1], -1, dtype=np.int64)))


def _moments(name: str, values: npt.NDArray[Any]) -> dict[str, float]:
    if not values.size:
        return dict.fromkeys((f"{name}-{one}" for one in ("min", "max", "avg", "std")), 0.0)
    statistics = {"min": values.min(), "max": values.max(), "avg": values.mean(), "std": values.std()}
    return {f"{name}-{one}": float(value) for one, value in statistics.items()}


@njit
def _spans_and_groups(indptr: Integers, indices: Integers) -> tuple[Int64s, Int64s]:
    rows = indptr.size - 1
    spans, groups = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for i in range(rows):
        begin, end = indptr[i], indptr[i + 1]
        if begin == end:
            continue
        spans[i] = indices[end - 1] - indices[begin]
        groups[i] = 1
        for x in range(begin + 1, end):
            if indices[x] != indices[x - 1] + 1:
                groups[i] += 1
    return spans, groups


@njit
def _similar_shares(indptr: Integers, indices: Integers) -> tuple[float, int]:
    """Sum over the non-empty rows of the share that recurs in the next one, and the number of those rows."""
    total, rows, last = 0.0, 0, -1
    for i in range(indptr.size - 1):
        if indptr[i] == indptr[i + 1]:
            continue
        rows += 1
        if last >= 0:
            y, end = indptr[i], indptr[i + 1]
            found = 0
            for x in range(indptr[last], indptr[last + 1]):
                while y < end and indices[y] < indices[x] - 1:
                    y += 1
                if y < end and indices[y] <= indices[x] + 1:
                    found += 1
            total += found / (indptr[last + 1] - indptr[last])
        last = i
    return total, rows


@njit
def _product_nnz(a_indptr: Integers, a_indices: Integers, b_indptr: Integers, b_indices: Integers, seen: Int64s) -> int:
    """seen: for each column of b the last row of a that reached it, -1 at first."""
    count = 0
    for i in range(a_indptr.size - 1):
        for x in range(a_indptr[i], a_indptr[i + 1]):
            k = a_indices[x]
            for y in range(b_indptr[k], b_indptr[k + 1]):
                if seen[b_indices[y]] != i:
                    seen[b_indices[y]] = i
                    count += 1
    return count
