"""The teacher that compressed generators stand beside: trained weights, or what a shipped folder keeps of it.

Both give the same: costs and measures on the test images, and what it makes of the test images that are shown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from models.gan import quality
from models.gan.extractor import FEATURES, Extractor
from models.gan.images import Array, Images, Part
from models.gan.runs import TEACHER_IMAGES, TEACHER_RECORD
from models.gan.stage import load_part
from models.gan.train import TEACHER, Compression, cost, translate
from sim.errors import InputError
from sim.files import atomic_path

SCHEMA = "hwloop.gan-teacher/1"
SHOWN = 8


class Reference(Protocol):
    """A teacher."""

    def record(self) -> dict[str, Any]:
        """{channels, macs, params, measures, recorded}; recorded: whether the measures were taken elsewhere."""
        ...

    def images(self) -> Array:
        """What it makes of `shown`: bytes (n, side, side, 3)."""
        ...


class TrainedTeacher:
    """From the weights of a run."""

    def __init__(self, work: Compression, extractor: Extractor | None) -> None:
        self._work, self._extractor = work, extractor
        family, channels = work.teacher_network()
        net: nn.Module = family.build(channels)
        self._net = work.ready(load_part(work.out / f"{TEACHER}.safetensors", "generator", net))

    def record(self) -> dict[str, Any]:
        found = measures(translate(self._work.images, self._net, self._work.images.test), self._work, self._extractor)
        return {**cost(*self._work.teacher_network()), "measures": found, "recorded": False}

    def images(self) -> Array:
        return translate(self._work.images, self._net, shown(self._work.images))


class ShippedTeacher:
    """From ``teacher.json`` and ``teacher.png``."""

    def __init__(self, folder: Path, images: Images) -> None:
        """Raises InputError where one is missing or damaged, or is of other images."""
        path = folder / TEACHER_RECORD
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self._record = {key: found[key] for key in ("channels", "macs", "params", "measures")}
            data, names = found["data"]["sha256"], tuple(found["shown"])
        except OSError as error:
            raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{str(path)!r} is no record of a teacher: {error!r}") from None
        if data != images.sha256 or names != shown(images).names:
            raise InputError(f"{str(path)!r} is of other images than those of the supernet beside it")
        self._images = read_column(folder / TEACHER_IMAGES, len(shown(images)), images.side)

    def record(self) -> dict[str, Any]:
        return {**self._record, "recorded": True}

    def images(self) -> Array:
        return self._images


def open_teacher(work: Compression, extractor: Extractor | None) -> Reference:
    """The teacher of the run in ``work.out``. Raises InputError where the folder holds none."""
    if (work.out / f"{TEACHER}.safetensors").is_file():
        return TrainedTeacher(work, extractor)
    if (work.out / TEACHER_RECORD).is_file():
        return ShippedTeacher(work.out, work.images)
    raise InputError(
        f"no teacher in {str(work.out)!r}: neither {TEACHER}.safetensors nor {TEACHER_RECORD}; nearest: hwloop train "
        f"gan --config NAME --out DIR"
    )


def measures(fake: Array, work: Compression, extractor: Extractor | None) -> dict[str, Any]:
    """Those of the test images that they allow; set distances only with an extractor and enough images."""
    images, truth = work.images, work.images.test.targets
    if extractor is not None and len(fake) >= quality.LEAST_PER_FEATURE * FEATURES:
        replicates = work.config.study.replicates
        return quality.evaluate(fake, truth, extractor, aligned=images.aligned, replicates=replicates)
    if not images.aligned:
        return {}
    pairs = (("l1", quality.l1), ("psnr_db", quality.psnr), ("ssim", quality.ssim))
    return {name: {"value": float(measure(fake, truth).mean())} for name, measure in pairs}


def shown_rows(images: Images) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Places of the test images that pages show: `SHOWN` of them, evenly."""
    return np.linspace(0, len(images.test) - 1, min(SHOWN, len(images.test))).astype(np.int64)


def shown(images: Images) -> Part:
    """The test images that pages show."""
    part, rows = images.test, shown_rows(images)
    return Part(part.inputs[rows], part.targets[rows], tuple(part.names[row] for row in rows if part.names))


def write_column(path: Path, images: Array) -> None:
    """Images (n, side, side, 3) below each other, as PNG."""
    from PIL import Image

    with atomic_path(path) as fresh:
        Image.fromarray(np.concatenate(list(images), axis=0)).save(fresh, format="PNG")


def read_column(path: Path, count: int, side: int) -> Array:
    """What `write_column` wrote. Raises InputError: missing, damaged, of another size."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as sheet:
            found = np.asarray(sheet.convert("RGB"), np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    if found.shape != (count * side, side, 3):
        raise InputError(f"{str(path)!r} is {found.shape[1]} x {found.shape[0]} pixels, not {side} x {count * side}")
    return found.reshape(count, side, side, 3)
