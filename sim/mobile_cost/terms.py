"""What an operator asks of a device, by kernel class: the terms that a profile prices.

Each kernel class has terms of three sorts. Compute: multiply-accumulates, padded to the device's tiles, and what makes
them inefficient, in the expansion 1/efficiency = 1 + a/in_channels + b/out_channels: `accumulate` (an output element is
loaded and stored once a tap) and `pack` (the input is rearranged once a tap). Memory: bytes of weights and of
activations. Launch: one for each kernel started (and one for each group of a grouped convolution).

A prior cost comes with each term, in units of one MAC at peak, one byte at full bandwidth, one kernel launch: what is
assumed of a class until measurements say otherwise. NOT modelled: caches, DVFS, contention.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.operator import Operator
from sim.operator_counts import volume

Array = np.ndarray[Any, np.dtype[Any]]

COMPUTE, MEMORY, LAUNCH = 0, 1, 2
SORTS = ("compute", "memory", "launch")

_CONV = {"mac": (COMPUTE, 1.0), "accumulate": (COMPUTE, 2.0), "pack": (COMPUTE, 1.0), "weights": (MEMORY, 1.0)}
_IO = {"io": (MEMORY, 1.0), "launch": (LAUNCH, 1.0)}
_ELEMENTS = {"elements": (COMPUTE, 2.0), **_IO}
CLASSES: dict[str, dict[str, tuple[int, float]]] = {
    "conv_1x1": {**_CONV, **_IO},
    "conv_kxk": {**_CONV, **_IO},
    "conv_stem": {**_CONV, **_IO},
    "conv_grouped": {**_CONV, "group": (LAUNCH, 0.2), **_IO},
    "conv_transpose": {**_CONV, **_IO},
    "depthwise": {
        "mac_k3": (COMPUTE, 3.0),
        "mac_k5": (COMPUTE, 2.5),
        "mac_k7": (COMPUTE, 2.5),
        "accumulate": (COMPUTE, 8.0),
        **_IO,
    },
    "depthwise_strided": {
        "mac_k3": (COMPUTE, 4.0),
        "mac_k5": (COMPUTE, 3.0),
        "mac_k7": (COMPUTE, 3.0),
        "accumulate": (COMPUTE, 8.0),
        **_IO,
    },
    "linear": {"mac": (COMPUTE, 1.0), "accumulate": (COMPUTE, 2.0), "weights": (MEMORY, 1.0), **_IO},
    "matmul": {"mac": (COMPUTE, 1.5), **_IO},
    "attention": {"mac": (COMPUTE, 1.5), "scores": (COMPUTE, 10.0), "heads": (COMPUTE, 100.0), **_IO},
    "sequence_conv": {"mac": (COMPUTE, 4.0), **_IO},
    "pool": {"window": (COMPUTE, 1.0), **_IO},
    "global_pool": {"elements": (COMPUTE, 1.0), **_IO},
    "cheap_activation": _ELEMENTS,
    "costly_activation": {"elements": (COMPUTE, 8.0), **_IO},
    "elementwise": _ELEMENTS,
    "broadcast": _ELEMENTS,
    "copy": _ELEMENTS,
    "norm": {"elements": (COMPUTE, 4.0), **_IO},
    "softmax": {"elements": (COMPUTE, 10.0), **_IO},
    "embedding": _ELEMENTS,
    "resize": {"elements": (COMPUTE, 4.0), **_IO},
    "concat": _ELEMENTS,
    "fused_cheap": {"elements": (COMPUTE, 0.3)},
    "fused_costly": {"elements": (COMPUTE, 4.0)},
    "fused_join": {"elements": (COMPUTE, 0.5), "io": (MEMORY, 1.0)},
}
"""Kernel class -> term -> (sort, prior cost)."""

_IMAGE_CHANNELS = 4
CHEAP = ("relu", "relu6", "identity", "leaky_relu", "prelu", "hard_tanh", "")


@dataclass(frozen=True)
class Term:
    """One coefficient of the model."""

    kernel_class: str
    name: str
    sort: int
    prior: float

    @property
    def key(self) -> str:
        """As profiles name it."""
        return f"{self.kernel_class}.{self.name}"


TERMS: tuple[Term, ...] = tuple(
    Term(kind, name, sort, prior) for kind, terms in CLASSES.items() for name, (sort, prior) in terms.items()
)
INDEX = {term.key: position for position, term in enumerate(TERMS)}
SORT = np.array([term.sort for term in TERMS])
PRIOR = np.array([term.prior for term in TERMS])


@dataclass(frozen=True)
class Runtime:
    """How kernels are cut: tiles that channels are padded to, whether the runtime fuses what follows a convolution."""

    tile_out: int = 1
    tile_in: int = 1
    fuses: bool = True


def kernel_class(op: Operator) -> str:
    """The class that prices `op` (of a fused operator: of its first part)."""
    kind = op.kind
    if kind == "fused":
        return kernel_class(op.fused[0])
    if kind == "conv2d":
        if op.groups == op.shape[0] and op.groups > 1:
            return "depthwise" if max(op.stride) == 1 else "depthwise_strided"
        if op.groups > 1:
            return "conv_grouped"
        if volume(op.output_shape[1:]) == 1 and volume(op.kernel) == 1:
            return "linear"
        if op.shape[0] <= _IMAGE_CHANNELS:
            return "conv_stem"
        return "conv_1x1" if volume(op.kernel) == 1 else "conv_kxk"
    if kind == "pool":
        return "global_pool" if op.output_shape[1:] == (1, 1) else "pool"
    if kind == "activation":
        return "cheap_activation" if op.function in CHEAP else "costly_activation"
    if kind == "elementwise":
        if op.function == "copy":
            return "copy"
        return "broadcast" if any(volume(other) != volume(op.shape) for other in op.others) else "elementwise"
    renamed = {"conv_transpose2d": "conv_transpose", "light_conv": "sequence_conv", "dynamic_conv": "sequence_conv"}
    return renamed.get(kind, kind)


def _padded(count: int, tile: int) -> int:
    return -(-count // tile) * tile


def _convolution(op: Operator, batch: int, runtime: Runtime) -> dict[str, float]:
    taps = volume(op.kernel)
    out_pixels = volume(op.output_shape[1:]) * batch
    macs_from = op.shape[0] // op.groups
    if op.kind == "conv_transpose2d":
        out_pixels = volume(op.shape[1:]) * batch
    out_per_group = op.out_channels // op.groups
    tile_in = 1 if op.shape[0] <= _IMAGE_CHANNELS else runtime.tile_in  # the stem has kernels of its own
    padded = _padded(macs_from, tile_in) * _padded(out_per_group, runtime.tile_out) * op.groups
    return {
        "mac": float(padded * taps * out_pixels),
        "accumulate": float(out_pixels * op.out_channels * taps),
        "pack": float(out_pixels * op.shape[0] * taps),
        "weights": float(op.weight_bytes),
        "group": float(op.groups),
    }


def _depthwise(op: Operator, batch: int, runtime: Runtime) -> dict[str, float]:
    out = volume(op.output_shape[1:]) * _padded(op.out_channels, runtime.tile_out) * batch
    side = max(op.kernel)
    bucket = "mac_k3" if side <= 3 else "mac_k5" if side <= 5 else "mac_k7"
    return {bucket: float(out * volume(op.kernel)), "accumulate": float(out)}


def _linear(op: Operator, batch: int, runtime: Runtime) -> dict[str, float]:
    if op.kind == "conv2d":
        rows, before, after = batch, op.shape[0], op.out_channels
    else:
        rows, before, after = volume(op.shape[:-1]) * batch, op.shape[-1], op.out_channels
    padded = _padded(before, runtime.tile_in) * _padded(after, runtime.tile_out)
    return {"mac": float(rows * padded), "accumulate": float(rows * after), "weights": float(op.weight_bytes)}


def _single(op: Operator, batch: int, runtime: Runtime) -> dict[str, float]:
    """Amounts of an operator that is not fused, without launch and activations."""
    kind = kernel_class(op)
    if kind.startswith("depthwise"):
        return _depthwise(op, batch, runtime)
    if kind.startswith("conv"):
        return _convolution(op, batch, runtime)
    if kind == "linear":
        return _linear(op, batch, runtime)
    amounts = {"mac": float(op.macs * batch), "elements": float(max(volume(op.shape), volume(op.output_shape)) * batch)}
    if kind == "attention":
        amounts["scores"] = float(op.shape[0] * op.length * op.heads * batch)
        amounts["heads"] = float(op.heads * batch)
    if kind == "pool":
        amounts["window"] = float(volume(op.output_shape) * volume(op.kernel or (1,)) * batch)
    return amounts


def _add(row: Array, kind: str, amounts: dict[str, float]) -> None:
    for name in CLASSES[kind]:
        if name in amounts:
            row[INDEX[f"{kind}.{name}"]] += amounts[name]


def _whole(row: Array, op: Operator, batch: int, runtime: Runtime) -> None:
    kind = kernel_class(op)
    io = float((op.input_bytes + op.bytes_written) * batch)
    _add(row, kind, {**_single(op, batch, runtime), "io": io, "launch": 1.0})


def _fused_part(row: Array, part: Operator, batch: int) -> None:
    if part.kind == "norm" and part.function == "batch":
        return  # folded into the weights
    elements = float(volume(part.output_shape) * batch)
    if part.others:
        _add(row, "fused_join", {"elements": elements, "io": float((part.input_bytes - part.bytes_written) * batch)})
    elif part.kind == "norm" or (part.kind == "activation" and part.function in CHEAP):
        _add(row, "fused_cheap", {"elements": elements})
    else:
        _add(row, "fused_costly", {"elements": elements})


@functools.lru_cache(maxsize=200_000)
def _row(op: Operator, batch: int, runtime: Runtime) -> Array:
    row = np.zeros(len(TERMS))
    parts = op.parts
    if len(parts) == 1 or not runtime.fuses:
        for part in parts:
            _whole(row, part, batch, runtime)
        return row
    first, last = parts[0], parts[-1]
    io = float((op.input_bytes - sum(_joined(part) for part in parts[1:]) + last.bytes_written) * batch)
    _add(row, kernel_class(first), {**_single(first, batch, runtime), "io": io, "launch": 1.0})
    for part in parts[1:]:
        if part.kind in ("activation", "norm", "elementwise", "softmax"):
            _fused_part(row, part, batch)
        else:  # a kernel of its own: SE inside a block, the second matrix product of attention
            _whole(row, part, batch, runtime)
    return row


def _joined(part: Operator) -> int:
    """Bytes of further operands, which `fused_join` or the part itself pays for."""
    return part.input_bytes - (-(-volume(part.shape) * part.activation_bits // 8)) if part.others else 0


def classes_of(operators: Sequence[Operator], runtime: Runtime) -> tuple[str, ...]:
    """Kernel classes that price any of `operators`, sorted."""
    asked = np.flatnonzero(amounts(operators, 1, runtime).sum(axis=0))
    return tuple(sorted({TERMS[int(place)].kernel_class for place in asked}))


def amounts(operators: Sequence[Operator], batch: int, runtime: Runtime) -> Array:
    """(operators, terms): how much of each term each operator asks for, whole batch of `batch` samples."""
    if not operators:
        return np.zeros((0, len(TERMS)))
    return np.stack([_row(op, batch, runtime) for op in operators])
