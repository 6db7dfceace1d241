"""Images to translate: what comes in, what should come out, and which of them are for training, search and test.

Images are bytes (n, side, side, 3), label maps bytes (n, side, side). In a paired set row i of the inputs belongs to
row i of the targets; in an unpaired one the two are two collections. The search part is held out of training, since a
search that scores on what the supernet was trained on would choose by memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.data.folder import SUFFIXES
from sim.errors import InputError

Array = np.ndarray[Any, np.dtype[np.uint8]]
PARTS = ("train", "search", "test")
TEST_PERCENT, SEARCH_PERCENT = 25, 9


@dataclass(frozen=True)
class Part:
    """names: of the inputs. Targets have names of their own in an unpaired set."""

    inputs: Array
    targets: Array
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Images:
    """labels: 0 where the inputs are images, else how many labels a map has. origin: where from, in a line."""

    name: str
    train: Part
    search: Part
    test: Part
    aligned: bool = True
    labels: int = 0
    origin: str = ""
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(repr((self.aligned, self.labels)).encode())
        for part in (self.train, self.search, self.test):
            for array in (part.inputs, part.targets):
                digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).data)
        object.__setattr__(self, "sha256", digest.hexdigest())

    @classmethod
    def of(
        cls, name: str, parts: dict[str, Part], *, aligned: bool = True, labels: int = 0, origin: str = ""
    ) -> Images:
        """From parts by name."""
        return cls(name, parts["train"], parts["search"], parts["test"], aligned, labels, origin)

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return int(self.train.targets.shape[1])

    @property
    def channels(self) -> int:
        """Of the tensor that a generator takes."""
        return self.labels or 3

    def inputs(self, array: Array) -> Tensor:
        """As a generator takes them: float32 (n, channels, side, side), images in [-1, 1], labels one-hot."""
        if not self.labels:
            return pixels(array)
        hot = functional.one_hot(torch.from_numpy(array.astype(np.int64)), self.labels)
        return hot.permute(0, 3, 1, 2).float()

    def batch(self, size: int, seed: int, step: int, *, flip: bool = True) -> tuple[Tensor, Tensor]:
        """Training inputs and targets of one step: they follow from `seed` and `step`, whatever ran before."""
        part = self.train
        rows, mirrored = self._drawn(size, seed, step, flip)
        others = rows if self.aligned else _rows(len(part.targets), size, seed, step, 1)
        given = _mirror(part.inputs[rows], mirrored[0])
        wanted = _mirror(part.targets[others], mirrored[0 if self.aligned else 1])
        return self.inputs(given), pixels(wanted)

    def keys(self, size: int, seed: int, step: int, *, flip: bool = True) -> list[int]:
        """Names of the inputs of that `batch`: a training image has two, its own and that of its mirror image."""
        rows, mirrored = self._drawn(size, seed, step, flip)
        return [2 * int(row) + int(turned) for row, turned in zip(rows, mirrored[0], strict=True)]

    def _drawn(self, size: int, seed: int, step: int, flip: bool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        mirrored = np.random.default_rng((seed, step, 2)).random((2, size)) < (0.5 if flip else 0.0)
        return _rows(len(self.train.inputs), size, seed, step, 0), mirrored


def pixels(array: Array) -> Tensor:
    """Bytes (n, side, side, 3) to float32 (n, 3, side, side) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(array)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def to_bytes(images: Tensor) -> Array:
    """[-1, 1] back to bytes (n, side, side, 3)."""
    scaled = images.detach().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).cpu().numpy()


def part_of(key: str) -> str:
    """`train`, `search` or `test`, by the hash of `key`: the same wherever it stands and whatever else there is."""
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 100
    return "test" if place < TEST_PERCENT else "search" if place < TEST_PERCENT + SEARCH_PERCENT else "train"


def divide(names: list[str], keys: list[str], inputs: Array, targets: Array) -> dict[str, Part]:
    """Pairs by part; those of one key stay together. Raises InputError where a part would be empty."""
    where = np.array([part_of(key) for key in keys])
    found = {}
    for one in PARTS:
        rows = np.flatnonzero(where == one)
        if not len(rows):
            raise InputError(f"{len(names)} images are too few: none falls into the part {one!r}; nearest: 50")
        found[one] = Part(inputs[rows], targets[rows], tuple(names[row] for row in rows))
    return found


def unpaired(inputs: dict[str, Part], targets: dict[str, Part]) -> dict[str, Part]:
    """Parts of two collections of their own, told apart by the names of their `inputs`."""
    return {one: Part(inputs[one].inputs, targets[one].inputs, inputs[one].names) for one in PARTS}


def read_folder(folder: str | Path, side: int, *, aligned: bool = True) -> Images:
    """Images below ``input`` and ``target`` of `folder`, which in a paired set have the same names and sizes.

    Raises InputError: no such folder, no images, a name without its partner, sizes that differ, a damaged file.
    """
    root = Path(folder).expanduser()
    sides = {name: _files(root / name) for name in ("input", "target")}
    if aligned:
        _require_pairs(root, sides["input"], sides["target"])
    arrays = {what: np.stack([_read(path, side) for path in files.values()]) for what, files in sides.items()}
    names = list(sides["input"])
    if aligned:
        parts = divide(names, names, arrays["input"], arrays["target"])
    else:
        others = list(sides["target"])
        parts = unpaired(
            divide(names, names, arrays["input"], arrays["input"]),
            divide(others, others, arrays["target"], arrays["target"]),
        )
    return Images.of(root.name, parts, aligned=aligned, origin=f"folder of {len(names)} images")


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"no folder {str(folder)!r}; images are expected in 'input' and 'target'")
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}
    if not found:
        raise InputError(f"no image in {str(folder)!r}; nearest: .png, .jpg")
    return found


def _require_pairs(root: Path, inputs: dict[str, Path], targets: dict[str, Path]) -> None:
    from PIL import Image, UnidentifiedImageError

    alone = sorted(set(inputs) ^ set(targets))
    if alone:
        where, other = ("input", "target") if alone[0] in inputs else ("target", "input")
        raise InputError(
            f"{str(root)!r}: {len(alone)} images have no partner, the first {alone[0]!r} is in {where!r} and not in "
            f"{other!r}; unpaired images need aligned = false"
        )
    for name, path in inputs.items():
        try:
            with Image.open(path) as one, Image.open(targets[name]) as other_one:
                sizes = one.size, other_one.size
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(f"cannot read the pair {name!r} in {str(root)!r}: {error}") from None
        if sizes[0] != sizes[1]:
            raise InputError(f"{str(root)!r}: the pair {name!r} is {sizes[0]} and {sizes[1]} pixels: no pair")


def _read(path: Path, side: int) -> Array:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC), np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"cannot read image {str(path)!r}: {error}") from None


def _rows(count: int, size: int, seed: int, step: int, stream: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of one step: passes over all images in an order of their own each."""
    places = np.arange(step * size, (step + 1) * size)
    orders = {
        turn: np.random.default_rng((seed, int(turn), stream, 7)).permutation(count) for turn in set(places // count)
    }
    return np.array([orders[place // count][place % count] for place in places], np.int64)


def _mirror(images: Array, which: np.ndarray[Any, np.dtype[np.bool_]]) -> Array:
    images = images.copy()
    images[which] = images[which, :, ::-1]
    return images
