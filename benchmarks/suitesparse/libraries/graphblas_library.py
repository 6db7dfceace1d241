"""SuiteSparse:GraphBLAS through python-graphblas. The product is waited for, which also sorts its rows."""

from __future__ import annotations

from typing import Any

from benchmarks.suitesparse.libraries.library import Library, Prepared, missing, package_version


def _prepare(a: Any, b: Any, threads: int) -> Prepared:
    import graphblas as gb  # type: ignore[import-not-found, unused-ignore]

    gb.ss.config["nthreads"] = threads
    left = gb.io.from_scipy_sparse(a)
    right = left if b is a else gb.io.from_scipy_sparse(b)

    def multiply() -> Any:
        product = left.mxm(right, gb.semiring.plus_times).new()
        product.wait()
        return product

    return Prepared(multiply, lambda product: gb.io.to_scipy_sparse(product, format="csr"))


def _version() -> str:
    return package_version("python-graphblas", "suitesparse-graphblas")


LIBRARY = Library(
    baseline="graphblas",
    name="graphblas",
    label="SuiteSparse:GraphBLAS",
    where=f"{__name__}:LIBRARY",
    sorted_output=True,
    threaded=True,
    available=lambda: missing("graphblas", "'hwloop[graphblas]'"),
    version=_version,
    prepare=_prepare,
)
