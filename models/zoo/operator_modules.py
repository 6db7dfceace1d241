"""Every kind of operator as a torch module with random weights: what `runnable` strings together.

A module takes its operands with a batch axis in front and gives the operator's output shape. Activations take the
place of their input where torchvision's do and nobody else needs it. Values mean nothing; weights are scaled so that
they neither vanish nor explode, since denormal numbers are slow.

NOT modelled: padding by reflection (zeros here), the permutation in a ``copy`` (a plain copy here).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sim.errors import WorkloadError, nearest
from sim.operator import Operator

Shape = tuple[int, ...]
Make = TypeVar("Make")
_GROUPS = 32


def operand_shapes(op: Operator) -> tuple[Shape, ...]:
    """Shapes of the operands that the module of `op` takes, without the batch axis."""
    if op.kind == "attention":
        return op.shape, (op.length, 2 * op.shape[1])
    if op.kind == "dynamic_conv":
        return op.shape, (op.shape[0], op.heads * op.kernel[0])
    return op.shape, *op.others


def operator_module(op: Operator, *, in_place: bool = False) -> nn.Module:
    """A module that does what `op` does. in_place: an activation may overwrite its operand.

    Raises WorkloadError naming a kind or function that torch is not asked for here (``fused`` among them: eager torch
    fuses nothing).
    """
    make = _KINDS.get(op.kind)
    if make is None:
        raise WorkloadError(f"no torch module for operator kind {op.kind!r}{nearest(op.kind, _KINDS)}")
    if op.kind == "activation":
        return _activation(op, in_place)
    module = make(op)
    _initialise(module)
    return module


def _initialise(module: nn.Module) -> None:
    """Weights that keep the scale of what comes in; biases zero."""
    for one in module.modules():
        weight = getattr(one, "weight", None)
        if isinstance(one, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and weight is not None:
            per_output = weight[0].numel() if not isinstance(one, nn.ConvTranspose2d) else weight.shape[0]
            bound = (6.0 / per_output) ** 0.5  # He: activations halve the power
            with torch.no_grad():
                weight.uniform_(-bound, bound)
                if one.bias is not None:
                    one.bias.zero_()


def _empty(kind: Callable[..., nn.Module], *arguments: object) -> nn.Module:
    """A module whose weights `_initialise` is to fill."""
    module: nn.Module = nn.utils.skip_init(kind, *arguments)  # type: ignore[no-untyped-call]
    return module


def _convolution(op: Operator) -> nn.Module:
    top, left, bottom, right = op.padding
    even = (top, left) == (bottom, right)
    convolution = _empty(
        nn.Conv2d,
        op.shape[0],
        op.out_channels,
        op.kernel,
        op.stride,
        (top, left) if even else 0,
        op.dilation,
        op.groups,
        op.bias,
    )
    return convolution if even else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), convolution)


def _transposed(op: Operator) -> nn.Module:
    if op.padding[:2] != op.padding[2:]:
        raise WorkloadError(f"conv_transpose2d: torch pads both sides alike, got {op.padding}")
    return _empty(
        nn.ConvTranspose2d,
        op.shape[0],
        op.out_channels,
        op.kernel,
        op.stride,
        op.padding[:2],
        op.output_padding,
        op.groups,
        op.bias,
        op.dilation,
    )


def _linear(op: Operator) -> nn.Module:
    return _empty(nn.Linear, op.shape[-1], op.out_channels, op.bias)


class MatMul(nn.Module):
    """Product of two activations."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.matmul(x, y)


class Attention(nn.Module):
    """Scores, softmax and weighted values of `heads` heads; keys and values come side by side."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, query: Tensor, keys_values: Tensor) -> Tensor:
        batch, length, width = query.shape
        key, value = (
            part.reshape(batch, -1, self.heads, width // self.heads).transpose(1, 2)
            for part in keys_values.chunk(2, dim=2)
        )
        split = query.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)
        attended = functional.scaled_dot_product_attention(split, key, value)
        return attended.transpose(1, 2).reshape(batch, length, width)


class LightConv(nn.Module):
    """Depthwise convolution over time, a kernel for each head, after `past` positions of zeros."""

    def __init__(self, heads: int, taps: int) -> None:
        super().__init__()
        self.heads = heads
        self.weight = nn.Parameter(torch.rand(heads, 1, taps))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        taps = self.weight.shape[-1]
        folded = x.transpose(1, 2).reshape(-1, self.heads, length)
        padded = functional.pad(folded, (taps - 1, 0))
        moved = functional.conv1d(padded, torch.softmax(self.weight, dim=-1), groups=self.heads)
        return moved.reshape(batch, width, length).transpose(1, 2).contiguous()


class DynamicConv(nn.Module):
    """Convolution over time with a kernel for each position and head."""

    def __init__(self, heads: int, taps: int) -> None:
        super().__init__()
        self.heads, self.taps = heads, taps

    def forward(self, x: Tensor, kernels: Tensor) -> Tensor:
        batch, length, width = x.shape
        windows = functional.pad(x, (0, 0, self.taps - 1, 0)).unfold(1, self.taps, 1)
        windows = windows.reshape(batch * length * self.heads, width // self.heads, self.taps)
        moved = torch.bmm(windows, kernels.reshape(batch * length * self.heads, self.taps, 1))
        return moved.reshape(batch, length, width)


class Mean(nn.Module):
    """Mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


def _pool(op: Operator) -> nn.Module:
    name = op.function.removesuffix("_ceil")
    if op.size:
        if name in ("mean", "sum"):
            return Mean()
        sized: dict[str, Callable[..., nn.Module]] = {
            "adaptive_avg": nn.AdaptiveAvgPool2d,
            "adaptive_max": nn.AdaptiveMaxPool2d,
        }
        return _known(name, sized, "pool")((op.size[0], op.size[1]))
    known: dict[str, Callable[..., nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
    return _known(name, known, "pool")(op.kernel, op.stride, op.padding[:2], ceil_mode=name != op.function)


class LayerByHand(nn.Module):
    """Mean and deviation over the whole sample, then scale and shift of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(x.shape[0], -1)
        shape = (-1, *[1] * (x.ndim - 1))
        x = (x - flat.mean(1).view(shape)) / (flat.std(1).view(shape) + 1e-5)
        shape = (1, -1, *[1] * (x.ndim - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)


def _norm(op: Operator) -> nn.Module:
    channels = op.shape[0]
    makers: dict[str, Callable[[], nn.Module]] = {
        "batch": lambda: (nn.BatchNorm2d if len(op.shape) == 3 else nn.BatchNorm1d)(channels, affine=op.affine),
        "instance": lambda: nn.InstanceNorm2d(channels, affine=op.affine),
        "adaptive_instance": lambda: nn.InstanceNorm2d(channels, affine=True),
        "layer": lambda: nn.LayerNorm(op.shape[-1], elementwise_affine=op.affine),
        "layer_by_hand": lambda: LayerByHand(channels),
        "group": lambda: nn.GroupNorm(_GROUPS if channels % _GROUPS == 0 else 1, channels, affine=op.affine),
    }
    return _known(op.function, makers, "norm")()


class Function(nn.Module):
    """A function of its operands."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *operands: Tensor) -> Tensor:
        return self.function(*operands)


_IN_PLACE: dict[str, Callable[[bool], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "h_swish": nn.Hardswish,
    "silu": nn.SiLU,
    "leaky_relu": lambda in_place: nn.LeakyReLU(0.2, in_place),
    "hard_tanh": lambda in_place: nn.Hardtanh(inplace=in_place),
}
_FUNCTIONS: dict[str, Callable[[], nn.Module]] = {
    "h_sigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "log_sigmoid": nn.LogSigmoid,
    "identity": nn.Identity,
    "glu": lambda: nn.GLU(dim=-1),
    "exp": lambda: Function(torch.exp),
    "sqrt": lambda: Function(torch.sqrt),
    "abs": lambda: Function(torch.abs),
}


def _activation(op: Operator, in_place: bool) -> nn.Module:
    if op.function in _FUNCTIONS:
        return _FUNCTIONS[op.function]()
    return _known(op.function, _IN_PLACE, "activation")(in_place)


_ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}


def _elementwise(op: Operator) -> nn.Module:
    if op.function == "copy":
        return Function(torch.clone)
    function = _known(op.function, _ELEMENTWISE, "elementwise")
    if op.others:
        return Function(function)
    return Function(lambda x: function(x, 1.0) if op.function not in ("maximum", "minimum") else function(x, x))


class Embedding(nn.Module):
    """Rows of a table; which ones is fixed, since what comes in are no indices."""

    def __init__(self, rows: int, width: int, length: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, width, _weight=torch.zeros(rows, width))
        self.register_buffer("places", torch.arange(length).mul(7919).remainder(rows))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.table(self.places)
        return found.expand(x.shape[0], *found.shape)


class Resize(nn.Module):
    """Resample to a size."""

    def __init__(self, size: Shape, mode: str) -> None:
        super().__init__()
        self.size, self.mode = size, mode

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(x, size=self.size, mode=self.mode)


class Concat(nn.Module):
    """Join along the channels: the first axis of an image, the last of a sequence."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *operands: Tensor) -> Tensor:
        return torch.cat(operands, dim=self.axis)


def _known(name: str, table: Mapping[str, Make], kind: str) -> Make:
    if name not in table:
        raise WorkloadError(f"no torch module for {kind} {name!r}{nearest(name, table)}")
    return table[name]


_KINDS: dict[str, Callable[[Operator], nn.Module]] = {
    "conv2d": _convolution,
    "conv_transpose2d": _transposed,
    "linear": _linear,
    "matmul": lambda op: MatMul(),
    "attention": lambda op: Attention(op.heads),
    "light_conv": lambda op: LightConv(op.heads, op.kernel[0]),
    "dynamic_conv": lambda op: DynamicConv(op.heads, op.kernel[0]),
    "pool": _pool,
    "norm": _norm,
    "activation": lambda op: _activation(op, False),
    "elementwise": _elementwise,
    "softmax": lambda op: nn.Softmax(dim=-1),
    "embedding": lambda op: Embedding(op.length, op.out_channels, op.shape[0]),
    "resize": lambda op: Resize(op.size, op.function),
    "concat": lambda op: Concat(1 if len(op.shape) == 3 else -1),
}
