"""Torch blocks of the ResNet50D networks: the bottleneck, plain and with widths that are set before the call.

1x1, 3x3 (which holds the stride), 1x1; where the shape changes, the shortcut is an average pool and a 1x1. Names of
children are those of the public package.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.ofa.elastic import ElasticConvNorm
from models.ofa.layers import ConvNorm


class Shortcut(ConvNorm):
    """Average pool where there is a stride, 1x1, batch norm."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__(before, after, 1)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pooled(x, self.stride))


class ElasticShortcut(ElasticConvNorm):
    """The same with output channels by choice."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__(before, after)
        self.stride = stride

    def forward(self, x: Tensor, after: int) -> Tensor:
        return super().forward(pooled(x, self.stride), after)


def pooled(x: Tensor, stride: int) -> Tensor:
    """Averages of squares of side `stride`; a part of a square at the edge counts what it has."""
    return functional.avg_pool2d(x, stride, stride, ceil_mode=True) if stride > 1 else x


class Bottleneck(nn.Module):
    """A plain bottleneck. middle: channels of the 3x3."""

    def __init__(self, before: int, middle: int, after: int, stride: int, *, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = ConvNorm(before, middle, 1, function="relu")
        self.conv2 = ConvNorm(middle, middle, 3, stride, function="relu")
        self.conv3 = ConvNorm(middle, after, 1)
        self.downsample = Shortcut(before, after, stride) if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x)
        x = self.conv3(self.conv2(self.conv1(x)))
        return functional.relu(x.add_(residual), inplace=True)


class ElasticResNetBottleneck(nn.Module):
    """A bottleneck whose middle and output width are set before the call."""

    def __init__(self, before: int, middle: int, after: int, stride: int, *, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = ElasticConvNorm(before, middle, function="relu")
        self.conv2 = ElasticConvNorm(middle, middle, 3, stride, function="relu")
        self.conv3 = ElasticConvNorm(middle, after)
        self.downsample = ElasticShortcut(before, after, stride) if shortcut else None
        self.stride, self.middle, self.after = stride, middle, after

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x, self.after)
        x = self.conv3(self.conv2(self.conv1(x, self.middle), self.middle), self.after)
        return functional.relu(x.add_(residual), inplace=True)

    @torch.no_grad()
    def export(self, before: int, middle: int, after: int) -> Bottleneck:
        """The layers of one choice."""
        plain = Bottleneck(before, middle, after, self.stride, shortcut=self.downsample is not None)
        plain.conv1 = self.conv1.export(middle, before)
        plain.conv2 = self.conv2.export(middle, middle)
        plain.conv3 = self.conv3.export(after, middle)
        if self.downsample is not None and plain.downsample is not None:
            shortcut = self.downsample.export(after, before)
            plain.downsample.conv, plain.downsample.bn = shortcut.conv, shortcut.bn
        return plain


class StemResidual(nn.Module):
    """The middle convolution of the stem (`conv`), plus its input."""

    def __init__(self, conv: ConvNorm | ElasticConvNorm) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x, x.shape[1]) if isinstance(self.conv, ElasticConvNorm) else self.conv(x)
        return cast(Tensor, y + x)
