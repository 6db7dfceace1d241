"""A batch of bytes as the network gets it: shifted, flipped, coloured, partly erased, scaled to a side, normalised.

All is done on whole tensors, with draws from one generator, so a batch follows from its seed. Resolution is elastic:
the same images come at any side, by bilinear interpolation (with low-pass filter where the side shrinks).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.data.images import ImageSet


@dataclass(frozen=True)
class Augmentation:
    """shift: most pixels to each side; flip: mirror half of the images; erase: share of images with a patch erased.

    brightness, saturation: most relative change (TensorFlow's ImageNet recipe: 32/255 and 0.5).
    """

    shift: int = 0
    flip: bool = False
    erase: float = 0.0
    brightness: float = 0.0
    saturation: float = 0.0


def training_batch(data: ImageSet, rows: Tensor, side: int, how: Augmentation, rng: torch.Generator) -> Tensor:
    """Images `rows`, augmented by draws of `rng`: float32 (n x channels x side x side), channels last in memory."""
    images = _shift(data.pixels(rows, rng), how.shift, rng)
    if how.flip:
        mirrored = torch.rand(len(rows), 1, 1, 1, generator=rng) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    return finish(data, _erase(_colour(images.float() / 255, how, rng), how.erase, rng, data.mean), side)


def plain_batch(data: ImageSet, rows: Tensor, side: int) -> Tensor:
    """Images `rows` as they are: float32 (n x channels x side x side), channels last in memory."""
    return finish(data, data.pixels(rows).float() / 255, side)


def finish(data: ImageSet, images: Tensor, side: int) -> Tensor:
    """Scale to `side` and normalise."""
    if images.shape[-2:] != (side, side):
        smaller = side < min(images.shape[-2:])
        images = functional.interpolate(images, size=(side, side), mode="bilinear", antialias=smaller)
    shape = (1, data.channels, 1, 1)
    images = (images - torch.tensor(data.mean).view(shape)) / torch.tensor(data.std).view(shape)
    return images.contiguous(memory_format=torch.channels_last)


def _shift(images: Tensor, most: int, rng: torch.Generator) -> Tensor:
    """Each image moved by up to `most` pixels in both directions, zeros coming in."""
    if most == 0:
        return images
    count, _, height, width = images.shape
    padded = functional.pad(images, (most,) * 4)
    offset = torch.randint(0, 2 * most + 1, (2, count, 1, 1), generator=rng)
    rows = offset[0] + torch.arange(height).view(1, -1, 1)
    columns = offset[1] + torch.arange(width).view(1, 1, -1)
    moved = padded.permute(0, 2, 3, 1)[torch.arange(count).view(-1, 1, 1), rows, columns]
    return moved.permute(0, 3, 1, 2)


def _colour(images: Tensor, how: Augmentation, rng: torch.Generator) -> Tensor:
    shape = (len(images), 1, 1, 1)
    if how.saturation and images.shape[1] == 3:
        strength = 1 + how.saturation * (2 * torch.rand(shape, generator=rng) - 1)
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * strength
    if how.brightness:
        images = images + how.brightness * (2 * torch.rand(shape, generator=rng) - 1)
    return images.clamp(0, 1) if how.saturation or how.brightness else images


def _erase(images: Tensor, share: float, rng: torch.Generator, mean: tuple[float, ...]) -> Tensor:
    """In a `share` of the images, a rectangle of 1/8 to 1/2 of each side becomes the mean colour."""
    if share == 0:
        return images
    count, channels, height, width = images.shape
    inside = torch.rand(count, 1, 1, 1, generator=rng) < share
    for axis, size in ((2, height), (3, width)):
        shape = [1, 1, 1, 1]
        shape[axis] = size
        length = size * (0.125 + 0.375 * torch.rand(count, 1, 1, 1, generator=rng))
        begin = (size - length) * torch.rand(count, 1, 1, 1, generator=rng)
        place = torch.arange(size).view(shape)
        inside = inside & (place >= begin) & (place < begin + length)
    return torch.where(inside, torch.tensor(mean).view(1, channels, 1, 1), images)
