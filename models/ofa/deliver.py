"""The winner of a search becomes a network: weights of the supernet, statistics of its own, files, and measurements.

A delivered folder holds ``network.safetensors`` (a state dict), ``architecture.json`` (what `load_network` makes the
module of, how images are normalised, what was measured) and ``network.onnx``, checked with onnxruntime.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from models.data.augment import plain_batch
from models.ofa import train_state
from models.ofa.architecture import Architecture
from models.ofa.evaluate import Batches, Evaluator, canonical
from models.ofa.lowering import lower
from models.ofa.onnx_file import require_onnx, write_onnx
from models.ofa.space import space as space_of
from models.ofa.supernet import MobileNet, Supernet
from models.ofa.train import Task, Trainer
from models.ofa.train_config import LR_BATCH
from models.ofa.train_phases import Phase
from models.ofa.trained import Images, Trained, config_for
from models.search.host import Host, timed
from sim.errors import InputError
from sim.files import write_text

SCHEMA = "hwloop.network/1"
WEIGHTS, DESCRIPTION, ONNX = "network.safetensors", "architecture.json", "network.onnx"
_FINETUNE_LR = 0.005
_CHECKED_IMAGES = 32
Progress = Callable[[str, int, int], None]


def deliver(
    trained: Trained,
    images: Images,
    arch: Architecture,
    folder: Path,
    *,
    host: Host | None = None,
    finetune_epochs: float = 0.0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make the network of `arch` in `folder`; what was measured of it, as plain values.

    {accuracy, accuracy_supernet (before fine-tuning), latency_s (None without `host`), latency, data, ...}. Raises
    InputError: an architecture outside the space, a folder that cannot be written, no onnxruntime.
    """
    require_onnx()
    arch = canonical(trained.space, trained.space.validate(arch))
    _make(folder)
    plain = trained.net.export(arch)
    accuracy = before = _accuracy(trained, images, arch, plain)
    if finetune_epochs:
        plain = finetuned(trained, images, arch, plain, folder, finetune_epochs, progress)
        accuracy = _accuracy(trained, images, arch, plain)
    checked = plain_batch(images.data.test, torch.arange(min(_CHECKED_IMAGES, len(images.data.test))), arch.r)
    difference = write_onnx(plain, checked, folder / ONNX)
    measured: dict[str, Any] = {
        "accuracy": accuracy,
        "accuracy_supernet": before,
        "finetune_epochs": finetune_epochs,
        **timed(plain, (trained.space.in_channels, arch.r, arch.r), host),
        "data": images.record(trained),
        "onnx_largest_difference": difference,
    }
    record = description(trained, images, arch) | {"measured": measured}
    train_state.save_tensors(folder / WEIGHTS, plain.state_dict(), {"schema": SCHEMA, "space": trained.space.name})
    write_text(folder / DESCRIPTION, json.dumps(record, indent=1, allow_nan=False) + "\n")
    return measured | {"folder": str(folder)}


def description(trained: Trained, images: Images, arch: Architecture) -> dict[str, Any]:
    """What a user of the files needs: architecture, input, classes, sizes, where the weights are from."""
    network = lower(trained.space, arch)
    data = images.data.train
    return {
        "schema": SCHEMA,
        "space": trained.space.name,
        "arch": arch.record(),
        "input": {"shape": ["batch", trained.space.in_channels, arch.r, arch.r], "of": "pixels in 0..1, normalised"}
        | {"mean": list(data.mean), "std": list(data.std)},
        "classes": list(data.classes),
        "macs": network.macs,
        "params": network.params,
        "supernet_sha256": trained.weights_sha256,
    }


def load_network(folder: str | Path) -> MobileNet:
    """The module of a delivered folder, ready for inference. Raises InputError: missing, damaged."""
    path = Path(folder) / DESCRIPTION
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        space, arch = space_of(record["space"]), Architecture.of(record["arch"])
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{str(path)!r} describes no network: {error!r}") from None
    plain = Supernet(space).export(arch)
    tensors, _ = train_state.load_tensors(Path(folder) / WEIGHTS)
    try:
        plain.load_state_dict(tensors)
    except RuntimeError:
        raise InputError(f"{str(Path(folder) / WEIGHTS)!r} does not fit {DESCRIPTION} beside it") from None
    plain.eval()
    return plain


def finetuned(
    trained: Trained,
    images: Images,
    arch: Architecture,
    plain: MobileNet,
    folder: Path,
    epochs: float,
    progress: Progress | None = None,
) -> MobileNet:
    """`plain` trained further by itself, on training images that are not held out. A run that was killed goes on."""
    config = config_for(trained, images.data)
    run = config.run.model_copy(update={"device": "cpu", "threads": 0})
    config = config.model_copy(update={"run": run})
    space = dataclasses.replace(trained.space, resolutions=(arch.r,))
    phase = Phase("fine-tuning", space, epochs, 0.0, _FINETUNE_LR * config.batch / LR_BATCH)
    place = folder / f".finetune-{trained.weights_sha256[:12]}"
    fresh = not (place / train_state.FILE).exists()
    trainer = Trainer(Task(config, trained.space, (phase,), images.data, trained.seed, arch), place, resume=not fresh)
    if fresh:
        trainer.net.load_state_dict(plain.state_dict())
    trainer.run(progress)
    shutil.rmtree(place, ignore_errors=True)
    net: MobileNet = trainer.net
    return net


@torch.inference_mode()
def accuracy_on(network: torch.nn.Module, scored: Batches, side: int) -> float:
    """Share of the images that a finished network names right, its statistics as they are."""
    found = torch.cat([network(batch).argmax(1) for batch in scored.at(side)])
    return int((found == scored.labels).sum()) / len(found)


def _accuracy(trained: Trained, images: Images, arch: Architecture, plain: MobileNet) -> float:
    return Evaluator(plain, trained.space, images.calibration, images.test).accuracy(arch)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {str(folder)!r}: {error.strerror or error}") from None
