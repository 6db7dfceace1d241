"""A labelled set of images, as training asks for it: some of its images, by number, as bytes.

Small sets are held in memory whole. A folder of large images is decoded when asked (`models.data.folder`). Both carry a
hash of their content, which goes into every record of a run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

GREY_MEAN, GREY_STD = 0.2860, 0.3530
"""Mean and standard deviation of Fashion-MNIST's training pixels, as published and as counted."""


class ImageSet(Protocol):
    """What training and evaluation ask of a data set; mean and std are of pixels in 0..1, one a channel."""

    @property
    def labels(self) -> Tensor:
        """int64, one for each image."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in order of the labels."""

    @property
    def channels(self) -> int:
        """1 or 3."""

    @property
    def sha256(self) -> str:
        """Hash of the content."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Of each channel."""

    @property
    def std(self) -> tuple[float, ...]:
        """Of each channel."""

    def __len__(self) -> int: ...

    def pixels(self, rows: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Images `rows` as uint8 (n x channels x height x width); with `rng`, a random crop where the set makes one."""


@dataclass(frozen=True)
class MemoryImages:
    """All images in memory: images uint8 (n x channels x height x width), labels int64 (n)."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        for part in (self.images, self.labels):
            digest.update(np.ascontiguousarray(part.numpy()).data)
        object.__setattr__(self, "sha256", digest.hexdigest())

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.images.shape[1])

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, rows: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Images `rows` as uint8; nothing is random here."""
        return self.images[rows]


def memory_images(
    images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], stats: tuple[float, float] | None = None
) -> MemoryImages:
    """A set of n x channels x height x width bytes; `stats`: mean and std, counted from the images where absent."""
    if stats is None:
        scaled = images[:10_000].astype(np.float64) / 255
        mean = tuple(float(x) for x in scaled.mean((0, 2, 3)))
        std = tuple(max(float(x), 1e-3) for x in scaled.std((0, 2, 3)))
    else:
        mean, std = (stats[0],) * images.shape[1], (stats[1],) * images.shape[1]
    return MemoryImages(
        torch.from_numpy(np.array(images, np.uint8)), torch.from_numpy(labels.astype(np.int64)), classes, mean, std
    )


@dataclass(frozen=True)
class DataPair:
    """A training and a test set of the same classes."""

    name: str
    train: ImageSet
    test: ImageSet

    @property
    def sha256(self) -> str:
        """Of both parts."""
        return hashlib.sha256(f"{self.train.sha256} {self.test.sha256}".encode()).hexdigest()


def hold_out(labels: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Row numbers (kept, held out): `count` rows drawn with the same share of each class, both in rising order."""
    rng = np.random.default_rng([seed, 0x4E1D])
    values = labels.numpy()
    rows = [rng.permutation(np.flatnonzero(values == one)) for one in np.unique(values)]
    place = np.concatenate([(np.arange(len(one)) + 0.5) / len(one) for one in rows])
    order = np.concatenate(rows)[np.argsort(place, kind="stable")]
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    return torch.from_numpy(kept), torch.from_numpy(held)
