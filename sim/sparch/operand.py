"""An operand in memory: CSR with fixed integer types, so that every kernel is compiled once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import WorkloadError

_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Operand:
    """A sparse matrix: ``indptr`` (rows + 1, int64), ``indices`` (nnz, int32), ``data`` (nnz, float64)."""

    rows: int
    cols: int
    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    data: npt.NDArray[np.float64]

    @property
    def nnz(self) -> int:
        """Stored elements, explicit zeros included."""
        return int(self.indices.size)

    @staticmethod
    def of(matrix: Any, name: str = "matrix") -> Operand:
        """From anything SciPy turns into CSR; duplicates are summed, explicit zeros kept.

        Raises WorkloadError: not a real two-dimensional matrix, a value that is not finite, or a side over 2^31 - 1.
        """
        import scipy.sparse as sp

        try:
            csr = sp.csr_array(matrix)
        except (ValueError, TypeError) as error:
            raise WorkloadError(f"{name}: not a two-dimensional sparse matrix ({error})") from None
        if csr.ndim != 2:
            raise WorkloadError(f"{name}: {csr.ndim} dimensions; a matrix has 2")
        if not (np.issubdtype(csr.dtype, np.floating) or np.issubdtype(csr.dtype, np.integer) or csr.dtype == bool):
            raise WorkloadError(f"{name}: values of type {csr.dtype} are not supported; real values are")
        if max(csr.shape) > _INT32_MAX:
            raise WorkloadError(f"{name}: side {max(csr.shape)} is over the largest supported, {_INT32_MAX}")
        if not csr.has_canonical_format:
            csr = csr.copy()
            csr.sum_duplicates()
        data = np.ascontiguousarray(csr.data, dtype=np.float64)
        if not np.isfinite(data).all():
            raise WorkloadError(f"{name}: contains NaN or infinite values")
        return Operand(
            rows=int(csr.shape[0]),
            cols=int(csr.shape[1]),
            indptr=np.ascontiguousarray(csr.indptr, dtype=np.int64),
            indices=np.ascontiguousarray(csr.indices, dtype=np.int32),
            data=data,
        )

    def scipy(self) -> Any:
        """The same matrix as ``scipy.sparse.csr_array`` (arrays shared)."""
        import scipy.sparse as sp

        matrix = sp.csr_array((self.data, self.indices, self.indptr), shape=(self.rows, self.cols))
        return matrix
