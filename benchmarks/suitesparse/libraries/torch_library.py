"""PyTorch's CSR product on the processor (its builds are believed to call MKL's)."""

from __future__ import annotations

import warnings
from typing import Any

from benchmarks.suitesparse.libraries.library import Library, Prepared, int32_csr, missing, package_version


def torch_csr(matrix: Any, device: str = "cpu") -> Any:
    """`matrix` as a torch CSR tensor with 32-bit indices."""
    import torch

    csr = int32_csr(matrix)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(csr.indptr),
            torch.from_numpy(csr.indices),
            torch.from_numpy(csr.data),
            csr.shape,
            check_invariants=True,
        ).to(device)


def scipy_csr(product: Any) -> Any:
    """A torch CSR tensor as a SciPy matrix."""
    import scipy.sparse as sp

    product = product.cpu()
    parts = (product.values().numpy(), product.col_indices().numpy(), product.crow_indices().numpy())
    return sp.csr_array(parts, shape=tuple(product.shape))


def _prepare(a: Any, b: Any, threads: int) -> Prepared:
    import torch

    torch.set_num_threads(threads)
    left = torch_csr(a)
    right = left if b is a else torch_csr(b)
    return Prepared(lambda: torch.sparse.mm(left, right), scipy_csr)


LIBRARY = Library(
    baseline="torch",
    name="torch",
    label="torch CSR",
    where=f"{__name__}:LIBRARY",
    sorted_output=False,
    threaded=True,
    available=lambda: missing("torch", "'hwloop[nas]'"),
    version=lambda: package_version("torch"),
    prepare=_prepare,
)
