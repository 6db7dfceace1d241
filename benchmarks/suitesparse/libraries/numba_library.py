"""Own kernels: `gustavson` with a dense accumulator and with a hash table, on any number of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.suitesparse.libraries.library import Library, Prepared, int32_csr, missing, package_version


def _operands(a: Any, b: Any, threads: int) -> tuple[Any, ...]:
    import numba
    import numpy as np

    numba.set_num_threads(threads)
    parts: list[Any] = []
    for matrix in (int32_csr(a), int32_csr(b)):
        parts += [matrix.indptr.astype(np.int64), matrix.indices, matrix.data.astype(np.float64)]
    return tuple(parts)


def _allocate(counts: Any) -> tuple[Any, Any, Any]:
    import numpy as np

    indptr = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    return indptr, np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float64)


def _to_csr(shape: tuple[int, int]) -> Callable[[Any], Any]:
    import scipy.sparse as sp

    def convert(product: Any) -> Any:
        indptr, indices, data = product
        return sp.csr_array((data, indices, indptr), shape=shape)

    return convert


def _dense(a: Any, b: Any, threads: int) -> Prepared:
    import numpy as np

    from benchmarks.suitesparse.libraries import gustavson

    a_indptr, a_indices, a_data, b_indptr, b_indices, b_data = _operands(a, b, threads)
    rows, cols = a.shape[0], b.shape[1]

    def multiply() -> Any:
        counts = np.empty(rows, np.int64)
        gustavson.count_dense(a_indptr, a_indices, b_indptr, b_indices, cols, threads, counts)
        product = _allocate(counts)
        gustavson.fill_dense(
            a_indptr, a_indices, a_data, b_indptr, b_indices, b_data, cols, threads, *product
        )  # fmt: skip
        return product

    return Prepared(multiply, _to_csr((rows, cols)))


def _hash(a: Any, b: Any, threads: int) -> Prepared:
    import numpy as np

    from benchmarks.suitesparse.libraries import gustavson

    a_indptr, a_indices, a_data, b_indptr, b_indices, b_data = _operands(a, b, threads)
    rows, cols = a.shape[0], b.shape[1]

    def multiply() -> Any:
        work, counts = np.empty(rows, np.int64), np.empty(rows, np.int64)
        gustavson.row_work(a_indptr, a_indices, b_indptr, cols, work)
        gustavson.count_hash(a_indptr, a_indices, b_indptr, b_indices, work, threads, counts)
        product = _allocate(counts)
        gustavson.fill_hash(a_indptr, a_indices, a_data, b_indptr, b_indices, b_data, threads, *product)
        return product

    return Prepared(multiply, _to_csr((rows, cols)))


def _library(kind: str, attribute: str, prepare: Callable[[Any, Any, int], Prepared]) -> Library:
    return Library(
        baseline="numba",
        name=f"numba-{kind}",
        label=f"numba, {kind}",
        where=f"{__name__}:{attribute}",
        sorted_output=False,
        threaded=True,
        available=lambda: missing("numba", "numba"),
        version=lambda: package_version("numba"),
        prepare=prepare,
    )


DENSE = _library("dense", "DENSE", _dense)
HASH = _library("hash", "HASH", _hash)
