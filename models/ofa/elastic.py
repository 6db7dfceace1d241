"""Torch layers whose width and kernel are chosen at each call; a choice takes the first channels, the inner pixels.

Depthwise kernels: one K x K weight for each channel; the next smaller one is its centre, flattened, times a matrix that
all channels of the layer share, and so on: 7 -> 5 -> 3. Matrices start as identity. Names of children and parameters
are those of the public package. ``export`` gives a plain layer of its own, with the weights of one choice.
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.ofa.depthwise import depthwise
from models.ofa.layers import (
    ConvNorm,
    InvertedBottleneck,
    SqueezeExcite,
    activation,
    first,
    mean_of_plane,
    squeezed_channels,
    statistics,
)
from models.zoo.mbconv import MBConv


class ElasticConv2d(nn.Module):
    """A dense convolution without bias; output channels by choice, input channels those of the input."""

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)

    def filters(self, after: int, before: int) -> Tensor:
        """The weight that is used: after x before x k x k."""
        return first(self.conv.weight, after, before)

    def forward(self, x: Tensor, after: int) -> Tensor:
        weight = self.filters(after, x.shape[1])
        if weight.shape[1] != self.conv.weight.shape[1]:  # copied once here, not in forward and in backward
            last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
            weight = weight.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
        return functional.conv2d(x, weight, None, self.conv.stride, self.conv.padding)


class ElasticDepthwise(nn.Module):
    """A depthwise convolution with its kernel by choice, as wide as the input."""

    def __init__(self, channels: int, kernels: tuple[int, ...], stride: int) -> None:
        super().__init__()
        self.kernels = tuple(sorted(kernels, reverse=True))
        self.conv = nn.Conv2d(channels, channels, self.kernels[0], stride, groups=channels, bias=False)
        for large, small in itertools.pairwise(self.kernels):
            self.register_parameter(f"{large}to{small}_matrix", nn.Parameter(torch.eye(small**2)))

    def filters(self, channels: int, kernel: int) -> Tensor:
        """The weight that is used: channels x 1 x kernel x kernel."""
        weight = first(self.conv.weight, channels)
        for large, small in itertools.pairwise(self.kernels):
            if large == kernel:
                break
            edge = (large - small) // 2
            centre = weight[:, :, edge : large - edge, edge : large - edge].reshape(channels, small * small)
            matrix = getattr(self, f"{large}to{small}_matrix")
            weight = functional.linear(centre, matrix).view(channels, 1, small, small)
        return weight

    def forward(self, x: Tensor, kernel: int) -> Tensor:
        channels = x.shape[1]
        return depthwise(x, self.filters(channels, kernel), self.conv.stride[0])


class ElasticBatchNorm(nn.Module):
    """Batch norm over the first channels; its statistics are shared by all widths, see `models.ofa.batch_norm`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        norm, channels = self.bn, x.shape[1]
        if channels == norm.num_features:
            return cast(Tensor, norm(x))
        mean, variance = statistics(norm)
        if norm.training:
            cast(Tensor, norm.num_batches_tracked).add_(1)
        weight, bias, momentum = first(norm.weight, channels), first(norm.bias, channels), cast(float, norm.momentum)
        return functional.batch_norm(
            x, mean[:channels], variance[:channels], weight, bias, norm.training, momentum, norm.eps
        )


class ElasticSqueezeExcite(SqueezeExcite):
    """Squeeze-and-excite as wide as the input."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, squeezed_channels(channels))

    def forward(self, x: Tensor) -> Tensor:
        down, down_bias, up, up_bias = self.filters(x.shape[1])
        y = functional.relu(functional.conv2d(mean_of_plane(x), down, down_bias), inplace=True)
        return x * functional.hardsigmoid(functional.conv2d(y, up, up_bias))


class ElasticConvNorm(nn.Module):
    """Dense convolution, batch norm, activation unless `function` is empty."""

    def __init__(self, before: int, after: int, kernel: int = 1, stride: int = 1, *, function: str = "") -> None:
        super().__init__()
        self.conv, self.bn = ElasticConv2d(before, after, kernel, stride), ElasticBatchNorm(after)
        self.function = function
        self.act = activation(function) if function else None

    def forward(self, x: Tensor, after: int) -> Tensor:
        x = self.bn(self.conv(x, after))
        return x if self.act is None else cast(Tensor, self.act(x))

    @torch.no_grad()
    def export(self, after: int, before: int) -> ConvNorm:
        """The layers of one choice."""
        conv = self.conv.conv
        plain = ConvNorm(before, after, conv.kernel_size[0], conv.stride[0], function=self.function)
        return _filled(plain, self.conv.filters(after, before), self.bn.bn)


class ElasticDepthwiseNorm(nn.Module):
    """Depthwise convolution, batch norm, activation, and squeeze-and-excite where asked for."""

    def __init__(self, channels: int, kernels: tuple[int, ...], stride: int, function: str, squeeze: bool) -> None:
        super().__init__()
        self.conv, self.bn = ElasticDepthwise(channels, kernels, stride), ElasticBatchNorm(channels)
        self.function, self.act = function, activation(function)
        self.se = ElasticSqueezeExcite(channels) if squeeze else None

    def forward(self, x: Tensor, kernel: int) -> Tensor:
        x = self.act(self.bn(self.conv(x, kernel)))
        return x if self.se is None else cast(Tensor, self.se(x))

    @torch.no_grad()
    def export(self, kernel: int, channels: int) -> ConvNorm:
        """The layers of one choice."""
        squeezed = squeezed_channels(channels) if self.se is not None else 0
        stride = self.conv.conv.stride[0]
        plain = ConvNorm(channels, channels, kernel, stride, function=self.function, groups=channels, squeezed=squeezed)
        _filled(plain, self.conv.filters(channels, kernel), self.bn.bn)
        if self.se is not None and plain.se is not None:
            for to, tensor in zip(plain.se.filters(channels), self.se.filters(channels), strict=True):
                to.copy_(tensor)
        return plain


class ElasticBottleneck(nn.Module):
    """An inverted bottleneck whose kernel and middle width are set before the call."""

    def __init__(
        self, before: int, after: int, middle: int, kernels: tuple[int, ...], stride: int, function: str, squeeze: bool
    ) -> None:
        super().__init__()
        self.before, self.after, self.stride, self.function = before, after, stride, function
        self.inverted_bottleneck = ElasticConvNorm(before, middle, function=function)
        self.depth_conv = ElasticDepthwiseNorm(middle, kernels, stride, function, squeeze)
        self.point_linear = ElasticConvNorm(middle, after)
        self.kernel, self.middle = max(kernels), middle

    def forward(self, x: Tensor) -> Tensor:
        x = self.depth_conv(self.inverted_bottleneck(x, self.middle), self.kernel)
        return cast(Tensor, self.point_linear(x, self.after))

    def export(self, kernel: int, middle: int) -> InvertedBottleneck:
        """The layers of one choice; kernel transforms are folded in."""
        plain = InvertedBottleneck(self.before, MBConv(self.after, middle, kernel, self.stride, self.function))
        plain.inverted_bottleneck = self.inverted_bottleneck.export(middle, self.before)
        plain.depth_conv = self.depth_conv.export(kernel, middle)
        plain.point_linear = self.point_linear.export(self.after, middle)
        return plain


def _filled(plain: ConvNorm, weight: Tensor, norm: nn.BatchNorm2d) -> ConvNorm:
    """`plain` with a copy of a weight and of the first channels of a batch norm, on their device."""
    plain.to(weight.device, weight.dtype)
    plain.conv.weight.copy_(weight)
    given = norm.state_dict()
    for name, tensor in plain.bn.state_dict().items():
        tensor.copy_(given[name] if tensor.ndim == 0 else given[name][: len(tensor)])
    plain.bn.momentum, plain.bn.eps = norm.momentum, norm.eps
    return plain
