"""Discriminators: PatchGAN, and several of them on an image pyramid.

A PatchGAN scores overlapping patches: 4 x 4 convolutions, the width doubling up to eight times the first. Each call
gives the outputs of all layers, the scores last, since feature matching wants the others.
Sources: Isola et al., CVPR 2017 (70 x 70 patches: 3 layers with stride 2); Park et al., CVPR 2019 (two scales,
spectral norm). NOT from their sources: the padding of the multi-scale form, which is 1 here as in the single one.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional

from models.gan.modules import InstanceNorm, initialise


class PatchDiscriminator(nn.Module):
    """Images (N, channels, H, W) to the features of every layer; the last are scores (N, 1, h, w).

    layers: convolutions with stride 2. spectral: spectral norm on all convolutions but the last.
    """

    def __init__(self, channels: int, width: int = 64, layers: int = 3, *, spectral: bool = False) -> None:
        super().__init__()

        def conv(before: int, after: int, stride: int) -> nn.Module:
            layer = nn.Conv2d(before, after, 4, stride, 1)
            return nn.utils.parametrizations.spectral_norm(layer) if spectral else layer

        widths = [width * min(2**layer, 8) for layer in range(layers + 1)]
        stages = [nn.Sequential(conv(channels, widths[0], 2), nn.LeakyReLU(0.2, inplace=True))]
        for layer, (before, after) in enumerate(itertools.pairwise(widths), start=1):
            stride = 1 if layer == layers else 2
            stages.append(nn.Sequential(conv(before, after, stride), InstanceNorm(), nn.LeakyReLU(0.2, inplace=True)))
        stages.append(nn.Sequential(nn.Conv2d(widths[-1], 1, 4, 1, 1)))
        self.stages = nn.ModuleList(stages)
        initialise(self, xavier=spectral)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class MultiScaleDiscriminator(nn.Module):
    """PatchGANs on the image and on images of half the side each. Gives a list of features for each scale."""

    def __init__(self, channels: int, width: int = 64, layers: int = 3, scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(channels, width, layers, spectral=True) for _ in range(scales))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        found = []
        for scale, one in enumerate(self.scales):
            if scale:
                x = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            found.append(one(x))
        return found
