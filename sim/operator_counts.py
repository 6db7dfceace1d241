"""Shapes, multiply-accumulates, weights and bytes of every kind of operator, as exact Python integers.

conv2d: output elements x (input channels / groups) x taps. conv_transpose2d: input elements x (output channels /
groups) x taps, the real work; counting on the output grid is `models.zoo.mac_rules`. attention: scores and weighted
values, each queries x keys x width. light_conv and dynamic_conv: length x width x min(taps, positions it can see).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.operator import Operator

Shape = tuple[int, ...]


def volume(shape: Iterable[int]) -> int:
    """Number of elements of a shape, a Python integer of any size."""
    product = 1
    for side in shape:
        product *= side
    return product


def output_shape(op: Operator) -> Shape:
    """Shape of what `op` gives, without the batch axis."""
    kind = op.kind
    if kind == "conv2d":
        return (op.out_channels, *_window(op, op.kernel))
    if kind == "fused":
        return op.fused[-1].output_shape
    if kind == "linear":
        return (*op.shape[:-1], op.out_channels)
    if kind == "pool":
        return (op.shape[0], *(op.size or _window(op, op.kernel)))
    if kind == "conv_transpose2d":
        return (op.out_channels, *_spread(op))
    if kind == "resize":
        return (op.shape[0], *op.size)
    if kind == "embedding":
        return (op.shape[0], op.out_channels)
    if kind == "matmul":
        return (*op.shape[:-1], op.others[0][-1])
    if kind == "activation" and op.function == "glu":  # half of the channels gate the other half
        return (*op.shape[:-1], op.shape[-1] // 2)
    if kind == "concat":  # along the channels: the first axis of an image, the last of a sequence
        if len(op.shape) == 3:
            return (op.shape[0] + sum(other[0] for other in op.others), *op.shape[1:])
        return (*op.shape[:-1], op.shape[-1] + sum(other[-1] for other in op.others))
    return op.shape


def macs(op: Operator) -> int:
    """Multiply-accumulates of `op` for one sample; 0 for kinds that only move or transform elements."""
    kind = op.kind
    if kind == "conv2d":
        return volume(op.output_shape) * (op.shape[0] // op.groups) * volume(op.kernel)
    if kind == "linear":
        return volume(op.shape) * op.out_channels
    if kind == "fused":
        return sum(macs(part) for part in op.fused)
    if kind == "conv_transpose2d":
        return volume(op.shape) * (op.out_channels // op.groups) * volume(op.kernel)
    if kind == "matmul":
        return volume(op.shape) * op.others[0][-1]
    if kind == "attention":
        return 2 * op.shape[0] * op.length * op.shape[1]
    if kind in ("light_conv", "dynamic_conv"):
        return volume(op.shape) * min(op.kernel[0], op.shape[0] + op.length)
    return 0


def weight_elements(op: Operator) -> int:
    """Weights and biases of `op`. The kernel of a dynamic convolution comes from a linear operator of its own."""
    kind = op.kind
    if kind in ("conv2d", "conv_transpose2d"):
        kernel = op.shape[0] * (op.out_channels // op.groups) * volume(op.kernel)
        return kernel + (op.out_channels if op.bias else 0)
    if kind == "linear":
        return (op.shape[-1] + (1 if op.bias else 0)) * op.out_channels
    if kind == "norm":
        return 2 * (op.shape[-1] if op.function == "layer" else op.shape[0]) if op.affine else 0
    if kind == "light_conv":
        return op.heads * op.kernel[0]
    if kind == "embedding":
        return op.length * op.out_channels
    return sum(part.weight_elements for part in op.fused)


def input_bytes(op: Operator) -> int:
    """Bytes of incoming activations. In a fused operator: of the first part, and the further operands of the others."""
    if op.kind == "fused":
        return input_bytes(op.fused[0]) + sum(_further_bytes(part) for part in op.fused[1:])
    return -(-volume(op.shape) * op.activation_bits // 8) + _further_bytes(op)


def _further_bytes(op: Operator) -> int:
    """Bytes of the operands besides the main one: keys and values, predicted kernels, second operands."""
    if op.kind == "fused":
        return sum(_further_bytes(part) for part in op.fused)
    elements = sum(volume(other) for other in op.others)
    if op.kind == "attention":
        elements += 2 * op.length * op.shape[1]
    elif op.kind in ("light_conv", "dynamic_conv"):
        predicted = op.shape[0] * op.heads * op.kernel[0] if op.kind == "dynamic_conv" else 0
        elements += min(op.length, op.kernel[0] - 1) * op.shape[1] + predicted
    return -(-elements * op.activation_bits // 8)


def _window(op: Operator, kernel: Shape) -> Shape:
    """Output height and width of a sliding window; ``function`` ending in ``_ceil`` rounds up, as some pools do."""
    sides = []
    for axis in (0, 1):
        before, step = op.padding[axis], op.stride[axis]
        room = op.shape[1 + axis] + before + op.padding[2 + axis] - op.dilation[axis] * (kernel[axis] - 1) - 1
        side = room // step + 1
        if op.function.endswith("_ceil"):
            side = -(-room // step) + 1
            side -= (side - 1) * step >= op.shape[1 + axis] + before  # the last window must start inside
        sides.append(side)
    return tuple(sides)


def _spread(op: Operator) -> Shape:
    """Output height and width of a transposed convolution."""
    return tuple(
        (op.shape[1 + axis] - 1) * op.stride[axis]
        - op.padding[axis]
        - op.padding[2 + axis]
        + op.dilation[axis] * (op.kernel[axis] - 1)
        + op.output_padding[axis]
        + 1
        for axis in (0, 1)
    )
