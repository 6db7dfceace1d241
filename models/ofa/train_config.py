"""Settings of a training run: TOML of the same names, each checked and bounded.

The six stages are those of the published recipe: the full network, then elastic kernel, then elastic depth in two
phases, then elastic width in two. A seventh of our own, `finish`, trains the whole space on at a rate that starts low
again; it has no passes unless it is given some. Learning rates are for 64 images a step and scale with the batch, as
published.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field

from models.data.augment import Augmentation
from models.ofa.space import SPACES
from models.ofa.space import space as space_of
from sim.errors import ConfigError, nearest
from sim.settings import Table, load_config, parse_setting, whole

LR_BATCH = 64
SHIPPED = ("mini", "mini-hour", "paper", "test")
SHIPPED_SUPERNET = "shipped"


class Stage(Table):
    """One phase: its length in passes over the training images, warm-up, learning rate, sub-networks a step.

    sandwich: the first two sub-networks of a step are the largest and the smallest of the phase (Yu and Huang,
    Universally slimmable networks, ICCV 2019); the published once-for-all recipe samples all of them.
    """

    epochs: float = Field(default=1.0, ge=0, le=10_000)
    warmup_epochs: float = Field(default=0.0, ge=0, le=1_000)
    lr: float = Field(default=0.03, gt=0, le=10, description="at 64 images a step")
    subnets: int = whole(1, 1, 64, "sub-networks whose gradients are summed in a step")
    sandwich: bool = False


class Data(Table):
    """source: a name or folder of `models.data.sources`. held_out: training images kept for scoring."""

    source: str = "fashion-mnist"
    held_out: int = whole(5_000, 1, 1_000_000, "training images that are never trained on")
    side: int = whole(224, 8, 1024, "side that the images of a folder are decoded to")
    crop_scale_min: float = Field(default=0.08, gt=0, le=1)


class Augment(Table):
    """See `models.data.augment.Augmentation`."""

    shift: int = whole(0, 0, 64, "most pixels to each side")
    flip: bool = True
    erase: float = Field(default=0.0, ge=0, le=1)
    brightness: float = Field(default=0.0, ge=0, le=1)
    saturation: float = Field(default=0.0, ge=0, le=1)

    def settings(self) -> Augmentation:
        """As the augmentation takes it."""
        return Augmentation(self.shift, self.flip, self.erase, self.brightness, self.saturation)


class Optimizer(Table):
    """SGD with Nesterov momentum; weight decay not on batch norms and biases; the losses."""

    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=3e-5, ge=0, le=1)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    distillation: float = Field(default=1.0, ge=0, le=10, description="weight of the loss against the teacher")
    dropout: float = Field(default=0.1, ge=0, lt=1)


class Evaluation(Table):
    """How accuracies are found: batch norm re-calibration, sizes."""

    calibration_images: int = whole(2_000, 2, 1_000_000, "training images of a re-calibration")
    calibration_batch: int = whole(200, 2, 10_000, "images in one of its batches")
    batch: int = whole(500, 1, 10_000, "images scored at once")
    curve_images: int = whole(1_000, 0, 1_000_000, "held-out images scored after each pass; 0: none")
    grid_images: int = whole(2_000, 0, 1_000_000, "held-out images of the validation grid of each phase; 0: none")


class Run(Table):
    """How it runs. micro_batches: parts of a batch, each with its own batch statistics; 0: one for each process."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    channels_last: bool = True
    threads: int = whole(0, 0, 1024, "CPU threads; 0: all")
    micro_batches: int = whole(0, 0, 65_536, "parts of a batch")
    checkpoint_every_s: float = Field(default=30.0, ge=0, le=86_400)


class Study(Table):
    """How many networks a predictor learns from, the processes of the study and of scoring, and whom the study judges.

    supernet: a trained one, as a file of `hwloop train` or `SHIPPED_SUPERNET`. The study then trains none of its own,
    only the architectures alone, with the settings and as many passes as that supernet had.
    """

    pairs: int = whole(1_000, 0, 1_000_000, "architectures scored for the predictor to learn from")
    unseen: int = whole(200, 0, 1_000_000, "architectures scored for it to be judged on")
    workers: int = whole(2, 1, 64, "processes of one thread each")
    supernet: str = Field(default="", description="a trained supernet to judge instead of training one")


class TrainConfig(Table):
    """All settings. batch: images of one step on all devices together."""

    space: str = "mini"
    batch: int = whole(128, 2, 1_000_000, "images a step")
    data: Data = Data()
    augment: Augment = Augment()
    optimizer: Optimizer = Optimizer()
    evaluation: Evaluation = Evaluation()
    run: Run = Run()
    study: Study = Study()
    full: Stage = Stage()
    kernel: Stage = Stage()
    depth1: Stage = Stage(subnets=2)
    depth2: Stage = Stage(subnets=2)
    width1: Stage = Stage(subnets=4)
    width2: Stage = Stage(subnets=4)
    finish: Stage = Stage(epochs=0, subnets=4)


def read_config(name: str, settings: tuple[str, ...] = ()) -> TrainConfig:
    """A shipped configuration (`SHIPPED`) or a TOML file, changed by ``key=value`` texts. Raises ConfigError."""
    path = Path(str(files("models.ofa") / "configs" / f"{name}.toml")) if name in SHIPPED else Path(name)
    if not path.is_file():
        raise ConfigError(
            f"no configuration {name!r}: one of {', '.join(SHIPPED)}, or a .toml file{nearest(name, SHIPPED)}"
        )
    chosen = dict(parse_setting(TrainConfig, text) for text in settings)
    config = load_config(TrainConfig(), path, chosen)
    if config.space not in SPACES:
        raise ConfigError(f"space = {config.space!r}: no such space{nearest(config.space, SPACES)}")
    if config.run.micro_batches and config.batch % config.run.micro_batches:
        raise ConfigError(f"batch = {config.batch}: not a multiple of run.micro_batches = {config.run.micro_batches}")
    space_of(config.space)
    return config
