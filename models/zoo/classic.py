"""Plain, residual and dense networks as torchvision defines them."""

from __future__ import annotations

import math

from models.zoo.builder import Builder, Tensor
from sim.network import Network

_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
_REGNET_X_400MF = ((32, 1), (64, 2), (160, 7), (400, 12))


def alexnet(resolution: int) -> Network:
    """AlexNet, the single-tower form."""
    net = Builder(3, resolution, resolution)
    x = net.activation(net.conv(net.input, 64, 11, 4, padding=2, bias=True), "relu")
    x = net.pool(x, "max", 3, 2)
    x = net.pool(net.activation(net.conv(x, 192, 5, bias=True), "relu"), "max", 3, 2)
    for out in (384, 256, 256):
        x = net.activation(net.conv(x, out, 3, bias=True), "relu")
    x = net.pool_to(net.pool(x, "max", 3, 2), size=6)
    return _classifier(net, x)


def vgg16(resolution: int) -> Network:
    """VGG-16 without normalisation."""
    net = Builder(3, resolution, resolution)
    x = net.input
    for out in _VGG16:
        x = net.activation(net.conv(x, out, 3, bias=True), "relu") if out else net.pool(x, "max", 2, 2)
    return _classifier(net, net.pool_to(x, size=7))


def _classifier(net: Builder, x: Tensor) -> Network:
    for _ in range(2):
        x = net.activation(net.linear(x, 4096), "relu")
    net.linear(x, 1000)
    return net.build()


def squeezenet1_1(resolution: int) -> Network:
    """SqueezeNet 1.1."""
    net = Builder(3, resolution, resolution)
    x = net.activation(net.conv(net.input, 64, 3, 2, padding=0, bias=True), "relu")
    for stage in (((16, 64), (16, 64)), ((32, 128), (32, 128)), ((48, 192), (48, 192), (64, 256), (64, 256))):
        x = net.pool(x, "max_ceil", 3, 2)
        for squeeze, expand in stage:
            x = net.activation(net.conv(x, squeeze, 1, bias=True), "relu")
            sides = [net.activation(net.conv(x, expand, kernel, bias=True), "relu") for kernel in (1, 3)]
            x = net.concat(*sides)
    x = net.activation(net.conv(x, 1000, 1, bias=True), "relu")
    net.pool_to(x)
    return net.build()


def resnet18(resolution: int) -> Network:
    """ResNet-18: basic blocks."""
    net, x = _residual_stem(resolution)
    for stage, width in enumerate((64, 128, 256, 512)):
        for position in range(2):
            stride = 2 if stage and not position else 1
            y = net.conv_norm(x, width, 3, stride, function="relu")
            y = net.conv_norm(y, width, 3)
            x = _join(net, x, y, width, stride)
    return _residual_head(net, x)


def resnet50(resolution: int) -> Network:
    """ResNet-50: bottlenecks with the stride in the 3x3."""
    return _bottlenecks(resolution, groups=1, base=64)


def resnext50_32x4d(resolution: int) -> Network:
    """ResNeXt-50, 32 groups of 4 channels."""
    return _bottlenecks(resolution, groups=32, base=4)


def _bottlenecks(resolution: int, groups: int, base: int) -> Network:
    net, x = _residual_stem(resolution)
    for stage, repeats in enumerate((3, 4, 6, 3)):
        width = (64 << stage) * base // 64 * groups
        for position in range(repeats):
            stride = 2 if stage and not position else 1
            y = net.conv_norm(x, width, 1, function="relu")
            y = net.conv_norm(y, width, 3, stride, function="relu", groups=groups)
            y = net.conv_norm(y, 256 << stage, 1)
            x = _join(net, x, y, 256 << stage, stride)
    return _residual_head(net, x)


def regnet_x_400mf(resolution: int) -> Network:
    """RegNetX of 400 MFLOP: groups 16 channels wide."""
    net = Builder(3, resolution, resolution)
    x = net.conv_norm(net.input, 32, 3, 2, function="relu")
    for width, repeats in _REGNET_X_400MF:
        for position in range(repeats):
            stride = 1 if position else 2
            y = net.conv_norm(x, width, 1, function="relu")
            y = net.conv_norm(y, width, 3, stride, function="relu", groups=width // 16)
            x = _join(net, x, net.conv_norm(y, width, 1), width, stride)
    return _residual_head(net, x)


def _residual_stem(resolution: int) -> tuple[Builder, Tensor]:
    net = Builder(3, resolution, resolution)
    x = net.conv_norm(net.input, 64, 7, 2, function="relu")
    return net, net.pool(x, "max", 3, 2, padding=1)


def _join(net: Builder, x: Tensor, y: Tensor, width: int, stride: int) -> Tensor:
    """Add the shortcut, which is projected where the shape changes, and ReLU."""
    if stride != 1 or x.shape[0] != width:
        x = net.conv_norm(x, width, 1, stride)
    return net.activation(net.add(y, x), "relu")


def _residual_head(net: Builder, x: Tensor) -> Network:
    net.linear(net.pool_to(x), 1000)
    return net.build()


def densenet121(resolution: int) -> Network:
    """DenseNet-121: growth 32, bottleneck 4 x 32."""
    net, x = _residual_stem(resolution)
    for stage, repeats in enumerate((6, 12, 24, 16)):
        if stage:
            x = net.conv(net.activation(net.norm(x), "relu"), x.shape[0] // 2, 1)
            x = net.pool(x, "avg", 2, 2)
        features = [x]
        for _ in range(repeats):
            joined = net.concat(*features)
            y = net.conv(net.activation(net.norm(joined), "relu"), 128, 1)
            features.append(net.conv(net.activation(net.norm(y), "relu"), 32, 3))
        x = net.concat(*features)
    x = net.activation(net.norm(x), "relu", functional=True)
    net.linear(net.pool_to(x, functional=True), 1000)
    return net.build()


def inception_v3(resolution: int) -> Network:
    """Inception v3 in inference. The auxiliary head is not run; its parameters are idle ones."""
    net = Builder(3, resolution, resolution)
    x = net.input
    for out, kernel, stride, padding in ((32, 3, 2, 0), (32, 3, 1, 0), (64, 3, 1, 1)):
        x = _unit(net, x, out, kernel, stride, padding)
    x = _unit(net, net.pool(x, "max", 3, 2), 80, 1)
    x = net.pool(_unit(net, x, 192, 3, 1, 0), "max", 3, 2)
    for pooled in (32, 64, 64):
        x = _inception_a(net, x, pooled)
    x = net.concat(_unit(net, x, 384, 3, 2, 0), _tower(net, x, ((64, 1), (96, 3)), 96), _halved(net, x))
    for inner in (128, 160, 160, 192):
        x = _inception_c(net, x, inner)
    left = _unit(net, _unit(net, x, 192, 1), 320, 3, 2, 0)
    right = _tower(net, x, ((192, 1), (192, (1, 7)), (192, (7, 1))), 192)
    x = net.concat(left, right, _halved(net, x))
    for _ in range(2):
        x = _inception_e(net, x)
    net.linear(net.pool_to(x), 1000)
    auxiliary = math.prod((128, 768)) + math.prod((768, 128, 5, 5)) + 2 * (128 + 768) + 769 * 1000
    return net.build(idle_params=auxiliary)


def _unit(
    net: Builder,
    x: Tensor,
    out: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    padding: int | None = None,
) -> Tensor:
    y = net.norm(net.conv(x, out, kernel, stride, padding=padding))
    return net.activation(y, "relu", functional=True)


def _chain(net: Builder, x: Tensor, units: tuple[tuple[int, int | tuple[int, int]], ...]) -> Tensor:
    for out, kernel in units:
        x = _unit(net, x, out, kernel)
    return x


def _tower(net: Builder, x: Tensor, units: tuple[tuple[int, int | tuple[int, int]], ...], out: int) -> Tensor:
    """Units, then a 3x3 of stride 2 that halves the side."""
    return _unit(net, _chain(net, x, units), out, 3, 2, 0)


def _halved(net: Builder, x: Tensor) -> Tensor:
    return net.pool(x, "max", 3, 2, functional=True)


def _average(net: Builder, x: Tensor, out: int) -> Tensor:
    return _unit(net, net.pool(x, "avg", 3, 1, padding=1, functional=True), out, 1)


def _inception_a(net: Builder, x: Tensor, pooled: int) -> Tensor:
    five, three = _chain(net, x, ((48, 1), (64, 5))), _chain(net, x, ((64, 1), (96, 3), (96, 3)))
    return net.concat(_unit(net, x, 64, 1), five, three, _average(net, x, pooled))


def _inception_c(net: Builder, x: Tensor, inner: int) -> Tensor:
    single = _chain(net, x, ((inner, 1), (inner, (1, 7)), (192, (7, 1))))
    double = _chain(net, x, ((inner, 1), (inner, (7, 1)), (inner, (1, 7)), (inner, (7, 1)), (192, (1, 7))))
    return net.concat(_unit(net, x, 192, 1), single, double, _average(net, x, 192))


def _inception_e(net: Builder, x: Tensor) -> Tensor:
    sides = [_unit(net, x, 320, 1)]
    for stem in (_unit(net, x, 384, 1), _chain(net, x, ((448, 1), (384, 3)))):
        sides += [_unit(net, stem, 384, (1, 3)), _unit(net, stem, 384, (3, 1))]
    return net.concat(*sides, _average(net, x, 192))
