"""A data set by its name or its folder."""

from __future__ import annotations

from pathlib import Path

from models.data import cifar, fashion_mnist, folder
from models.data.images import DataPair
from sim.errors import InputError, nearest

NAMES = (fashion_mnist.NAME, fashion_mnist.SMALL)


def open_data(source: str, side: int = 224, crop_scale_min: float = 0.08) -> DataPair:
    """The training and test set of `source`: a name of `NAMES`, or a folder.

    A folder holds IDX files of Fashion-MNIST's names, CIFAR-10's binary files, or images in a sub-folder for each
    class; these come out with `side` pixels. Raises InputError for what is none of it.
    """
    if source == fashion_mnist.NAME:
        return fashion_mnist.load()
    if source == fashion_mnist.SMALL:
        return fashion_mnist.load_small()
    place = Path(source).expanduser()
    if not place.is_dir():
        raise InputError(f"no data set and no folder {source!r}{nearest(source, NAMES)}")
    if fashion_mnist.is_here(place):
        return fashion_mnist.load_folder(place, place.name)
    if cifar.is_here(place):
        return cifar.load(place)
    return folder.load(place, side, crop_scale_min)
