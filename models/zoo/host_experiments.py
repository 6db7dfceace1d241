"""Experiments that a machine is measured with: random small networks of the kinds of blocks that real ones hold.

Times of layers inside a network differ from those of layers alone (caches, dispatch, memory that is taken and given
back), so an experiment is a short network: a few blocks of one kind, of random widths, kernels, strides, sides and
activations. Sides and widths are drawn evenly in the logarithm, and together, since deep layers are wide and small.
`GROUP` neighbours are of one kind, as blocks of a network are; then comes another kind. None is a network of the zoo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.lite_transformer.translation import Translator
from models.zoo.builder import Builder, Tensor
from models.zoo.mbconv import MBConv
from sim.network import Network
from sim.operator import Operator

GROUP = 8
_LARGEST_MACS = 1.2e9
_SMALLEST_MACS = 1e6
_MOBILE = ("relu6", "relu", "h_swish", "silu")
_TRIES = 50


@dataclass(frozen=True)
class Draw:
    """Random choices of one experiment."""

    random: np.random.Generator

    def log(self, low: float, high: float, multiple: int = 1) -> int:
        """A multiple of `multiple`, evenly in the logarithm."""
        value = float(np.exp(self.random.uniform(np.log(low), np.log(high))))
        return max(multiple, round(value / multiple) * multiple)

    def one(self, *choices: int) -> int:
        """One of some numbers."""
        return int(choices[self.random.integers(len(choices))])

    def name(self, choices: tuple[str, ...]) -> str:
        """One of some names."""
        return choices[self.random.integers(len(choices))]

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return bool(self.random.random() < share)

    def side(self, low: int = 6, high: int = 128) -> int:
        """Side of an image: sides of real networks and any other."""
        known = [side for side in (7, 14, 28, 56, 112) if low <= side <= high]
        return self.one(*known) if known and self.chance(0.6) else self.log(low, high)

    def width(self, side: int, low: float = 500, high: float = 16_000, most: int = 2048) -> int:
        """Channels that go with a side, so that channels x side lies between `low` and `high`."""
        wanted = min(max(self.log(low / side, high / side), 8), most)
        return max(8, round(wanted / 8) * 8) if self.chance(0.9) else wanted


def experiments(count: int, seed: int = 0) -> list[Network]:
    """The first `count` experiments of `seed`; a larger count only adds some."""
    makers = list(_KINDS)
    found = []
    for number in range(count):
        draw = Draw(np.random.default_rng((seed, number)))
        maker = makers[number // GROUP % len(makers)]
        network = maker(draw)
        for _ in range(_TRIES):
            if _SMALLEST_MACS <= network.macs <= _LARGEST_MACS:
                break
            network = maker(draw)
        found.append(network)
    return found


def _inverted(draw: Draw) -> Network:
    """Inverted bottlenecks, with or without squeeze-and-excite."""
    side = draw.side()
    width = draw.width(side, 400, 2500, 400)
    net = Builder(width, side, side)
    x, function = net.input, draw.name(_MOBILE)
    squeeze = draw.chance(0.5)
    for position in range(draw.one(1, 2, 3)):
        mid = max(8, int(x.shape[0] * draw.one(2, 3, 4, 6, 6)) // 8 * 8)
        out = x.shape[0] if position else max(8, round(width * draw.one(2, 3, 4, 5) / 3 / 8) * 8)
        stride = 2 if not position and draw.chance(0.5) and side > 7 else 1
        block = MBConv(out, mid, draw.one(3, 3, 5, 5, 7), stride, function, mid // draw.one(4, 8, 24) if squeeze else 0)
        x = block.lower(net, x)
    return net.build()


def _basic(draw: Draw) -> Network:
    """Residual blocks of two 3x3."""
    side = draw.side(7, 80)
    width = draw.width(side, 1500, 6000, 640)
    net = Builder(width, side, side)
    x = net.input
    for position in range(draw.one(1, 2)):
        out, stride = (2 * width, 2) if not position and draw.chance(0.4) else (x.shape[0], 1)
        y = net.conv_norm(x, out, 3, stride, function="relu")
        y = net.conv_norm(y, out, 3)
        x = _joined(net, x, y, stride)
    return net.build()


def _bottleneck(draw: Draw) -> Network:
    """Residual blocks of 1x1, 3x3 (at times grouped), 1x1."""
    side = draw.side(7, 64)
    width = draw.width(side, 1500, 5000, 640)
    groups = draw.one(1, 1, 1, 8, 32)
    width = max(groups, width // groups * groups)
    net = Builder(width * draw.one(1, 2, 4), side, side)
    x, out = net.input, 4 * width
    for position in range(draw.one(1, 2, 2)):
        stride = 2 if not position and draw.chance(0.3) and side > 7 else 1
        y = net.conv_norm(x, width, 1, function="relu")
        y = net.conv_norm(y, width, 3, stride, function="relu", groups=groups)
        x = _joined(net, x, net.conv_norm(y, out, 1), stride)
    return net.build()


def _joined(net: Builder, x: Tensor, y: Tensor, stride: int) -> Tensor:
    if stride != 1 or x.shape[0] != y.shape[0]:
        x = net.conv_norm(x, y.shape[0], 1, stride)
    return net.activation(net.add(y, x), "relu")


def _stem(draw: Draw) -> Network:
    """The first layers on an image."""
    side = draw.log(128, 320, 16)
    net = Builder(3, side, side)
    kernel, width = draw.one(3, 3, 3, 5, 7, 7, 11), draw.log(12, 80, 4)
    stride = 4 if kernel == 11 else draw.one(1, 2, 2, 2)
    if draw.chance(0.3):
        x = net.activation(net.conv(net.input, width, kernel, stride, bias=True), "relu")
    else:
        x = net.conv_norm(net.input, width, kernel, stride, function=draw.name(_MOBILE))
    if draw.chance(0.4):
        x = net.pool(x, draw.name(("max", "max_ceil")), 3, 2, padding=draw.one(0, 1))
    elif draw.chance(0.5):
        x = net.conv_norm(x, width, 3, draw.one(1, 2), function="relu6", groups=width)
        x = net.conv_norm(x, draw.log(12, 64, 4), 1)
    return net.build()


def _plain(draw: Draw) -> Network:
    """Convolutions with a bias, no norm, and a pool."""
    side = draw.side(7, 112)
    width = draw.width(side, 800, 6000, 640)
    net = Builder(width, side, side)
    x = net.input
    for _ in range(draw.one(1, 2, 3)):
        kernel = draw.one(1, 3, 3, 3, 5)
        x = net.activation(net.conv(x, draw.width(side, 800, 6000, 640), kernel, bias=True), "relu")
    if draw.chance(0.6):
        x = net.pool(x, draw.name(("max", "max_ceil", "avg")), draw.one(2, 3), 2)
    return net.build()


def _fire(draw: Draw) -> Network:
    """Squeeze to few channels, 1x1 and 3x3 side by side, joined."""
    side = draw.side(7, 80)
    width = draw.width(side, 2000, 9000, 768)
    net = Builder(width, side, side)
    x = net.input
    for _ in range(draw.one(1, 2, 3)):
        squeezed, expand = max(8, width // draw.one(4, 6, 8, 12)), max(8, width // draw.one(2, 2, 3))
        x = net.activation(net.conv(x, squeezed, 1, bias=True), "relu")
        x = net.concat(*[net.activation(net.conv(x, expand, kernel, bias=True), "relu") for kernel in (1, 3)])
    return net.build()


def _dense(draw: Draw) -> Network:
    """Dense block: norm and activation come first, and all results are joined."""
    side = draw.side(7, 56)
    growth = draw.log(12, 48, 4)
    net = Builder(draw.width(side, 3000, 9000, 1024), side, side)
    features = [net.input]
    for _ in range(draw.one(1, 2, 3)):
        y = net.conv(net.activation(net.norm(net.concat(*features)), "relu"), 4 * growth, 1)
        features.append(net.conv(net.activation(net.norm(y), "relu"), growth, 3))
    net.concat(*features)
    return net.build()


def _head(draw: Draw) -> Network:
    """Last 1x1, pool, and the classifier."""
    side = draw.side(4, 14)
    net = Builder(draw.log(64, 1024, 8), side, side)
    x = net.conv_norm(net.input, draw.log(256, 2048, 8), 1, function=draw.name(_MOBILE))
    x = net.pool_to(x, draw.name(("adaptive_avg", "mean")))
    for _ in range(draw.one(0, 0, 1, 2)):
        x = net.activation(net.linear(x, draw.log(512, 4096, 64)), draw.name(("relu", "h_swish")))
    net.linear(x, draw.one(10, 100, 1000, 1000))
    return net.build()


def _translate(draw: Draw) -> Network:
    """Residual blocks of an image generator: instance norm, dense or separable convolutions."""
    side = draw.side(14, 96)
    width = draw.width(side, 2000, 18_000, 384)
    net = Builder(width, side, side)
    x = net.input
    separable = draw.chance(0.5)
    for _ in range(draw.one(1, 1, 2)):
        y = x
        for last in (False, True):
            if separable:
                y = net.norm(net.conv(y, width, 3, groups=width, bias=True), "instance", affine=False)
                y = net.conv(y, width, 1, bias=True)
            else:
                y = net.conv(y, width, 3, bias=True)
            y = net.norm(y, "instance", affine=False)
            y = y if last else net.activation(y, draw.name(("relu", "relu", "leaky_relu")))
        x = net.add(x, y)
    return net.build()


def _upsample(draw: Draw) -> Network:
    """The way up of a generator: transposed convolution, or resize and convolution."""
    side = draw.side(14, 144)
    width = draw.width(side, 2000, 18_000, 512)
    net = Builder(width, side, side)
    x = net.input
    if draw.chance(0.7):
        x = net.conv_transpose(x, max(8, width // 2), draw.one(3, 3, 3, 5), 2, bias=True)
    else:
        x = net.resize(x, (2 * side, 2 * side), draw.name(("nearest", "bilinear")))
        x = net.conv(x, max(8, width // 2), 3, bias=True)
    net.activation(net.norm(x, "instance", affine=False), "relu")
    return net.build()


def _image_ends(draw: Draw) -> Network:
    """First and last layers of a generator: 7x7 from and to an image, and the way down."""
    side = draw.log(64, 256, 8)
    width = draw.log(8, 72, 4)
    if draw.chance(0.5):
        net = Builder(width, side, side)
        net.activation(net.conv(net.input, 3, draw.one(3, 7, 7, 7, 9), bias=True), "tanh")
        return net.build()
    net = Builder(3, side, side)
    x = net.conv(net.input, width, draw.one(5, 7, 7, 9), bias=True)
    x = net.activation(net.norm(x, "instance", affine=False), "relu")
    x = net.conv(x, 2 * width, draw.one(3, 3, 4), 2, padding=1, bias=True)
    net.activation(net.norm(x, "instance", affine=False), "relu")
    return net.build()


def _spade(draw: Draw) -> Network:
    """A norm scaled and shifted by convolutions of a resized map."""
    side = draw.side(14, 112)
    width, semantic = draw.width(side, 1000, 6000, 384), draw.log(12, 64, 4)
    net = Builder(semantic, 2 * side, 2 * side)
    hidden = draw.log(16, 128, 8)
    x = net.conv(net.resize(net.input, (side, side)), width, 3, bias=True)
    normed = net.norm(x, affine=False)
    mapped = net.activation(net.conv(net.resize(net.input, (side, side)), hidden, 3, bias=True), "relu")
    gamma, beta = (net.conv(mapped, width, 3, bias=True) for _ in range(2))
    net.activation(net.add(net.mul(normed, gamma), beta), "leaky_relu")
    return net.build()


def _transformer(draw: Draw) -> Network:
    """Layers of a transformer, encoder or with cross-attention, plain or with convolutions beside the attention."""
    width = draw.log(64, 1024, 32)
    lite = draw.chance(0.3)
    decoder = draw.chance(0.25)
    form = Translator(
        width,
        kernels=(draw.one(3, 7, 15, 31),) if lite else (0,) * draw.one(1, 1, 2),
        encoder_layers=0 if decoder else 2,
        decoder_layers=1 if decoder else 0,
        ratio=draw.one(1, 2, 4, 4),
        heads=draw.one(4, 8),
        dynamic=draw.chance(0.5),
        glu=draw.chance(0.5),
    )
    length = draw.log(8, 256)
    return form.lower(length, length)


def _sequence(draw: Draw) -> Network:
    """What stands around a transformer: embedding, gelu feed-forward, softmax over classes."""
    length, width = draw.log(8, 256), draw.log(64, 768, 32)
    net = Builder(length)
    x = net.append(Operator("embedding", (length,), width, length=draw.log(500, 20_000)), net.input)
    x = net.append(Operator("norm", x.shape, function="layer", affine=True), x)
    x = net.activation(net.linear(x, draw.one(2, 4) * width), draw.name(("gelu", "relu", "silu")))
    x = net.linear(x, width)
    if draw.chance(0.5):
        scores = net.append(Operator("matmul", (length, width), others=((width, length),)), x, x)
        net.append(Operator("matmul", (length, length), others=((length, width),)), net.softmax(scores), x)
    else:
        net.softmax(net.linear(x, draw.log(500, 8000)))
    return net.build()


def _moving(draw: Draw) -> Network:
    """Operators that compute little: norms, activations, sums, products, copies, pools."""
    side = draw.side(7, 256)
    net = Builder(draw.width(side, 1000, 18_000), side, side)
    x = net.conv(net.input, net.input.shape[0], 3, groups=net.input.shape[0])
    for _ in range(draw.one(2, 3, 4)):
        kind = draw.one(0, 1, 1, 2, 3, 4)
        if kind == 0:
            x = net.norm(x, draw.name(("batch", "instance")))
        elif kind == 1:
            x = net.activation(x, draw.name((*_MOBILE, "h_sigmoid", "sigmoid", "tanh", "leaky_relu", "gelu")))
        elif kind == 2:
            x = net.add(x, net.copy(x))
        elif kind == 3:
            x = net.mul(x, net.activation(net.pool_to(x), draw.name(("sigmoid", "h_sigmoid"))))
        elif x.shape[1] > 6:
            x = net.pool(x, draw.name(("max", "avg")), draw.one(2, 3), 2)
    return net.build()


_KINDS: tuple[Callable[[Draw], Network], ...] = (
    _inverted,
    _basic,
    _stem,
    _bottleneck,
    _transformer,
    _fire,
    _inverted,
    _translate,
    _head,
    _plain,
    _upsample,
    _inverted,
    _moving,
    _transformer,
    _image_ends,
    _dense,
    _bottleneck,
    _sequence,
    _spade,
)
