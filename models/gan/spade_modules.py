"""The SPADE generator (GauGAN) as torch modules, dense and mobile, of any channel configuration.

Written from the description in Park et al., CVPR 2019: a label map, resized to each stage, gives scale and shift of
parameter-free batch norms. In the mobile form the convolutions that give scale and shift are separable. Input: a
one-hot label map (N, labels, H, W); output: images in [-1, 1].
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.gan.generators import SpadeGenerator
from models.gan.modules import SeparableConv, initialise
from sim.errors import InputError

STAGES = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")
TAPS = ("head_0", "G_middle_1", "up_1")


class SpadeNorm(nn.Module):
    """Batch norm of x without parameters, times (1 + gamma), plus beta; both from the label map."""

    def __init__(self, width: int, hidden: int, semantic: int, separable: bool) -> None:
        super().__init__()

        def conv() -> nn.Module:
            return SeparableConv(hidden, width, padding=1) if separable else nn.Conv2d(hidden, width, 3, padding=1)

        self.norm = nn.BatchNorm2d(width, affine=False)
        self.shared = nn.Conv2d(semantic, hidden, 3, padding=1)
        self.gamma, self.beta = conv(), conv()

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        segments = functional.interpolate(labels, size=x.shape[2:], mode="nearest")
        hidden = functional.relu(self.shared(segments))
        return cast(Tensor, self.norm(x) * (1 + self.gamma(hidden)) + self.beta(hidden))


class SpadeBlock(nn.Module):
    """Two normed 3 x 3 convolutions and a shortcut, which is normed and projected if `learned`."""

    def __init__(
        self, before: int, middle: int, after: int, hidden: int, semantic: int, separable: bool, learned: bool
    ) -> None:
        super().__init__()
        self.learned = learned
        self.norm_0 = SpadeNorm(before, hidden, semantic, separable)
        self.conv_0 = nn.Conv2d(before, middle, 3, padding=1)
        self.norm_1 = SpadeNorm(middle, hidden, semantic, separable)
        self.conv_1 = nn.Conv2d(middle, after, 3, padding=1)
        if learned:
            self.norm_s = SpadeNorm(before, hidden, semantic, separable)
            self.conv_s = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        shortcut = self.conv_s(self.norm_s(x, labels)) if self.learned else x
        y = self.conv_0(functional.leaky_relu(self.norm_0(x, labels), 0.2))
        y = self.conv_1(functional.leaky_relu(self.norm_1(y, labels), 0.2))
        return cast(Tensor, shortcut + y)


class Spade(nn.Module):
    """The generator that `spec` describes. (N, labels, H, W), sides multiples of 64 (32 without `more`), to images.

    A shortcut is projected in the four upsampling blocks always, also where both widths happen to be the same: a
    sub-network keeps the layers of the network that it is cut from.
    """

    taps = TAPS

    def __init__(self, spec: SpadeGenerator) -> None:
        super().__init__()
        self.spec = spec
        c, before = spec.channels, 16 * spec.channels[0]
        self.fc = nn.Conv2d(spec.semantic, before, 3, padding=1)
        for name, number, times in zip(STAGES, c[1:], (16, 16, 16, 8, 4, 2, 1), strict=True):
            after = before if times == 16 else times * number
            hidden, learned = 2 * number, times < 16
            block = SpadeBlock(before, times * number, after, hidden, spec.semantic, spec.separable, learned)
            self.add_module(name, block)
            before = after
        self.conv_img = nn.Conv2d(before, 3, 3, padding=1)
        initialise(self, xavier=True)

    def forward(self, labels: Tensor) -> Tensor:
        scale = 64 if self.spec.more else 32
        if labels.ndim != 4 or labels.shape[1] != self.spec.semantic or any(one % scale for one in labels.shape[2:]):
            wanted = f"(N, {self.spec.semantic}, H, W), sides multiples of {scale}"
            raise InputError(f"a SPADE generator takes label maps {wanted}, not {tuple(labels.shape)}")
        size = [side // scale for side in labels.shape[2:]]
        if size[0] * size[1] < 2:
            raise InputError(
                f"an image of {tuple(labels.shape[2:])} leaves no two pixels to norm; nearest: {2 * scale}"
            )
        x = self.fc(functional.interpolate(labels, size=size, mode="nearest"))
        for name in STAGES:
            if name != "head_0" and (name != "G_middle_1" or self.spec.more):
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.get_submodule(name)(x, labels)
        return torch.tanh(self.conv_img(functional.leaky_relu(x, 0.2)))
