"""Fashion-MNIST: 60,000 training and 10,000 test images of 28 x 28 grey pixels in ten balanced classes (MIT licence).

Looked for in the folders of HWLOOP_DATA, where Debian's package `dataset-fashion-mnist` puts it, and in the cache;
else that package is fetched by apt, which needs no root, and unpacked into the cache. A balanced subset of 2,000 and
1,000 images is part of this package (`SMALL`; each class drawn by numpy's default_rng(0), in order of their numbers).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np

from models.data.idx import find_idx, read_idx
from models.data.images import GREY_MEAN, GREY_STD, DataPair, MemoryImages, memory_images
from sim.errors import InputError
from sim.files import cache_root

NAME, SMALL = "fashion-mnist", "fashion-mnist-small"
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SYSTEM = Path("/usr/share/datasets/fashion-mnist")
PACKAGE = "dataset-fashion-mnist"
_STEMS = tuple(f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
_FULL = {"train": 60_000, "t10k": 10_000}


def load(fetch: bool = True) -> DataPair:
    """The complete set, fetched where it is nowhere. Raises InputError: offline, or not the set it should be."""
    folder = locate()
    if folder is None:
        if not fetch:
            raise InputError(f"no Fashion-MNIST here{_ADVICE}")
        folder = fetch_package()
    pair = load_folder(folder, NAME)
    for part, rows in ((pair.train, _FULL["train"]), (pair.test, _FULL["t10k"])):
        counts = np.bincount(part.labels.numpy(), minlength=len(CLASSES))
        if len(part) != rows or set(counts) != {rows // len(CLASSES)}:
            raise InputError(f"{str(folder)!r} is not the complete Fashion-MNIST: {len(part):,} images, not {rows:,}")
    mean = float(np.mean(read_idx(_file(folder, _STEMS[0])))) / 255
    if abs(mean - GREY_MEAN) > 0.0005:
        raise InputError(f"{str(folder)!r} is not Fashion-MNIST: mean pixel {mean:.4f}, not {GREY_MEAN:.4f}")
    return pair


def load_small() -> DataPair:
    """The subset that ships with this package."""
    with_files = files("models.data") / "fashion_mnist_small"
    return load_folder(Path(str(with_files)), SMALL)


def load_folder(folder: Path, name: str) -> DataPair:
    """The two parts in a folder of four IDX files. Raises InputError: a file is missing or does not fit."""
    return DataPair(name, _part(folder, "train"), _part(folder, "t10k"))


def is_here(folder: Path) -> bool:
    """Whether all four files are in `folder`."""
    return all(find_idx(folder, stem) is not None for stem in _STEMS)


def locate() -> Path | None:
    """The first folder that holds the four files, or None."""
    named = [Path(one) for one in os.environ.get("HWLOOP_DATA", "").split(os.pathsep) if one]
    places = [place for one in named for place in (one / NAME, one)]
    return next((place for place in (*places, SYSTEM, _cached()) if is_here(place)), None)


_ADVICE = (
    f"; put its four idx.gz files in a folder {NAME!r} of HWLOOP_DATA, install the Debian package {PACKAGE!r}, "
    f"or use --data {SMALL}"
)


def fetch_package() -> Path:
    """Fetch and unpack Debian's package into the cache, and say where. Raises InputError: no apt, offline, no room."""
    target = _cached()
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise InputError(f"no Fashion-MNIST here, and no apt-get to fetch it with{_ADVICE}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
            _run(["apt-get", "download", PACKAGE], scratch)
            archive = next(Path(scratch).glob("*.deb"), None)
            if archive is None:
                raise InputError(f"no Fashion-MNIST here, and apt-get fetched nothing{_ADVICE}")
            _run(["dpkg-deb", "-x", archive.name, "out"], scratch)
            if not is_here(unpacked := Path(scratch) / "out" / SYSTEM.relative_to("/")):
                raise InputError(f"{archive.name} holds no Fashion-MNIST{_ADVICE}")
            shutil.rmtree(target, ignore_errors=True)
            os.replace(unpacked, target)
    except OSError as error:
        raise InputError(f"cannot keep Fashion-MNIST in {str(target)!r}: {error.strerror or error}") from None
    return target


def _run(command: list[str], folder: str) -> None:
    try:
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=600)
    except subprocess.TimeoutExpired:
        raise InputError(f"no Fashion-MNIST here, and {command[0]} took over 10 minutes{_ADVICE}") from None
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith("E:")] or [error.stderr.strip()]
        raise InputError(f"no Fashion-MNIST here, and '{' '.join(command)}' failed: {lines[0]}{_ADVICE}") from None


def _cached() -> Path:
    return cache_root() / "data" / NAME


def _file(folder: Path, stem: str) -> Path:
    found = find_idx(folder, stem)
    if found is None:
        raise InputError(f"no file {stem}.gz in {str(folder)!r}")
    return found


def _part(folder: Path, part: str) -> MemoryImages:
    images, labels = (read_idx(_file(folder, stem)) for stem in _STEMS if stem.startswith(part))
    if images.ndim != 3 or labels.shape != images.shape[:1] or labels.max(initial=0) >= len(CLASSES):
        raise InputError(f"{str(folder)!r}: images {images.shape} and labels {labels.shape} of {part!r} do not fit")
    return memory_images(images[:, None], labels, CLASSES, (GREY_MEAN, GREY_STD))
