"""Intel MKL through sparse_dot_mkl: the product as it comes (unsorted), and with its rows sorted afterwards.

PyPI's package of MKL puts ``libmkl_rt`` where sparse_dot_mkl does not look. So it is found here and named in the
environment variable ``MKL_RT`` before the import; a value that the user has set is left alone.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.suitesparse.libraries.library import (
    Library,
    Prepared,
    UnavailableError,
    int32_csr,
    missing,
    package_version,
)

_INSTALL = "'hwloop[mkl]'"
_PATTERNS = ("lib/libmkl_rt.so*", "lib/libmkl_rt.dylib", "lib/libmkl_rt*.dylib", "Library/bin/mkl_rt*.dll")


def find_mkl_rt() -> Path | None:
    """MKL's run-time library below the prefixes of this interpreter; None without one."""
    for prefix in dict.fromkeys((sys.prefix, site.getuserbase() or "", sys.base_prefix)):
        for pattern in _PATTERNS if prefix else ():
            found = sorted(Path(prefix).glob(pattern))
            if found:
                return found[0]
    return None


def _available() -> str | None:
    reason = missing("sparse_dot_mkl", _INSTALL)
    if reason or os.environ.get("MKL_RT") or find_mkl_rt():
        return reason
    import ctypes.util

    return None if ctypes.util.find_library("mkl_rt") else f"MKL's libmkl_rt was not found; pip install {_INSTALL}"


def _prepare(reorder: bool) -> Callable[[Any, Any, int], Prepared]:
    def prepare(a: Any, b: Any, threads: int) -> Prepared:
        library = find_mkl_rt()
        if library is not None:
            os.environ.setdefault("MKL_RT", str(library))
        try:
            import sparse_dot_mkl  # type: ignore[import-not-found, unused-ignore]
        except (ImportError, OSError) as error:
            raise UnavailableError(f"sparse_dot_mkl cannot load MKL: {error}") from None
        sparse_dot_mkl.mkl_set_num_threads(threads)
        left = int32_csr(a)
        right = left if b is a else int32_csr(b)
        return Prepared(
            lambda: sparse_dot_mkl.dot_product_mkl(left, right, reorder_output=reorder), lambda product: product
        )

    return prepare


def _library(kind: str, attribute: str, reorder: bool) -> Library:
    return Library(
        baseline="mkl",
        name=f"mkl-{kind}",
        label=f"MKL, {kind}",
        where=f"{__name__}:{attribute}",
        sorted_output=reorder,
        threaded=True,
        available=_available,
        version=lambda: package_version("mkl", "sparse_dot_mkl"),
        prepare=_prepare(reorder),
    )


UNSORTED = _library("unsorted", "UNSORTED", False)
SORTED = _library("sorted", "SORTED", True)
