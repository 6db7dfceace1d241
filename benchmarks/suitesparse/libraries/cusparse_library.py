"""cuSPARSE on an NVIDIA card, through PyTorch or else CuPy. Operands lie on the card before and the product after."""

from __future__ import annotations

import importlib.util
from typing import Any

from benchmarks.suitesparse.libraries.library import Library, Prepared, UnavailableError, int32_csr, package_version
from benchmarks.suitesparse.libraries.machine import has_cuda_device

NO_DEVICE = "no CUDA device"


def _available() -> str | None:
    if not has_cuda_device():
        return NO_DEVICE
    if any(importlib.util.find_spec(one) for one in ("torch", "cupy")):
        return None
    return "neither torch nor cupy is installed; pip install 'hwloop[cuda]'"


def _torch_has_cuda() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def _prepare(a: Any, b: Any, threads: int) -> Prepared:
    if _torch_has_cuda():
        return _with_torch(a, b)
    if importlib.util.find_spec("cupy") is None:
        raise UnavailableError("torch is built without CUDA or sees no device; pip install 'hwloop[cuda]' for cupy")
    return _with_cupy(a, b)


def _with_torch(a: Any, b: Any) -> Prepared:
    import torch

    from benchmarks.suitesparse.libraries.torch_library import scipy_csr, torch_csr

    left = torch_csr(a, "cuda")
    right = left if b is a else torch_csr(b, "cuda")

    def multiply() -> Any:
        product = torch.sparse.mm(left, right)
        torch.cuda.synchronize()
        return product

    return Prepared(multiply, scipy_csr)


def _with_cupy(a: Any, b: Any) -> Prepared:
    import cupy  # type: ignore[import-not-found, unused-ignore]
    import cupyx.scipy.sparse  # type: ignore[import-not-found, unused-ignore]

    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise UnavailableError(f"{NO_DEVICE}: {error}") from None
    import scipy.sparse as sp

    left = cupyx.scipy.sparse.csr_matrix(sp.csr_matrix(int32_csr(a)))
    right = left if b is a else cupyx.scipy.sparse.csr_matrix(sp.csr_matrix(int32_csr(b)))

    def multiply() -> Any:
        product = left @ right
        cupy.cuda.runtime.deviceSynchronize()
        return product

    return Prepared(multiply, lambda product: product.get())


def _version() -> str:
    if _torch_has_cuda():
        import torch

        device = torch.cuda.get_device_name()
        return f"{package_version('torch')} (CUDA {torch.version.cuda}) on {device}"
    import cupy

    device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return f"cupy {cupy.__version__} (CUDA {cupy.cuda.runtime.runtimeGetVersion()}) on {device}"


LIBRARY = Library(
    baseline="cusparse",
    name="cusparse",
    label="cuSPARSE",
    where=f"{__name__}:LIBRARY",
    sorted_output=False,
    threaded=False,
    available=_available,
    version=_version,
    prepare=_prepare,
    on_device=True,
)
