"""Starting a training run by the name of its configuration: what the command line and Python users call."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.data.images import DataPair
from models.data.sources import open_data
from models.ofa.space import space as space_of
from models.ofa.train import Task, Trainer
from models.ofa.train_config import TrainConfig, read_config
from models.ofa.train_phases import progressive
from sim.errors import ConfigError, InputError
from sim.files import write_text

RECORD = "record.json"
Progress = Callable[[str, int, int], None]


def train(
    config: str,
    out: Path,
    *,
    data: str | None = None,
    seed: int = 0,
    settings: tuple[str, ...] = (),
    resume: bool = False,
    study: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a supernet by progressive shrinking into the folder `out`, or make the recorded study there.

    config: a shipped name or a TOML file; data: instead of the configuration's. Gives the record of the run; the
    weights are in ``weights.safetensors`` of `out` (a study's in its folder ``supernet``), the record with its curves
    in ``record.json``. Raises ConfigError and
    InputError for what cannot be used, a folder with another run among it; the folder is then as it was.
    """
    chosen = with_source(read_config(config, settings), data)
    if chosen.study.supernet:
        _require_study(settings, study)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {str(out)!r} is a file; it must be a folder")
    if study:
        from models.ofa.train_study import make_study

        return make_study(chosen, out, seed=seed, resume=resume, progress=progress)
    trainer = Trainer(supernet_task(chosen, load(chosen), seed), out, resume=resume)
    record = trainer.run(progress)
    if trainer.group.leads:
        write_text(out / RECORD, json.dumps(record, indent=1) + "\n")
    return record


def _require_study(settings: tuple[str, ...], study: bool) -> None:
    """Raise ConfigError for what says nothing of a finished supernet: a training, and settings of one."""
    if not study:
        raise ConfigError("study.supernet is for a study; nearest: --study")
    for text in settings:
        key = text.partition("=")[0].strip()
        if not key.startswith("study."):
            raise ConfigError(f"--set {key} beside study.supernet: the settings of that supernet hold; leave it out")


def with_source(config: TrainConfig, data: str | None) -> TrainConfig:
    """The configuration with another data set."""
    return (
        config if data is None else config.model_copy(update={"data": config.data.model_copy(update={"source": data})})
    )


def load(config: TrainConfig) -> DataPair:
    """The data set of a configuration."""
    return open_data(config.data.source, config.data.side, config.data.crop_scale_min)


def supernet_task(config: TrainConfig, data: DataPair, seed: int) -> Task:
    """Progressive shrinking of the configuration's space."""
    space = space_of(config.space)
    return Task(config, space, progressive(config, space), data, seed)
