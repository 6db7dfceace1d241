"""A trained supernet from its file, and the images that its sub-networks are re-calibrated with and scored on.

The file says its space, the seed that chose the held-out images, and the settings of its training. Without the data
that it was trained on, the small set that ships with this package stands in, and every figure says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from models.data import fashion_mnist
from models.data.images import DataPair, hold_out
from models.data.sources import open_data
from models.ofa import train_state
from models.ofa.evaluate import Batches, weights_sha256
from models.ofa.space import Space
from models.ofa.space import space as space_of
from models.ofa.supernet import Supernet
from models.ofa.train import calibration, require_fit
from models.ofa.train_config import TrainConfig, read_config
from sim.errors import ConfigError, InputError

SHIPPED = {"mini": "mini_supernet.safetensors"}
"""Spaces whose supernet comes with the package."""
_FULL_CONFIG = "paper"


@dataclass(frozen=True)
class Trained:
    """config: of the training, or the shipped one for the space; seed: of the training; data_sha256: of its data."""

    net: Supernet
    config: TrainConfig
    seed: int
    data_sha256: str

    @property
    def space(self) -> Space:
        """Space of the supernet."""
        return self.net.space

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights; running statistics do not count."""
        return weights_sha256(self.net.state_dict())


@dataclass(frozen=True)
class Images:
    """calibration: training images for batch norms; held: training images that were not trained on; test: the rest."""

    data: DataPair
    calibration: Batches
    held: Batches
    test: Batches

    def record(self, trained: Trained) -> dict[str, Any]:
        """Which images, and whether the supernet was trained on this very set."""
        return {
            "name": self.data.name,
            "sha256": self.data.sha256,
            "calibration_images": len(self.calibration.rows),
            "test_images": len(self.test.rows),
            "trained_on_it": self.data.sha256 == trained.data_sha256,
        }


def shipped(space: str) -> Path:
    """The supernet that comes with the package. Raises ConfigError where none does."""
    path = Path(str(files("models.ofa") / "shipped" / SHIPPED[space])) if space in SHIPPED else None
    if path is None or not path.is_file():
        raise ConfigError(f"no supernet ships for space {space!r}; nearest: --supernet F.safetensors")
    return path


def load_supernet(path: Path, space: str) -> Trained:
    """The supernet in a file of `hwloop train`. Raises InputError: damaged, of another space, other weights."""
    tensors, note = train_state.load_tensors(path)
    found = note.get("space")
    if found != space:
        raise InputError(f"{str(path)!r} is a supernet of space {found!r}, not {space!r}; nearest: --space {found}")
    if note.get("architecture") is not None:
        raise InputError(f"{str(path)!r} holds one network that was trained alone, not a supernet")
    net = Supernet(space_of(space))
    net.load_checkpoint(tensors)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.eval()
    return Trained(net, _config(note), int(note.get("seed", 0)), str(note.get("data", "")))


def open_images(trained: Trained, source: str | None = None) -> Images:
    """The images of `source`, by default Fashion-MNIST where it is here, else the subset that ships.

    Raises InputError: no such data, or data of other channels or more classes than the space.
    """
    if source is None and trained.space.in_channels != 1:
        raise ConfigError(f"{trained.space.name} needs images to be measured with; nearest: --data FOLDER")
    name = source or (fashion_mnist.NAME if fashion_mnist.locate() is not None else fashion_mnist.SMALL)
    data = open_data(name, trained.config.data.side, trained.config.data.crop_scale_min)
    require_fit(trained.space, data)
    config = config_for(trained, data)
    size = config.evaluation.batch
    _, held = hold_out(data.train.labels, config.data.held_out, trained.seed)
    return Images(
        data,
        calibration(data, config, trained.seed),
        Batches(data.train, held, size),
        Batches(data.test, torch.arange(len(data.test)), size),
    )


def config_for(trained: Trained, data: DataPair) -> TrainConfig:
    """The settings of the supernet for other data: at most a fifth of the training images is held out."""
    few = min(trained.config.data.held_out, len(data.train) // 5)
    held = trained.config.data.model_copy(update={"held_out": few})
    return trained.config.model_copy(update={"data": held})


def _config(note: dict[str, Any]) -> TrainConfig:
    settings = note.get("settings")
    if settings is None:
        return read_config(note["space"] if note["space"] in SHIPPED else _FULL_CONFIG)
    try:
        return TrainConfig.model_validate(settings)
    except ValueError as error:
        raise InputError(f"the supernet's settings cannot be read: {str(error).splitlines()[0]}") from None
