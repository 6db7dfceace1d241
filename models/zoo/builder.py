"""Writing a network down as operators: each call adds one and gives the tensor that comes out of it.

No module is built and nothing is computed but shapes. The order of the calls is the order of execution.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from sim.network import INPUT, Network
from sim.operator import Operator

Pair = int | tuple[int, int]
Shape = tuple[int, ...]


class Tensor(NamedTuple):
    """What an operator gives: the position of that operator (-1: the network's input), and the shape."""

    source: int
    shape: tuple[int, ...]


class Builder:
    """Collects operators and edges. `build` gives the network."""

    def __init__(self, *shape: int) -> None:
        """`shape`: of the network's input, without the batch axis."""
        self.input = Tensor(INPUT, shape)
        self._operators: list[Operator] = []
        self._inputs: list[tuple[int, ...]] = []

    def build(self, *, serial_steps: int = 1, idle_params: int = 0) -> Network:
        """The network of all operators added so far."""
        return Network(tuple(self._operators), tuple(self._inputs), serial_steps, idle_params)

    def append(self, op: Operator, *inputs: Tensor) -> Tensor:
        """Add `op`, which takes from `inputs`."""
        self._operators.append(op)
        self._inputs.append(tuple(one.source for one in inputs))
        return Tensor(len(self._operators) - 1, op.output_shape)

    def conv(
        self,
        x: Tensor,
        out_channels: int,
        kernel: Pair,
        stride: int = 1,
        *,
        padding: Pair | None = None,
        groups: int = 1,
        bias: bool = False,
    ) -> Tensor:
        """A convolution; by default padded by half the kernel."""
        high, wide = _pair(kernel)
        top, left = (high // 2, wide // 2) if padding is None else _pair(padding)
        op = _conv2d(x.shape, out_channels, (high, wide), (stride, stride), (top, left, top, left), groups, bias)
        return self.append(op, x)

    def conv_transpose(self, x: Tensor, out_channels: int, kernel: int, stride: int, *, bias: bool) -> Tensor:
        """A transposed convolution that gives exactly `stride` times the side."""
        pad = (kernel - 1) // 2
        extra = stride + 2 * pad - kernel
        op = Operator(
            "conv_transpose2d",
            x.shape,
            out_channels,
            (kernel, kernel),
            (stride, stride),
            (pad,) * 4,
            output_padding=(extra, extra),
            bias=bias,
        )
        return self.append(op, x)

    def conv_norm(
        self, x: Tensor, out_channels: int, kernel: Pair, stride: int = 1, *, function: str = "", groups: int = 1
    ) -> Tensor:
        """Convolution without bias, batch norm, and an activation unless `function` is empty."""
        x = self.norm(self.conv(x, out_channels, kernel, stride, groups=groups))
        return self.activation(x, function) if function else x

    def norm(self, x: Tensor, function: str = "batch", *, affine: bool = True) -> Tensor:
        """A normalisation: batch, instance, layer."""
        return self.append(_norm(x.shape, function, affine), x)

    def activation(self, x: Tensor, function: str, *, functional: bool = False) -> Tensor:
        """An activation by name: relu, relu6, h_swish, h_sigmoid, sigmoid, silu, tanh, leaky_relu, gelu, glu…"""
        return self.append(_activation(x.shape, function, functional), x)

    def linear(self, x: Tensor, out_channels: int, *, bias: bool = True, tied: bool = False) -> Tensor:
        """A linear layer over the last axis; an image is flattened first."""
        shape = (x.shape[0] * x.shape[1] * x.shape[2],) if len(x.shape) == 3 else x.shape
        return self.append(Operator("linear", shape, out_channels, bias=bias, tied=tied), x)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Elementwise sum."""
        return self.append(Operator("elementwise", x.shape, others=(y.shape,), function="add"), x, y)

    def mul(self, x: Tensor, y: Tensor) -> Tensor:
        """Elementwise product; `y` may be one value a channel."""
        return self.append(Operator("elementwise", x.shape, others=(y.shape,), function="mul"), x, y)

    def copy(self, x: Tensor) -> Tensor:
        """Move elements, as a channel shuffle does."""
        return self.append(Operator("elementwise", x.shape, function="copy"), x)

    def concat(self, *tensors: Tensor) -> Tensor:
        """Join along the channels; a single tensor stays what it is."""
        first, *rest = tensors
        if not rest:
            return first
        return self.append(Operator("concat", first.shape, others=tuple(one.shape for one in rest)), *tensors)

    def pool(
        self, x: Tensor, function: str, kernel: int, stride: int, *, padding: int = 0, functional: bool = False
    ) -> Tensor:
        """A sliding pool: max, avg, max_ceil."""
        op = Operator(
            "pool",
            x.shape,
            kernel=(kernel, kernel),
            stride=(stride, stride),
            padding=(padding,) * 4,
            function=function,
            functional=functional,
        )
        return self.append(op, x)

    def pool_to(self, x: Tensor, function: str = "adaptive_avg", size: int = 1, *, functional: bool = False) -> Tensor:
        """A pool to a given side: adaptive_avg, or mean (a reduction over both axes)."""
        op = Operator("pool", x.shape, size=(size, size), function=function, functional=functional)
        return self.append(op, x)

    def resize(self, x: Tensor, size: tuple[int, int], function: str = "nearest") -> Tensor:
        """Resample to `size`."""
        return self.append(Operator("resize", x.shape, size=size, function=function), x)

    def softmax(self, x: Tensor) -> Tensor:
        """Over the last axis."""
        return self.append(Operator("softmax", x.shape), x)

    def squeeze_excite(self, x: Tensor, squeezed: int, function: str, gate: str) -> Tensor:
        """Channel attention: mean, 1x1 to `squeezed`, `function`, 1x1 back, `gate`, product. Both 1x1 have a bias."""
        y = self.pool_to(x)
        y = self.activation(self.conv(y, squeezed, 1, bias=True), function)
        y = self.activation(self.conv(y, x.shape[0], 1, bias=True), gate)
        return self.mul(x, y)


@functools.lru_cache(maxsize=100_000)
def _conv2d(
    shape: Shape, out_channels: int, kernel: Shape, stride: Shape, padding: Shape, groups: int, bias: bool
) -> Operator:
    """One object for equal operators: the blocks of a search space share most of theirs."""
    return Operator("conv2d", shape, out_channels, kernel, stride, padding, groups=groups, bias=bias)


@functools.lru_cache(maxsize=100_000)
def _norm(shape: Shape, function: str, affine: bool) -> Operator:
    return Operator("norm", shape, function=function, affine=affine)


@functools.lru_cache(maxsize=100_000)
def _activation(shape: Shape, function: str, functional: bool) -> Operator:
    return Operator("activation", shape, function=function, functional=functional)


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
