"""The two pipelines of GAN Compression, from images to a compressed generator.

    full:  mobile teacher -> prune by magnitude and distil -> supernet -> (search) -> fine-tune -> export
    fast:  teacher -> supernet from scratch -> (search) -> fine-tune -> export

In the full pipeline the discriminator is handed along; in the fast one the supernet's starts from scratch, as in the
released scripts, or as the teacher's (`discriminator.start`), and fine-tuning goes on with it. `Compression` holds the
stages; `train` is what the command calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.gan.data import open_images
from models.gan.family import Channels, ResNetFamily, SpadeFamily
from models.gan.images import Array, Images, Part, to_bytes
from models.gan.prune import prune
from models.gan.stage import Progress, Stage, load_part, run_stage
from models.gan.supernet import Supernet, recalibrate, sample
from models.gan.train_config import TrainConfig, read_config, student_family, teacher_family
from models.gan.train_step import Cycle, Trainer, Translation, make_discriminator
from models.ofa.train_state import save_tensors
from sim.errors import InputError
from sim.files import write_text

TEACHER, DISTILLED, SUPERNET = "teacher", "distilled", "supernet"
SCHEMA = "hwloop.gan-training/1"


@dataclass
class Compression:
    """Stages of one run in the folder `out`; each is trained once and then taken from there."""

    config: TrainConfig
    images: Images
    out: Path
    seed: int = 0
    progress: Progress | None = None

    def __post_init__(self) -> None:
        self.family = student_family(self.config, self.images)
        self.records: dict[str, dict[str, Any]] = {}

    def identity(self, **more: Any) -> dict[str, Any]:
        """What the result of a stage follows from."""
        settings = self.config.model_dump(exclude={"run", "study"})
        return {"seed": self.seed, "data": self.images.sha256, "settings": settings, **more}

    def run(self, name: str, steps: int, decay_steps: int, trainer: Trainer, **more: Any) -> dict[str, Any]:
        """Train one stage, or take it. Its record is kept under its name."""
        stage = Stage(name, steps, decay_steps, self.identity(**more))
        every_s = self.config.run.checkpoint_every_s
        self.records[name] = run_stage(stage, trainer, self.out, every_s=every_s, progress=self.progress)
        return self.records[name]

    def teacher(self, name: str = TEACHER, width: int | None = None) -> nn.Module:
        """The trained teacher; with `width` another one of that ngf."""
        config = self.config
        if width is not None:
            config = config.model_copy(update={"teacher": config.teacher.model_copy(update={"width": width})})
        config = config.model_copy(update={"batch": config.teacher.batch or config.batch})
        family, channels = teacher_family(config, self.images)
        torch.manual_seed(self.seed)
        discriminator = make_discriminator(config, self.images)
        trainer: Trainer
        if self.images.aligned:
            net = family.build(channels)
            trainer = Translation(config, self.images, net, discriminator, seed=self.seed)
        else:
            trainer = Cycle(config, self.images, lambda: family.build(channels), discriminator, self.seed)
        self.run(name, config.teacher.steps, config.teacher.decay_steps, trainer, width=config.teacher.width)
        return trainer.modules["generator"].eval()

    def teacher_network(self) -> tuple[ResNetFamily | SpadeFamily, Channels]:
        """Family and channels of the teacher."""
        return teacher_family(self.config, self.images)

    def supernet(self) -> Supernet:
        """The trained supernet, after all that it needs."""
        config, student = self.config, self.config.student
        teacher = self.teacher()
        torch.manual_seed(self.seed + 1)
        net = Supernet(self.family, self._distilled(teacher) if config.pipeline == "full" else None)
        discriminator = make_discriminator(config, self.images)
        if config.pipeline == "full":
            load_part(self.out / f"{DISTILLED}.safetensors", "discriminator", discriminator)
        elif config.discriminator.start == TEACHER:
            load_part(self.out / f"{TEACHER}.safetensors", "discriminator", discriminator)
        channels_last(net.net, discriminator)
        trainer = Translation(
            config,
            self.images,
            net,
            discriminator,
            teacher=teacher,
            family=self.family,
            sampled=lambda step: sample(self.family, self.seed, step),
            seed=self.seed,
        )
        self.run(SUPERNET, student.steps, student.decay_steps, trainer)
        return net.eval()

    def _distilled(self, teacher: nn.Module) -> nn.Module:
        """The widest student: channels of the teacher by magnitude, then trained towards it."""
        config = self.config
        widest = tuple(max(one) for one in self.family.space.choices)
        student = prune(teacher, self.family, widest)
        discriminator = make_discriminator(config, self.images)
        load_part(self.out / f"{TEACHER}.safetensors", "discriminator", discriminator)
        trainer = Translation(
            config, self.images, student, discriminator, teacher=teacher, family=self.family, seed=self.seed
        )
        self.run(DISTILLED, config.student.distill_steps, 0, trainer)
        return student

    def student(
        self,
        name: str,
        channels: Channels,
        steps: int,
        decay_steps: int,
        *,
        start: Supernet | None = None,
        distil: bool = True,
        seed: int | None = None,
    ) -> nn.Module:
        """One generator, trained by itself: from the weights of a supernet (and with its discriminator), or from none.

        distil: with a teacher; else only with the losses against the images. seed: of this student alone.
        """
        chosen = self.seed if seed is None else seed
        teacher = self.teacher() if distil or not self.images.aligned else None
        torch.manual_seed(chosen + 2)
        net = start.export(channels).train() if start is not None else self.family.build(channels)
        discriminator = make_discriminator(self.config, self.images)
        if start is not None:
            load_part(self.out / f"{SUPERNET}.safetensors", "discriminator", discriminator)
        elif distil and self.config.discriminator.start == TEACHER:
            load_part(self.out / f"{TEACHER}.safetensors", "discriminator", discriminator)
        channels_last(net, discriminator)
        trainer = Translation(
            self.config,
            self.images,
            net,
            discriminator,
            teacher=teacher,
            family=self.family if distil else None,
            seed=chosen,
        )
        more = {"channels": list(channels), "distil": distil, "start": start is not None, "student_seed": chosen}
        self.run(name, steps, decay_steps, trainer, **more)
        return net.eval()

    def ready(self, net: nn.Module) -> nn.Module:
        """`net` in evaluation mode; batch norms that a supernet shared take their statistics anew."""
        if any(isinstance(one, nn.BatchNorm2d) for one in net.modules()):
            part = self.images.train
            count = min(self.config.run.calibration_images, len(part))
            size = max(self.config.batch, 2)
            starts = range(0, count - count % size or count, size)
            recalibrate(net, [self.images.inputs(part.inputs[place : place + size]) for place in starts])
        return net.eval()


def channels_last(*modules: Any) -> None:
    """Lay weights out so that convolutions of few images run about a tenth faster."""
    for one in modules:
        one.to(memory_format=torch.channels_last)


@torch.no_grad()
def translate(images: Images, net: nn.Module, part: Part, *, batch: int = 32) -> Array:
    """What a generator makes of the inputs of a part: bytes."""
    found = [to_bytes(net(images.inputs(part.inputs[row : row + batch]))) for row in range(0, len(part), batch)]
    return np.concatenate(found)


def save_generator(path: Path, net: nn.Module, note: dict[str, Any]) -> None:
    """Weights of a plain generator, with what it is."""
    save_tensors(path, net.state_dict(), note)


def train(
    config: str | TrainConfig,
    out: Path,
    *,
    data: str | None = None,
    seed: int = 0,
    settings: tuple[str, ...] = (),
    resume: bool = False,
    study: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Train teacher and supernet into the folder `out`, or make the recorded study there; the record of it.

    config: a shipped name, a TOML file or the settings themselves. A folder with a run needs `resume`. Raises
    ConfigError and InputError for what cannot be used, another run among it.
    """
    chosen = config if isinstance(config, TrainConfig) else read_config(config, settings)
    if data is not None:
        chosen = chosen.model_copy(update={"data": chosen.data.model_copy(update={"source": data})})
    prepare_folder(out, resume)
    if chosen.run.threads:
        torch.set_num_threads(chosen.run.threads)
    images = images_of(chosen)
    if study:
        from models.gan.study import make_study

        return make_study(chosen, images, out, seed=seed, progress=progress)
    work = Compression(chosen, images, out, seed, progress)
    net = work.supernet()
    record = {
        "schema": SCHEMA,
        "seed": seed,
        "config": chosen.model_dump(),
        "data": data_record(images),
        "networks": {
            "teacher": cost(*work.teacher_network()),
            "largest": cost(work.family, net.widest),
            "smallest": cost(work.family, net.narrowest),
        },
        "stages": list(work.records.values()),
        "history": [{"stage": one["name"], **point} for one in work.records.values() for point in one["curve"]],
    }
    write_text(out / "record.json", json.dumps(record, indent=1) + "\n")
    return record


def images_of(config: TrainConfig) -> Images:
    """The images of a configuration."""
    chosen = config.data
    return open_images(chosen.source, chosen.side, aligned=chosen.aligned, labels=chosen.labels, count=chosen.count)


def prepare_folder(out: Path, resume: bool) -> None:
    """Make the folder. Raises InputError where it is a file, or holds a run that is not to be resumed."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {str(out)!r} is a file; it must be a folder")
    if not resume and any(out.glob("*.safetensors")):
        raise InputError(f"{str(out)!r} holds a run; go on with it by --resume, or give another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {str(out)!r}: {error.strerror or error}") from None


def data_record(images: Images) -> dict[str, Any]:
    """What the images are, as plain values."""
    parts = {"train": len(images.train), "search": len(images.search), "test": len(images.test)}
    return {"name": images.name, "origin": images.origin, "sha256": images.sha256, "aligned": images.aligned, **parts}


def cost(family: ResNetFamily | SpadeFamily, channels: Channels) -> dict[str, Any]:
    """{channels, macs, params} of a generator, by the true rule."""
    network = family.lower(tuple(channels))
    return {"channels": list(channels), "macs": network.macs, "params": network.params}
