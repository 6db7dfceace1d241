"""Generators of GAN Compression as operators: ResNet (dense and mobile), SPADE (dense and mobile).

In the mobile ResNet only the 3x3 convolutions of the residual blocks are separable; in the mobile SPADE only those
that give gamma and beta. Reflection padding counts as padding. Facts: GAN Compression, Li et al., CVPR 2020, and its
released code; SPADE from its paper's description.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.zoo.builder import Builder, Tensor
from sim.errors import InputError
from sim.network import Network

Channels = tuple[int, ...]
BLOCKS = 9


@dataclass(frozen=True)
class ResNetGenerator:
    """channels: 8 numbers c0..c7: stem, first and second downsampling (x2, x4), inner widths of blocks 1-3, 4-6, 7-9
    (x4), upsampling (x2, x1). Six numbers are the older form: one inner width for all blocks, or, with `legacy`, for
    blocks 1, 4 and 7 while the others keep the outer width. separable: the mobile form. blocks: 9 as published, or
    another multiple of 3 for small images.
    """

    channels: Channels
    separable: bool = True
    legacy: bool = False
    blocks: int = BLOCKS

    def __post_init__(self) -> None:
        if len(self.channels) not in (6, 8) or min(self.channels) < 1:
            raise InputError(f"a ResNet generator has 8 channel numbers (6 in the older form), got {self.channels}")
        if self.legacy and len(self.channels) != 6:
            raise InputError(f"the legacy form has 6 channel numbers, got {len(self.channels)}")
        if self.blocks < 3 or self.blocks % 3:
            raise InputError(f"residual blocks come in three equal groups, got {self.blocks}; nearest: {BLOCKS}")

    @property
    def inner(self) -> Channels:
        """Inner width of each residual block."""
        if self.legacy:
            return tuple(4 * self.channels[3 if block % 3 == 0 else 2] for block in range(self.blocks))
        groups = self.channels[3:6] if len(self.channels) == 8 else (self.channels[3],) * 3
        return tuple(4 * groups[3 * block // self.blocks] for block in range(self.blocks))

    def lower(self, height: int, width: int) -> Network:
        """For an image of 3 x height x width, sides that are multiples of 4."""
        if height % 4 or width % 4:
            raise InputError(f"sides of an image must be multiples of 4 for this generator, got {width}x{height}")
        net = Builder(3, height, width)
        c = self.channels
        x = _normed(net, net.conv(net.input, c[0], 7, bias=True))
        x = _normed(net, net.conv(x, 2 * c[1], 3, 2, bias=True))
        x = _normed(net, net.conv(x, 4 * c[2], 3, 2, bias=True))
        for inner in self.inner:
            y = _normed(net, self._conv(net, x, inner))
            y = net.norm(self._conv(net, y, x.shape[0]), "instance", affine=False)
            x = net.add(x, y)
        for out in (2 * c[-2], c[-1]):
            x = _normed(net, net.conv_transpose(x, out, 3, 2, bias=True))
        net.activation(net.conv(x, 3, 7, bias=True), "tanh")
        return net.build()

    def _conv(self, net: Builder, x: Tensor, out: int) -> Tensor:
        return separable(net, x, out) if self.separable else net.conv(x, out, 3, bias=True)


@dataclass(frozen=True)
class SpadeGenerator:
    """channels: 8 numbers c0..c7: outer width of the first blocks (x16), middle of head_0, G_middle_0, G_middle_1
    (x16), up_0 (x8), up_1 (x4), up_2 (x2), up_3 (x1). A block's hidden SPADE width is twice its own number. semantic:
    channels of the map. more: one more upsampling, for images of twice the side.
    """

    channels: Channels
    separable: bool = True
    semantic: int = 36
    more: bool = True

    def __post_init__(self) -> None:
        if len(self.channels) != 8 or min(self.channels) < 1:
            raise InputError(f"a SPADE generator has 8 channel numbers, got {self.channels}")

    def lower(self, height: int, width: int) -> Network:
        """For an image of height x width, sides that are multiples of 64 (of 32 without `more`)."""
        scale = 64 if self.more else 32
        if height % scale or width % scale:
            raise InputError(f"sides of an image must be multiples of {scale} for this generator, got {width}x{height}")
        net = Builder(self.semantic, height, width)
        c, size = self.channels, (height // scale, width // scale)
        x = net.conv(net.resize(net.input, size), 16 * c[0], 3, bias=True)
        x = self._block(net, x, c[1], 16 * c[1], 16 * c[0], projected=False)
        x = self._block(net, _up(net, x), c[2], 16 * c[2], 16 * c[0], projected=False)
        x = self._block(net, _up(net, x) if self.more else x, c[3], 16 * c[3], 16 * c[0], projected=False)
        for number, times in zip(c[4:], (8, 4, 2, 1), strict=True):
            x = self._block(net, _up(net, x), number, times * number, times * number, projected=True)
        x = net.conv(net.activation(x, "leaky_relu", functional=True), 3, 3, bias=True)
        net.activation(x, "tanh", functional=True)
        return net.build()

    def _block(self, net: Builder, x: Tensor, number: int, middle: int, out: int, *, projected: bool) -> Tensor:
        """norm, leaky ReLU, 3x3 twice; behind the first three blocks the shortcut is normed and projected.

        Also where both widths are the same by chance: a sub-network keeps the layers of what it is cut from.
        """
        shortcut = x
        if projected:
            shortcut = net.conv(self._norm(net, x, number), out, 1)
        y = net.activation(self._norm(net, x, number), "leaky_relu", functional=True)
        y = net.conv(y, middle, 3, bias=True)
        y = net.activation(self._norm(net, y, number), "leaky_relu", functional=True)
        return net.add(shortcut, net.conv(y, out, 3, bias=True))

    def _norm(self, net: Builder, x: Tensor, number: int) -> Tensor:
        """Batch norm without parameters, scaled and shifted by convolutions of the resized map."""
        normed = net.norm(x, affine=False)
        segments = net.resize(net.input, x.shape[1:])  # type: ignore[arg-type]
        hidden = net.activation(net.conv(segments, 2 * number, 3, bias=True), "relu")
        if self.separable:
            gamma, beta = separable(net, hidden, x.shape[0]), separable(net, hidden, x.shape[0])
        else:
            gamma, beta = (net.conv(hidden, x.shape[0], 3, bias=True) for _ in range(2))
        return net.add(net.mul(normed, gamma), beta)


def separable(net: Builder, x: Tensor, out: int) -> Tensor:
    """Depthwise 3x3 with bias, instance norm without parameters, 1x1 with bias."""
    y = net.conv(x, x.shape[0], 3, groups=x.shape[0], bias=True)
    return net.conv(net.norm(y, "instance", affine=False), out, 1, bias=True)


def _normed(net: Builder, x: Tensor) -> Tensor:
    return net.activation(net.norm(x, "instance", affine=False), "relu")


def _up(net: Builder, x: Tensor) -> Tensor:
    return net.resize(x, (2 * x.shape[1], 2 * x.shape[2]))
