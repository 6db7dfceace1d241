"""Settings of a compression: TOML of the same names, each checked and bounded. Shipped ones are in ``configs``.

Weights of the losses are the published ones for the task they are nearest to; widths and steps are for 64 x 64 pixels
and two cores. One step is one batch; the learning rate falls to zero, linearly, over the decay steps.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field

from models.gan.family import Channels, ResNetFamily, SpadeFamily, uniform
from models.gan.images import Images
from models.gan.space import ChannelSpace
from sim.errors import ConfigError, nearest
from sim.settings import Table, load_config, parse_setting, whole

SHIPPED = ("line-to-colour", "line-to-colour-full", "labels-to-colour", "style", "test", "test-labels", "test-unpaired")


class Data(Table):
    """source: a name or folder of `models.gan.data`. aligned, labels and count are for folders, maps and stand-ins."""

    source: str = "openmoji"
    side: int = whole(64, 16, 1024, "pixels of a side")
    aligned: bool = True
    labels: int = whole(16, 2, 256, "labels of a map")
    count: int = whole(200, 50, 100_000, "generated images")
    flip: bool = True


class Teacher(Table):
    """The generator that is compressed. width: ngf. separable: the mobile form, which the full pipeline needs."""

    width: int = whole(32, 1, 512, "ngf")
    batch: int = whole(0, 0, 1_000_000, "images a step; 0: as many as for students")
    separable: bool = False
    steps: int = whole(1_000, 0, 10_000_000, "at the full learning rate")
    decay_steps: int = whole(1_000, 0, 10_000_000, "while it falls to zero")


class Student(Table):
    """The supernet. choices: numbers that each position of the channel configuration may take."""

    choices: list[int] = Field(default=[24, 16, 12, 8], min_length=1)
    distill_steps: int = whole(0, 0, 10_000_000, "of pre-distillation, in the full pipeline")
    steps: int = whole(1_000, 0, 10_000_000, "at the full learning rate")
    decay_steps: int = whole(1_000, 0, 10_000_000, "while it falls to zero")
    finetune_steps: int = whole(500, 0, 10_000_000, "at the full learning rate")
    finetune_decay_steps: int = whole(500, 0, 10_000_000, "while it falls to zero")


class Discriminator(Table):
    """PatchGAN; with more than one scale the multi-scale one with spectral norm.

    start: what those of students with a teacher begin as; the full pipeline hands the teacher's along in any case.
    """

    width: int = whole(32, 1, 512, "ndf")
    layers: int = whole(3, 1, 6, "convolutions with stride 2")
    scales: int = whole(1, 1, 4, "sizes of the image that are looked at")
    start: Literal["fresh", "teacher"] = "fresh"


class Losses(Table):
    """Weights. features: between the discriminator's; cycle and identity: of an unpaired teacher.

    target: what the reconstruction of a student with a teacher aims at where images come in pairs; where they do not,
    it is the teacher's image.
    """

    mode: Literal["hinge", "lsgan"] = "hinge"
    reconstruction_kind: Literal["l1", "l2", "smooth-l1"] = "l1"
    target: Literal["truth", "teacher"] = "truth"
    gan: float = Field(default=1.0, ge=0, le=1000)
    reconstruction: float = Field(default=100.0, ge=0, le=1000)
    distillation: float = Field(default=1.0, ge=0, le=1000)
    features: float = Field(default=0.0, ge=0, le=1000)
    cycle: float = Field(default=10.0, ge=0, le=1000)
    identity: float = Field(default=0.5, ge=0, le=1000)


class Optimizer(Table):
    """Adam. two_rates: the generator at half, the discriminator at twice the rate, one after the other (SPADE)."""

    lr: float = Field(default=2e-4, gt=0, le=1)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    two_rates: bool = False


class Run(Table):
    """How it runs. calibration_images: training images that batch norms take their statistics from."""

    threads: int = whole(0, 0, 1024, "CPU threads; 0: all")
    checkpoint_every_s: float = Field(default=60.0, ge=0, le=86_400)
    calibration_images: int = whole(512, 1, 1_000_000, "for batch norms")
    teacher_memory_mb: int = whole(3_072, 0, 1_000_000, "for what the teacher makes of training images")


class Study(Table):
    """The recorded study: how far to compress, and what the compressed generator is compared with.

    ratio: the teacher's MACs over the most that a compressed generator may have. randoms: random configurations at the
    same MACs. half: a teacher of half the width too, to see whether the teacher is too fat to prove anything.
    """

    ratio: float = Field(default=8.0, ge=1, le=1000)
    seeds: int = whole(3, 1, 100, "students of each kind")
    randoms: int = whole(10, 0, 1000, "random configurations")
    half: bool = True
    population: int = whole(24, 4, 10_000, "of the search")
    generations: int = whole(5, 0, 100_000, "of the search")
    measure: Literal["kid", "frechet", "psnr_db", "ssim", "l1"] = "kid"
    extractor: Literal["openmoji-groups", "random"] = "openmoji-groups"
    extractor_steps: int = whole(900, 1, 1_000_000, "of the feature extractor")
    replicates: int = whole(200, 10, 100_000, "of a bootstrap")
    workers: int = whole(2, 1, 64, "processes of one thread each")


class TrainConfig(Table):
    """All settings. pipeline: `fast` (supernet from scratch) or `full` (prune and distil first)."""

    pipeline: Literal["fast", "full"] = "fast"
    batch: int = whole(8, 1, 4096, "images a step")
    blocks: int = whole(9, 3, 30, "residual blocks, a multiple of 3")
    data: Data = Data()
    teacher: Teacher = Teacher()
    student: Student = Student()
    discriminator: Discriminator = Discriminator()
    losses: Losses = Losses()
    optimizer: Optimizer = Optimizer()
    run: Run = Run()
    study: Study = Study()


def read_config(name: str, settings: tuple[str, ...] = ()) -> TrainConfig:
    """A shipped configuration (`SHIPPED`) or a TOML file, changed by ``key=value`` texts. Raises ConfigError."""
    path = Path(str(files("models.gan") / "configs" / f"{name}.toml")) if name in SHIPPED else Path(name)
    if not path.is_file():
        raise ConfigError(
            f"no configuration {name!r}: one of {', '.join(SHIPPED)}, or a .toml file{nearest(name, SHIPPED)}"
        )
    config = load_config(TrainConfig(), path, dict(parse_setting(TrainConfig, text) for text in settings))
    if config.blocks % 3:
        raise ConfigError(f"blocks = {config.blocks}: not a multiple of 3; nearest: {max(3, config.blocks // 3 * 3)}")
    if config.pipeline == "full" and not config.teacher.separable:
        raise ConfigError("pipeline = 'full' prunes a mobile teacher; nearest: teacher.separable = true")
    if min(config.student.choices) < 1:
        raise ConfigError(f"student.choices = {config.student.choices}: channels are at least 1")
    if config.pipeline == "full" and max(config.student.choices) > config.teacher.width:
        raise ConfigError(
            f"student.choices: {max(config.student.choices)} is wider than the teacher; nearest: {config.teacher.width}"
        )
    return config


def student_family(config: TrainConfig, images: Images) -> ResNetFamily | SpadeFamily:
    """The mobile generators that a student may be."""
    choices = tuple(sorted(set(config.student.choices), reverse=True))
    return _family(config, images, (choices,) * 8, separable=True, name=f"gan-{images.name}")


def teacher_family(config: TrainConfig, images: Images) -> tuple[ResNetFamily | SpadeFamily, Channels]:
    """The family that has the teacher as its only member, and its channels."""
    channels = uniform(config.teacher.width)
    choices = tuple((number,) for number in channels)
    return _family(config, images, choices, separable=config.teacher.separable, name="teacher"), channels


def _family(
    config: TrainConfig, images: Images, choices: tuple[Channels, ...], *, separable: bool, name: str
) -> ResNetFamily | SpadeFamily:
    size = (images.side, images.side)
    if not images.labels:
        return ResNetFamily(ChannelSpace(name, "resnet", choices), size, separable, config.blocks)
    return SpadeFamily(ChannelSpace(name, "spade", choices), size, separable, images.labels, more=False)
