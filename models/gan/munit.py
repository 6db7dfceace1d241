"""The generator of MUNIT, dense and in the mobile form of GAN Compression, as operators.

A style encoder (its own branch: five convolutions, mean, 8 numbers) and an MLP give scale and shift of the adaptive
instance norms in the decoder; a content encoder gives what is decoded. In the mobile form the convolutions of the
residual blocks and the two that follow an upsampling are separable. Facts: Huang et al., ECCV 2018; the released code.
The mobile form is inferred: it is the one reading of the ten numbers that gives the four published counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.zoo.builder import Builder, Tensor
from sim.errors import InputError
from sim.network import Network
from sim.operator import Operator

STYLE, HIDDEN = 8, 256


@dataclass(frozen=True)
class MunitGenerator:
    """channels: 10 numbers: style encoder; content stem, first (x2) and second (x4) downsampling; inner widths (x4) of
    content blocks 1-2, 3-4 and of decoder blocks 1-2, 3-4; upsampling (x2, x1)."""

    channels: tuple[int, ...]
    separable: bool = True

    def __post_init__(self) -> None:
        if len(self.channels) != 10 or min(self.channels) < 1:
            raise InputError(f"a MUNIT generator has 10 channel numbers, got {self.channels}")

    def lower(self, height: int, width: int) -> Network:
        """For an image of 3 x height x width, sides that are multiples of 16."""
        if height % 16 or width % 16:
            raise InputError(f"sides of an image must be multiples of 16 for this generator, got {width}x{height}")
        net = Builder(3, height, width)
        c = self.channels
        adaptive = 2 * sum(4 * 2 * (inner + c[3]) for inner in c[6:8])
        scales = self._style(net, adaptive)
        x = _instance(net, net.conv(net.input, c[1], 7, bias=True))
        for out in (2 * c[2], 4 * c[3]):
            x = _instance(net, net.conv(x, out, 4, 2, padding=1, bias=True))
        for inner in (c[4], c[4], c[5], c[5]):
            x = self._block(net, x, 4 * inner, None)
        for inner in (c[6], c[6], c[7], c[7]):
            x = self._block(net, x, 4 * inner, scales)
        for out in (2 * c[8], c[9]):
            x = self._conv(net, net.resize(x, (2 * x.shape[1], 2 * x.shape[2])), out, 5)
            x = net.activation(net.norm(x, "layer_by_hand"), "relu")
        net.activation(net.conv(x, 3, 7, bias=True), "tanh")
        return net.build()

    def _style(self, net: Builder, adaptive: int) -> Tensor:
        """Scale and shift of all adaptive norms, from the image."""
        c = self.channels[0]
        x = net.activation(net.conv(net.input, c, 7, bias=True), "relu")
        for out in (2 * c, 4 * c, 4 * c, 4 * c):
            x = net.activation(net.conv(x, out, 4, 2, padding=1, bias=True), "relu")
        x = net.conv(net.pool_to(x), STYLE, 1, bias=True)
        for _ in range(2):
            x = net.activation(net.linear(x, HIDDEN), "relu")
        return net.linear(x, adaptive)

    def _block(self, net: Builder, x: Tensor, inner: int, scales: Tensor | None) -> Tensor:
        y = net.activation(_norm(net, self._conv(net, x, inner, 3), scales), "relu")
        return net.add(_norm(net, self._conv(net, y, x.shape[0], 3), scales), x)

    def _conv(self, net: Builder, x: Tensor, out: int, kernel: int) -> Tensor:
        if not self.separable:
            return net.conv(x, out, kernel, bias=True)
        y = net.conv(x, x.shape[0], kernel, groups=x.shape[0], bias=True)
        return net.conv(net.norm(y, "instance", affine=False), out, 1, bias=True)


def _instance(net: Builder, x: Tensor) -> Tensor:
    return net.activation(_norm(net, x, None), "relu")


def _norm(net: Builder, x: Tensor, scales: Tensor | None) -> Tensor:
    """Instance norm, with scale and shift from `scales` where there are any."""
    if scales is None:
        return net.norm(x, "instance", affine=False)
    return net.append(Operator("norm", x.shape, function="adaptive_instance"), x, scales)
