"""SciPy: one thread, two passes, columns of the product unsorted. The reference that all others are compared with."""

from __future__ import annotations

from typing import Any

from benchmarks.suitesparse.libraries.library import Library, Prepared, missing, package_version


def _prepare(a: Any, b: Any, threads: int) -> Prepared:
    return Prepared(lambda: a @ b, lambda product: product)


LIBRARY = Library(
    baseline="scipy",
    name="scipy",
    label="SciPy",
    where=f"{__name__}:LIBRARY",
    sorted_output=False,
    threaded=False,
    available=lambda: missing("scipy", "scipy"),
    version=lambda: package_version("scipy"),
    prepare=_prepare,
)
