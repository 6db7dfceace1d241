"""Networks of inverted bottlenecks and their kin as torchvision defines them, and the ProxylessNAS networks.

Tables hold what the definitions hold: kernels, widths, strides. Counts of all of them are anchors in the tests.
"""

from __future__ import annotations

import math

from models.zoo.builder import Builder, Tensor
from models.zoo.mbconv import MBConv, make_divisible
from sim.network import Network

_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_MNAS = ((24, 3, 2, 3, 3), (40, 5, 2, 3, 3), (80, 5, 2, 6, 3), (96, 3, 1, 6, 2), (192, 5, 2, 6, 4), (320, 3, 1, 6, 1))
_V3_LARGE = (
    (3, 16, 16, 0, "relu", 1),
    (3, 64, 24, 0, "relu", 2),
    (3, 72, 24, 0, "relu", 1),
    (5, 72, 40, 1, "relu", 2),
    (5, 120, 40, 1, "relu", 1),
    (5, 120, 40, 1, "relu", 1),
    (3, 240, 80, 0, "h_swish", 2),
    (3, 200, 80, 0, "h_swish", 1),
    (3, 184, 80, 0, "h_swish", 1),
    (3, 184, 80, 0, "h_swish", 1),
    (3, 480, 112, 1, "h_swish", 1),
    (3, 672, 112, 1, "h_swish", 1),
    (5, 672, 160, 1, "h_swish", 2),
    (5, 960, 160, 1, "h_swish", 1),
    (5, 960, 160, 1, "h_swish", 1),
)
"""Kernel, middle, output, squeeze-and-excite, activation, stride of each block."""
_V3_SMALL = (
    (3, 16, 16, 1, "relu", 2),
    (3, 72, 24, 0, "relu", 2),
    (3, 88, 24, 0, "relu", 1),
    (5, 96, 40, 1, "h_swish", 2),
    (5, 240, 40, 1, "h_swish", 1),
    (5, 240, 40, 1, "h_swish", 1),
    (5, 120, 48, 1, "h_swish", 1),
    (5, 144, 48, 1, "h_swish", 1),
    (5, 288, 96, 1, "h_swish", 2),
    (5, 576, 96, 1, "h_swish", 1),
    (5, 576, 96, 1, "h_swish", 1),
)
_EFFICIENT = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Expansion, kernel, stride, output, repeats of each stage of EfficientNet-B0."""
_MOBILE_BLOCKS = ("5-3 3-3", "7-3 3-3 5-3 5-3", "7-6 5-3 5-3 5-3", "5-6 5-3 5-3 5-3", "7-6 7-6 7-3 7-3", "7-6")
PROXYLESS: dict[str, tuple[int, int, tuple[int, ...], int, tuple[str, ...]]] = {
    "mobile": (32, 16, (32, 40, 80, 96, 192, 320), 1280, _MOBILE_BLOCKS),
    "mobile14": (48, 24, (40, 56, 112, 136, 256, 448), 1792, _MOBILE_BLOCKS),
    "cpu": (
        40,
        24,
        (32, 48, 88, 104, 216, 360),
        1432,
        ("3-6 3-3 3-3 3-3", "3-6 3-3 3-3 5-3", "3-6 3-3", "5-6 3-3 3-3 3-3", "5-6 5-3 5-3 3-3", "5-6"),
    ),
    "gpu": (
        40,
        24,
        (32, 56, 112, 128, 256, 432),
        1728,
        ("5-3", "7-3 3-3", "7-6 5-3", "5-6 3-3 5-3", "7-6 7-6 7-6 5-6", "7-6"),
    ),
}
"""Stem, first block, stage widths, feature mix, and the blocks of each stage as kernel-expansion."""


def mobilenet_v2(resolution: int) -> Network:
    """MobileNetV2, width 1.0."""
    net = Builder(3, resolution, resolution)
    x = net.conv_norm(net.input, 32, 3, 2, function="relu6")
    for expand, out, repeats, stride in _V2:
        for position in range(repeats):
            x = MBConv(out, x.shape[0] * expand, 3, 1 if position else stride).lower(net, x)
    x = net.conv_norm(x, 1280, 1, function="relu6")
    net.linear(net.pool_to(x, functional=True), 1000)
    return net.build()


def mobilenet_v3_large(resolution: int) -> Network:
    """MobileNetV3-Large of torchvision (the feature-mix layer is linear, with a bias)."""
    return _mobilenet_v3(resolution, _V3_LARGE, 1280)


def mobilenet_v3_small(resolution: int) -> Network:
    """MobileNetV3-Small of torchvision."""
    return _mobilenet_v3(resolution, _V3_SMALL, 1024)


def _mobilenet_v3(resolution: int, blocks: tuple[tuple[int, int, int, int, str, int], ...], mix: int) -> Network:
    net = Builder(3, resolution, resolution)
    x = v3_blocks(net, blocks)
    x = net.activation(net.linear(net.pool_to(x), mix), "h_swish")
    net.linear(x, 1000)
    return net.build()


def mobilenet_v3_large_ofa(resolution: int) -> Network:
    """MobileNetV3-Large as the Once-for-All repository has it: feature mix without bias."""
    net = Builder(3, resolution, resolution)
    x = net.conv(net.pool_to(v3_blocks(net, _V3_LARGE), "mean", functional=True), 1280, 1)
    net.linear(net.activation(x, "h_swish"), 1000)
    return net.build()


def v3_blocks(net: Builder, blocks: tuple[tuple[int, int, int, int, str, int], ...]) -> Tensor:
    """Stem, blocks and final expansion of MobileNetV3; the last is 6 times as wide as the last block."""
    x = net.conv_norm(net.input, 16, 3, 2, function="h_swish")
    for kernel, mid, out, squeeze, function, stride in blocks:
        squeezed = make_divisible(mid // 4) if squeeze else 0
        x = MBConv(out, mid, kernel, stride, function, squeezed).lower(net, x)
    return net.conv_norm(x, 6 * x.shape[0], 1, function="h_swish")


def mnasnet1_0(resolution: int) -> Network:
    """MnasNet, depth multiplier 1.0."""
    net = Builder(3, resolution, resolution)
    x = net.conv_norm(net.input, 32, 3, 2, function="relu")
    x = net.conv_norm(x, 32, 3, function="relu", groups=32)
    x = net.conv_norm(x, 16, 1)
    for out, kernel, stride, expand, repeats in _MNAS:
        for position in range(repeats):
            x = MBConv(out, x.shape[0] * expand, kernel, 1 if position else stride, "relu").lower(net, x)
    x = net.conv_norm(x, 1280, 1, function="relu")
    net.linear(net.pool_to(x, "mean", functional=True), 1000)
    return net.build()


def efficientnet_b0(resolution: int) -> Network:
    """EfficientNet-B0."""
    return _efficientnet(resolution, depth=1.0)


def efficientnet_b1(resolution: int) -> Network:
    """EfficientNet-B1: the widths of B0, 1.1 times the depth."""
    return _efficientnet(resolution, depth=1.1)


def _efficientnet(resolution: int, depth: float) -> Network:
    net = Builder(3, resolution, resolution)
    x = net.conv_norm(net.input, 32, 3, 2, function="silu")
    for expand, kernel, stride, out, repeats in _EFFICIENT:
        for position in range(math.ceil(repeats * depth)):
            mid, squeezed = x.shape[0] * expand, max(1, x.shape[0] // 4)
            step = 1 if position else stride
            x = MBConv(out, mid, kernel, step, "silu", squeezed, "silu", "sigmoid").lower(net, x)
    x = net.conv_norm(x, 1280, 1, function="silu")
    net.linear(net.pool_to(x), 1000)
    return net.build()


def shufflenet_v2_x1_0(resolution: int) -> Network:
    """ShuffleNetV2, width 1.0."""
    net = Builder(3, resolution, resolution)
    x = net.pool(net.conv_norm(net.input, 24, 3, 2, function="relu"), "max", 3, 2, padding=1)
    for out, repeats in ((116, 4), (232, 8), (464, 4)):
        for position in range(repeats):
            x = _shuffle_unit(net, x, out, 1 if position else 2)
    x = net.conv_norm(x, 1024, 1, function="relu")
    net.linear(net.pool_to(x, "mean", functional=True), 1000)
    return net.build()


def _shuffle_unit(net: Builder, x: Tensor, out: int, stride: int) -> Tensor:
    half = out // 2
    left = right = x
    if stride == 1:
        left = right = Tensor(x.source, (half, *x.shape[1:]))
    else:
        left = net.conv_norm(x, x.shape[0], 3, stride, groups=x.shape[0])
        left = net.conv_norm(left, half, 1, function="relu")
    right = net.conv_norm(right, half, 1, function="relu")
    right = net.conv_norm(right, half, 3, stride, groups=half)
    right = net.conv_norm(right, half, 1, function="relu")
    return net.copy(net.concat(left, right))


def proxyless(variant: str, resolution: int) -> Network:
    """A released ProxylessNAS network: mobile, mobile14 (1.4 times as wide), cpu, gpu."""
    stem, first, widths, mix, stages = PROXYLESS[variant]
    net = Builder(3, resolution, resolution)
    x = net.conv_norm(net.input, stem, 3, 2, function="relu6")
    x = MBConv(first, stem, 3).lower(net, x)
    for out, stride, stage in zip(widths, (2, 2, 2, 1, 2, 1), stages, strict=True):
        for position, block in enumerate(stage.split()):
            kernel, expand = (int(part) for part in block.split("-"))
            x = MBConv(out, x.shape[0] * expand, kernel, 1 if position else stride).lower(net, x)
    x = net.conv_norm(x, mix, 1, function="relu6")
    net.linear(net.pool_to(x), 1000)
    return net.build()
