"""Plain torch layers of the Once-for-All networks, and their initialisation.

Names of children are those of the public package, so that its files of specialised networks fit.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.ofa.depthwise import depthwise
from models.zoo.mbconv import MBConv, make_divisible
from sim.errors import InputError


class HSwish(nn.Module):
    """x * relu6(x + 3) / 6."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.hardswish(x)


def activation(name: str) -> nn.Module:
    """relu, relu6 (both in place) or h_swish."""
    if name == "h_swish":
        return HSwish()
    return nn.ReLU6(inplace=True) if name == "relu6" else nn.ReLU(inplace=True)


def sequence(**children: nn.Module) -> nn.Sequential:
    """Modules in order, under their names."""
    return nn.Sequential(OrderedDict(children))


def first(tensor: Tensor, *counts: int) -> Tensor:
    """The first `counts` along the leading axes; the tensor itself where that is all of it."""
    for axis, count in enumerate(counts):
        if tensor.shape[axis] != count:
            tensor = tensor.narrow(axis, 0, count)
    return tensor


def squeezed_channels(middle: int) -> int:
    """Channels between the two convolutions of a squeeze-and-excite over `middle` channels."""
    return make_divisible(middle // 4)


def mean_of_plane(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)


class SqueezeExcite(nn.Module):
    """x times a gate for each channel: mean, 1x1 to a quarter, ReLU, 1x1 back, hard sigmoid."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc = nn.ModuleDict(
            {"reduce": nn.Conv2d(channels, squeezed, 1), "expand": nn.Conv2d(squeezed, channels, 1)}
        )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.fc["reduce"](mean_of_plane(x)), inplace=True)
        return x * functional.hardsigmoid(self.fc["expand"](y))

    def filters(self, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weight and bias of both convolutions, for the first `channels`."""
        squeezed = squeezed_channels(channels)
        down, up = (cast(nn.Conv2d, self.fc[name]) for name in ("reduce", "expand"))
        down_bias, up_bias = cast(Tensor, down.bias), cast(Tensor, up.bias)
        return (
            first(down.weight, squeezed, channels),
            first(down_bias, squeezed),
            first(up.weight, channels, squeezed),
            first(up_bias, channels),
        )


class Depthwise(nn.Conv2d):
    """A depthwise convolution without bias, padded by half its kernel; see `models.ofa.depthwise`."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return depthwise(x, self.weight, self.stride[0])


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, activation unless `function` is empty, squeeze-and-excite if `squeezed`."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int,
        stride: int = 1,
        *,
        function: str = "",
        groups: int = 1,
        squeezed: int = 0,
    ) -> None:
        super().__init__()
        if groups == before == after:
            self.conv: nn.Conv2d = Depthwise(after, kernel, stride)
        else:
            self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(after)
        self.act = activation(function) if function else None
        self.se = SqueezeExcite(after, squeezed) if squeezed else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        if self.act is not None:
            x = self.act(x)
        return x if self.se is None else cast(Tensor, self.se(x))


class InvertedBottleneck(nn.Module):
    """The layers of a `MBConv` record, without its shortcut."""

    def __init__(self, before: int, block: MBConv) -> None:
        super().__init__()
        middle, function = block.mid, block.function
        self.inverted_bottleneck = ConvNorm(before, middle, 1, function=function) if middle != before else None
        self.depth_conv = ConvNorm(
            middle, middle, block.kernel, block.stride, function=function, groups=middle, squeezed=block.squeezed
        )
        self.point_linear = ConvNorm(middle, block.out, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.inverted_bottleneck is not None:
            x = self.inverted_bottleneck(x)
        return cast(Tensor, self.point_linear(self.depth_conv(x)))


class Residual(nn.Module):
    """``conv(x)``, plus x where `skip`."""

    def __init__(self, conv: nn.Module, skip: bool) -> None:
        super().__init__()
        self.conv, self.skip = conv, skip

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.conv(x))
        return y + x if self.skip else y


def classifier(features: int, classes: int, dropout: float) -> nn.Sequential:
    """A linear layer (``linear``), after dropout where there is any."""
    linear = nn.Linear(features, classes)
    return sequence(dropout=nn.Dropout(dropout), linear=linear) if dropout else sequence(linear=linear)


def initialise(module: nn.Module) -> None:
    """As the published training: He normal of the outputs (groups not looked at), uniform linear, biases zero."""
    for one in module.modules():
        if isinstance(one, nn.Conv2d):
            nn.init.normal_(one.weight, 0, math.sqrt(2 / (one.kernel_size[0] * one.kernel_size[1] * one.out_channels)))
        elif isinstance(one, nn.Linear):
            nn.init.uniform_(one.weight, -(one.in_features**-0.5), one.in_features**-0.5)
        if isinstance(one, nn.Conv2d | nn.Linear) and one.bias is not None:
            nn.init.zeros_(one.bias)


def statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Running mean and variance, themselves."""
    return cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)


def set_norms(module: nn.Module, momentum: float, epsilon: float) -> None:
    """Set both on every batch norm."""
    for one in module.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.momentum, one.eps = momentum, epsilon


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Two groups for an optimizer: weights with `weight_decay`, batch norms and biases without."""
    free = {id(one) for norm in module.modules() if isinstance(norm, nn.BatchNorm2d) for one in norm.parameters()}
    groups: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for name, one in module.named_parameters():
        groups[id(one) in free or name.endswith("bias")].append(one)
    return [{"params": groups[0], "weight_decay": weight_decay}, {"params": groups[1], "weight_decay": 0.0}]


def images(x: Tensor, channels: int, least_side: int, name: str) -> Tensor:
    """`x`, laid out well. Raises InputError unless it holds (N, channels, H, W) of sides that the network takes."""
    if x.ndim != 4 or x.shape[1] != channels or min(x.shape[2:]) < least_side:
        wanted = f"(N, {channels}, H, W) with sides of at least {least_side}"
        raise InputError(f"{name}: images of shape {tuple(x.shape)}; needs {wanted}")
    return laid_out(x)


def laid_out(x: Tensor) -> Tensor:
    """On a CPU channels last, where depthwise convolutions are several times faster; elsewhere as the caller has it."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x
