"""The ResNet generators of GAN Compression as torch modules, dense and mobile, of any channel configuration.

Names of parameters are those of the public CycleGAN / pix2pix package (`model.1.weight`, `model.10.conv_block.1...`)
and of the released compressed generators, so that their checkpoints load by name. Instance norms have no parameters,
hence every convolution has a bias. A generator takes images in [-1, 1] and gives images in [-1, 1].
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.gan.generators import ResNetGenerator
from sim.errors import InputError


class InstanceNorm(nn.Module):
    """Each plane of each sample to mean 0 and variance 1; as wide as its input."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.instance_norm(x)


class SeparableConv(nn.Module):
    """Depthwise k x k, instance norm, 1 x 1: the mobile form of a dense convolution. padding: zeros around."""

    def __init__(self, before: int, after: int, kernel: int = 3, padding: int = 0) -> None:
        super().__init__()
        depthwise = nn.Conv2d(before, before, kernel, padding=padding, groups=before)
        self.conv = nn.Sequential(depthwise, InstanceNorm(), nn.Conv2d(before, after, 1))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(x))


class ResidualBlock(nn.Module):
    """x plus two padded 3 x 3 convolutions of it, normed, with a ReLU between them."""

    def __init__(self, width: int, inner: int, separable: bool) -> None:
        super().__init__()

        def conv(before: int, after: int) -> nn.Module:
            return SeparableConv(before, after) if separable else nn.Conv2d(before, after, 3)

        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            conv(width, inner),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.Identity(),  # where the public package has a dropout, so that what follows keeps its number
            nn.ReflectionPad2d(1),
            conv(inner, width),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.conv_block(x))


class ResNet(nn.Module):
    """The generator that `spec` describes. Images (N, 3, H, W), sides that are multiples of 4, to images."""

    def __init__(self, spec: ResNetGenerator) -> None:
        super().__init__()
        self.spec = spec
        c = spec.channels
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_normed(nn.Conv2d(3, c[0], 7))]
        layers += _normed(nn.Conv2d(c[0], 2 * c[1], 3, 2, 1))
        layers += _normed(nn.Conv2d(2 * c[1], 4 * c[2], 3, 2, 1))
        layers += [ResidualBlock(4 * c[2], inner, spec.separable) for inner in spec.inner]
        layers += _normed(nn.ConvTranspose2d(4 * c[2], 2 * c[-2], 3, 2, 1, 1))
        layers += _normed(nn.ConvTranspose2d(2 * c[-2], c[-1], 3, 2, 1, 1))
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(c[-1], 3, 7), nn.Tanh())
        initialise(self)

    @property
    def taps(self) -> tuple[str, ...]:
        """Modules whose outputs are distilled: behind the downsampling, and the last block of each third."""
        third = self.spec.blocks // 3
        return tuple(f"model.{9 + third * group}" for group in range(4))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] % 4 or x.shape[3] % 4 or min(x.shape[2:]) < 8:
            raise InputError(f"a ResNet generator takes (N, 3, H, W), sides multiples of 4, not {tuple(x.shape)}")
        return cast(Tensor, self.model(x))


def initialise(module: nn.Module, *, xavier: bool = False) -> None:
    """Weights normal with standard deviation 0.02, or Xavier's with that gain; biases zero."""
    for one in module.modules():
        if isinstance(one, nn.Conv2d | nn.ConvTranspose2d):
            if xavier:
                nn.init.xavier_normal_(one.weight, gain=0.02)
            else:
                nn.init.normal_(one.weight, 0.0, 0.02)
            if one.bias is not None:
                nn.init.zeros_(one.bias)


def count_parameters(module: nn.Module) -> int:
    """Trained parameters."""
    return sum(one.numel() for one in module.parameters())


def to_meta(module: nn.Module) -> nn.Module:
    """`module` without values, for shapes only."""
    return module.to(torch.device("meta"))


def _normed(layer: nn.Module) -> list[nn.Module]:
    return [layer, InstanceNorm(), nn.ReLU(inplace=True)]
