"""Winners of a search over generators: weights, ONNX, images beside those of the teacher, and what was measured.

A delivered folder holds ``generator.safetensors`` (a state dict), ``generator.onnx`` (checked with onnxruntime),
``generator.json`` and ``samples.png``: rows of input, teacher's image, compressed image and, where there are pairs, the
truth. The weights are those of the supernet, or of a fine-tuning that starts from it. A run that ships has no weights
of teacher and discriminator: there the teacher's images and measures are those that it was shipped with, and nothing
can be fine-tuned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from models.gan.extractor import load_extractor
from models.gan.images import Array
from models.gan.reference import measures, open_teacher, shown, shown_rows
from models.gan.runs import run_folder
from models.gan.search import load_run
from models.gan.study import EXTRACTOR
from models.gan.train import TEACHER, cost, save_generator, translate
from models.ofa.onnx_file import require_onnx, write_onnx
from models.search import delivery
from models.search.delivery import Progress
from models.search.host import Host, timed
from sim.errors import ConfigError
from sim.files import atomic_path, write_text

SCHEMA = "hwloop.generator/1"
WEIGHTS, ONNX, DESCRIPTION, SAMPLES = "generator.safetensors", "generator.onnx", "generator.json", "samples.png"
_CHECKED = 4


class Delivery(delivery.Delivery):
    """A finished run, opened and checked before a search begins."""

    family = "gan"

    def __init__(self, space: str, supernet: str | None = None, data: str | None = None) -> None:
        """space: the folder of a run, or the name of one that ships. Raises ConfigError, InputError: no run, options
        that say nothing here."""
        require_onnx()
        for option, given in (("--supernet", supernet), ("--data", data)):
            if given is not None:
                raise ConfigError(f"{option} {given} says nothing to gan, whose run has its own; nearest: --space DIR")
        folder = run_folder(space)
        self.work, self.net = load_run(folder)
        self.extractor = load_extractor(folder / EXTRACTOR) if (folder / EXTRACTOR).is_file() else None
        self.teacher = open_teacher(self.work, self.extractor)

    def require(self, finalists: int, finetune_epochs: float) -> None:
        """Raise ConfigError for finalists, and for fine-tuning without a teacher. Epochs are of the training images."""
        super().require(finalists, finetune_epochs)
        if finetune_epochs and not (self.work.out / f"{TEACHER}.safetensors").is_file():
            raise ConfigError(
                f"--finetune-epochs {finetune_epochs:g} needs teacher and discriminator, which do not ship; nearest: "
                f"--space DIR of 'hwloop train gan --out DIR'"
            )

    def origin(self) -> dict[str, Any]:
        """The run, and its teacher."""
        supernet = {"folder": str(self.work.out), "data": self.work.images.sha256}
        return {"supernet": supernet, "teacher": self.teacher.record()}

    def make(
        self, arch: Mapping[str, Any], folder: Path, host: Host | None, epochs: float, progress: Progress | None
    ) -> dict[str, Any]:
        """The files of a delivered folder."""
        channels = tuple(arch["channels"])
        images = self.work.images
        net = self.work.ready(self._trained(channels, epochs))
        fake = translate(images, net, images.test)
        checked = images.inputs(images.test.inputs[:_CHECKED])
        measured = {
            "measures": measures(fake, self.work, self.extractor),
            "finetune_epochs": epochs,
            **timed(net, tuple(checked.shape[1:]), host),
            "data": {"name": images.name, "sha256": images.sha256, "test_images": len(images.test)},
            "onnx_largest_difference": write_onnx(net, checked, folder / ONNX),
        }
        self._draw(fake, folder / SAMPLES)
        note = {"schema": SCHEMA, **cost(self.work.family, channels)}
        save_generator(folder / WEIGHTS, net, note)
        write_text(folder / DESCRIPTION, json.dumps(note | {"measured": measured}, indent=1) + "\n")
        return measured | {"folder": str(folder), "samples": str(folder / SAMPLES)}

    def _trained(self, channels: tuple[int, ...], epochs: float) -> nn.Module:
        if not epochs:
            return self.net.export(channels)
        steps = max(1, round(epochs * len(self.work.images.train) / self.work.config.batch))
        name = f"finetuned-{'-'.join(map(str, channels))}-{steps}"
        return self.work.student(name, channels, steps - steps // 2, steps // 2, start=self.net)

    def _draw(self, fake: Array, path: Path) -> None:
        """Some test images, a row each: input, teacher, compressed and the truth where there is one."""
        from PIL import Image

        images = self.work.images
        some = shown(images)
        columns = [_seen(some.inputs, images.labels), self.teacher.images(), fake[shown_rows(images)]]
        if images.aligned:
            columns.append(some.targets)
        sheet = np.concatenate([np.concatenate(list(column), axis=0) for column in columns], axis=1)
        with atomic_path(path) as fresh:
            Image.fromarray(sheet).save(fresh, format="PNG")


def _seen(inputs: Array, labels: int) -> Array:
    """Inputs as colours: label maps get shades of grey."""
    if not labels:
        return inputs
    grey: Array = (inputs.astype(np.int64) * 255 // max(labels - 1, 1)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3)
