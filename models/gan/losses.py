"""Losses of conditional GANs and of their compression.

    total = gan * GAN + reconstruction * Recon + distillation * Distill  (+ features * FeatureMatch)

Where images come in pairs, the target of the reconstruction is the true image; where they do not, it is what the
frozen teacher makes of the input, so that both cases train alike. What the discriminator takes for real is a true
image in both. Source: Li et al., CVPR 2020. NOT here: the loss on VGG features, whose weights no package carries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sim.errors import ConfigError, nearest

RECONSTRUCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": functional.l1_loss,
    "l2": functional.mse_loss,
    "smooth-l1": functional.smooth_l1_loss,
}


def scores(output: Any) -> list[Tensor]:
    """The scores in what a discriminator gives: one tensor a scale."""
    return [scale[-1] for scale in _scales(output)]


def discriminator_loss(mode: str, fake: Any, real: Any) -> Tensor:
    """Half the sum over both kinds of images, mean over scales. mode: `hinge` or `lsgan`."""
    pairs = list(zip(scores(fake), scores(real), strict=True))
    if mode == "hinge":
        found = [functional.relu(1 + one).mean() + functional.relu(1 - other).mean() for one, other in pairs]
    elif mode == "lsgan":
        found = [one.square().mean() + (other - 1).square().mean() for one, other in pairs]
    else:
        raise ConfigError(f"no GAN loss {mode!r}{nearest(mode, ('hinge', 'lsgan'))}")
    return torch.stack(found).mean() / 2


def generator_loss(mode: str, fake: Any) -> Tensor:
    """What the generator wants of the scores of its images, mean over scales."""
    if mode == "hinge":
        return torch.stack([-one.mean() for one in scores(fake)]).mean()
    if mode == "lsgan":
        return torch.stack([(one - 1).square().mean() for one in scores(fake)]).mean()
    raise ConfigError(f"no GAN loss {mode!r}{nearest(mode, ('hinge', 'lsgan'))}")


def feature_matching(fake: Any, real: Any) -> Tensor:
    """L1 between the features of all layers but the last, over the number of scales."""
    fakes, reals = _scales(fake), _scales(real)
    parts = [
        functional.l1_loss(one, other.detach())
        for scale, truth in zip(fakes, reals, strict=True)
        for one, other in zip(scale[:-1], truth[:-1], strict=True)
    ]
    return torch.stack(parts).sum() / len(fakes)


def reconstruction(kind: str, image: Tensor, target: Tensor) -> Tensor:
    """Distance of `image` from `target`. Raises ConfigError for an unknown kind."""
    if kind not in RECONSTRUCTIONS:
        raise ConfigError(f"no reconstruction loss {kind!r}{nearest(kind, RECONSTRUCTIONS)}")
    return RECONSTRUCTIONS[kind](image, target)


def _scales(output: Any) -> Sequence[Sequence[Tensor]]:
    """Features by scale and layer, whatever discriminator gave them."""
    return [output] if isinstance(output[0], Tensor) else output
