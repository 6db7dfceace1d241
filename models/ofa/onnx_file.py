"""A delivered network as ONNX, and the proof that onnxruntime computes the same from it.

Written by torch's TorchScript exporter, which needs no further package (the newer one needs onnxscript). The number of
images in a call is free, channels and sides are fixed.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from sim.errors import InputError, InvariantError
from sim.files import atomic_path

TOLERANCE = 1e-4
INPUT, OUTPUT = "images", "logits"


def require_onnx() -> None:
    """Raise InputError where onnxruntime is not installed."""
    if find_spec("onnxruntime") is None:
        raise InputError(
            "a delivered network is checked with onnxruntime, which is not here: pip install 'hwloop[onnx]'"
        )


def write_onnx(module: nn.Module, images: Tensor, path: Path) -> float:
    """Write `module` to `path` and run both on `images` (N, C, H, W); the largest difference of their outputs.

    Raises InvariantError where it is above `TOLERANCE`; then nothing is written. Raises InputError as `require_onnx`.
    """
    require_onnx()
    import onnxruntime  # type: ignore[import-untyped,unused-ignore]

    module.eval()
    with atomic_path(path) as fresh:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter is deprecated; checks of shapes in forward are traced away
            torch.onnx.export(
                module,
                (images[:1],),
                str(fresh),
                dynamo=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
            )
        session = onnxruntime.InferenceSession(str(fresh), providers=["CPUExecutionProvider"])
        found = torch.from_numpy(session.run([OUTPUT], {INPUT: images.contiguous().numpy()})[0])
        with torch.inference_mode():
            difference = float((found - module(images)).abs().max())
        if not difference <= TOLERANCE:
            raise InvariantError(f"onnxruntime differs from torch by {difference:.2g}; {TOLERANCE:g} is the most")
    return difference
