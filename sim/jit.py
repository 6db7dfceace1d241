"""Compiled kernels: `njit` with an on-disk cache that also works from a read-only installation.

The cache lies under ``HWLOOP_CACHE`` (else the platform's user cache directory), never beside the source files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.cpython.unsafe import numbers

from sim.files import cache_root

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _kernel_cache() -> str:
    """One directory for each state of the sources: numba alone would miss a change in a helper of another module."""
    installed = Path(__file__).parent.parent
    state = hashlib.sha256()
    for package in ("sim", "benchmarks", "models"):  # whoever has kernels
        for file in sorted((installed / package).rglob("*.py")):
            state.update(f"{file} {file.stat().st_mtime_ns}".encode())
    return str(cache_root() / "numba" / state.hexdigest()[:16])


if not os.environ.get("NUMBA_CACHE_DIR"):
    setattr(numba.config, "CACHE_DIR", _kernel_cache())  # noqa: B010


_FOLDED: dict[str, Any] = {"cache": True, "forceinline": True, "error_model": "numpy", "_nrt": False}


trailing_zeros = cast(Callable[[int], int], numbers.trailing_zeros)
"""Place of the lowest set bit, in kernels only."""

u = cast(Callable[[int], int], np.uint64)
"""For bits, and for indices in the busiest places: an unsigned one spares the test for negative ones."""


def njit(function: _Function) -> _Function:
    """Compile in nopython mode, cached on disk."""
    compiled: Any = numba.njit(cache=True, boundscheck=False)(function)
    return cast(_Function, compiled)


def parallel(function: _Function) -> _Function:
    """As `njit`, with threads: loops over `numba.prange` are shared among them."""
    compiled: Any = numba.njit(cache=True, boundscheck=False, parallel=True)(function)
    return cast(_Function, compiled)


def inline(function: _Function) -> _Function:
    """Compile a helper that is always inlined into the kernels that call it."""
    compiled: Any = numba.njit(cache=True, inline="always")(function)
    return cast(_Function, compiled)


def forceinline(function: _Function) -> _Function:
    """Compile a helper of the cycle model: LLVM folds it into its callers, which saves passing the records of arrays.

    Without the run-time's reference counts (`_nrt`), which would cost more than the work: they allocate nothing.
    """
    compiled: Any = numba.njit(**_FOLDED)(function)
    return cast(_Function, compiled)
