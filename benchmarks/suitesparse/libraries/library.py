"""What a library under test is: who it is, whether it is here, and how it multiplies.

A library is a value with a few functions. The functions run in a process of their own (`child`), which sets the number
of threads before anything heavy is imported; only `available` is also asked in the process that plans the run, so it
must be cheap and import nothing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.suitesparse.libraries.timing import Timing


class UnavailableError(Exception):
    """Raised by `Library.prepare` for what only a look from inside shows (no CUDA device, say): a cell is left out."""


@dataclass(frozen=True)
class Prepared:
    """Operands in the library's own form.

    multiply: one product, finished when it returns. to_csr: its result as a SciPy CSR matrix, rows as they came.
    loop: measures inside another program; seconds to spend in, times and the last result out.
    """

    multiply: Callable[[], Any]
    to_csr: Callable[[Any], Any]
    loop: Callable[[float], tuple[Timing, Any]] | None = None


@dataclass(frozen=True)
class Library:
    """One row of the comparison.

    baseline: the word of ``--baselines``. name: unique; the baseline and a variant. where: ``module:attribute`` from
    which a child process gets this value. sorted_output: columns of each row of the product ascend. threaded: whether
    it can use more than one thread. on_device: the product runs on a graphics card. available: None, or why it cannot
    run here and what to install. version: in words. prepare: (A, B, threads) to `Prepared`, both CSR, float64.
    """

    baseline: str
    name: str
    label: str
    where: str
    sorted_output: bool
    threaded: bool
    available: Callable[[], str | None]
    version: Callable[[], str]
    prepare: Callable[[Any, Any, int], Prepared]
    on_device: bool = False


def missing(package: str, install: str) -> str | None:
    """None where `package` can be imported, else a reason that names what to install. Imports nothing."""
    try:
        found = importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        found = False
    return None if found else f"{package} is not installed; pip install {install}"


def package_version(*packages: str) -> str:
    """``name version`` of installed distributions, joined by commas."""
    from importlib import metadata

    parts = []
    for package in packages:
        try:
            parts.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            parts.append(f"{package} (version unknown)")
    return ", ".join(parts)


def int32_csr(matrix: Any) -> Any:
    """`matrix` with 32-bit indices, as most libraries want them. Raises UnavailableError where they are not enough."""
    import numpy as np
    import scipy.sparse as sp

    if max(*matrix.shape, matrix.nnz) > np.iinfo(np.int32).max:
        raise UnavailableError("the matrix needs 64-bit indices, which this row of the comparison does not use")
    parts = (matrix.data, matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32))
    return sp.csr_array(parts, shape=matrix.shape)
