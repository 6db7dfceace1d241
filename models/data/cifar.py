"""CIFAR-10 in its binary version: records of one label byte and 3 x 32 x 32 pixel bytes, 10,000 a file.

The version "for Python" is pickled, which runs code of whoever made the file; it is refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.data.images import DataPair, MemoryImages, memory_images
from sim.errors import InputError

SIDE, CHANNELS = 32, 3
_RECORD = 1 + CHANNELS * SIDE * SIDE
_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))


def is_here(folder: Path) -> bool:
    """Whether `folder` looks like CIFAR-10, in either version."""
    return any((folder / f"{_TRAIN[0]}{suffix}").is_file() for suffix in (".bin", ""))


def load(folder: Path) -> DataPair:
    """Both parts. Raises InputError: the pickled version, a missing file, a damaged file."""
    if not (folder / f"{_TRAIN[0]}.bin").is_file():
        raise InputError(
            f"{str(folder)!r} is CIFAR-10's pickled version, which is not read since a pickle can run code; "
            "nearest: the binary version (cifar-10-binary.tar.gz)"
        )
    return DataPair("cifar10", _part(folder, _TRAIN), _part(folder, ("test_batch",)))


def _part(folder: Path, names: tuple[str, ...]) -> MemoryImages:
    records = np.concatenate([_records(folder / f"{name}.bin") for name in names])
    images = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
    return memory_images(images, records[:, 0], _NAMES)


def _records(path: Path) -> np.ndarray:
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    if raw.size == 0 or raw.size % _RECORD or raw[::_RECORD].max() >= len(_NAMES):
        raise InputError(f"{str(path)!r} is no file of CIFAR-10: {raw.size:,} bytes, not records of {_RECORD:,}")
    return raw.reshape(-1, _RECORD)
