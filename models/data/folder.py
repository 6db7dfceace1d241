"""A folder of images with a sub-folder for each class, decoded by Pillow when asked, by a few threads.

Either ``train`` and ``val`` (or ``test``) hold the classes, or the folder itself does; then every tenth image of a
class is its test part. For training each image is a random crop (share of the area and aspect ratio drawn as in
TensorFlow's and PyTorch's ImageNet recipes) resized to one side, else the central 7/8 square. The hash is of names and
file sizes: reading all of ImageNet to hash it would be too dear.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.data.images import DataPair
from sim.errors import InputError

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif"))
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PARTS = ("val", "test", "validation")
_THREADS = 8


@dataclass(frozen=True)
class FolderImages:
    """Files of one part. side: of the images that come out; crop_scale_min: least share of the area of a crop."""

    files: tuple[Path, ...]
    labels: Tensor
    classes: tuple[str, ...]
    side: int
    crop_scale_min: float
    sha256: str = ""
    channels: int = 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS), repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.files)

    def pixels(self, rows: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Images `rows` as uint8; with `rng` each a random crop. Raises InputError for one that cannot be read."""
        draws: list[Sequence[float] | None] = [None] * len(rows)
        if rng is not None:
            draws = list(torch.rand(len(rows), 4, generator=rng).tolist())
        chosen = [self.files[row] for row in rows.tolist()]
        images = list(
            self._pool.map(lambda file, draw: _decode(file, draw, self.side, self.crop_scale_min), chosen, draws)
        )
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def load(folder: Path, side: int = 224, crop_scale_min: float = 0.08) -> DataPair:
    """Both parts of a folder. Raises InputError: no classes, one class, a class without images, parts that differ."""
    train = folder / "train"
    other = next((folder / name for name in _PARTS if (folder / name).is_dir()), None)
    if train.is_dir() and other is not None:
        first, second = _classes(train), _classes(other)
        names = tuple(first)
        if names != tuple(second):
            odd = sorted(set(first) ^ set(second))[0]
            raise InputError(f"{str(train)!r} and {str(other)!r} have other classes: {odd!r} is in one of them only")
    else:
        found = _classes(folder)
        names = tuple(found)
        first = {name: [one for place, one in enumerate(files) if place % 10 != 9] for name, files in found.items()}
        second = {name: files[9::10] or files[-1:] for name, files in found.items()}
    parts = [_part(folder, names, part, side, crop_scale_min) for part in (first, second)]
    return DataPair(folder.name, parts[0], parts[1])


def _classes(folder: Path) -> dict[str, list[Path]]:
    try:
        names = sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot read {str(folder)!r}: {error.strerror or error}") from None
    found = {name: sorted(_images(folder / name)) for name in names}
    if not names:
        raise InputError(f"{str(folder)!r} has no classes: put the images of each class in a sub-folder of its name")
    if len(names) == 1:
        raise InputError(f"{str(folder)!r} has one class only, {names[0]!r}; at least two are needed")
    for name, files in found.items():
        if len(files) < 2:
            raise InputError(f"class {name!r} of {str(folder)!r} has {len(files)} images; at least two are needed")
    return found


def _images(folder: Path) -> Iterator[Path]:
    return (one for one in folder.rglob("*") if one.suffix.lower() in SUFFIXES)


def _part(
    root: Path, names: tuple[str, ...], part: dict[str, list[Path]], side: int, crop_scale_min: float
) -> FolderImages:
    files = [one for name in names for one in part[name]]
    labels = [label for label, name in enumerate(names) for _ in part[name]]
    digest = hashlib.sha256(repr((side, names)).encode())
    for one in files:
        digest.update(f"{one.relative_to(root)}\0{one.stat().st_size}\0".encode())
    return FolderImages(tuple(files), torch.tensor(labels), names, side, crop_scale_min, digest.hexdigest())


def _decode(path: Path, draw: Sequence[float] | None, side: int, scale_min: float) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise InputError(f"cannot read the image {str(path)!r}: {reason}") from None
    width, height = image.size
    if draw is None:
        edge = min(width, height) * 0.875
        box = ((width - edge) / 2, (height - edge) / 2, (width + edge) / 2, (height + edge) / 2)
    else:
        area = width * height * (scale_min + (1 - scale_min) * draw[0])
        ratio = math.exp(math.log(4 / 3) * (2 * draw[1] - 1))
        wide, high = min(math.sqrt(area * ratio), width), min(math.sqrt(area / ratio), height)
        left, top = (width - wide) * draw[2], (height - high) * draw[3]
        box = (left, top, left + wide, top + high)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))
