"""What `hwloop train lite-transformer` calls: one training run, or with `study` the whole comparison of two kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from models.lite_transformer.config import Config, DataTable, read_config
from models.lite_transformer.study import TASKS, run_study
from models.lite_transformer.train import train as train_one
from sim.errors import ConfigError, nearest
from sim.settings import parse_setting

Progress = Callable[[str, int, int], None]
_SOURCES: tuple[str, ...] = get_args(DataTable.model_fields["source"].annotation)
_STUDY = "mini"
_SEED = "training.seed"
_SUPERNET = "mini-supernet"


def train(
    config: str,
    out: Path,
    *,
    data: str | None = None,
    seed: int = 0,
    settings: Sequence[str] = (),
    resume: bool = False,
    study: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The record of one run (``mini-supernet``: of a supernet), or of the study (whose runs go on by themselves).

    data: ``ddtp``, ``gettext``, ``generated``, or two parallel files ``SOURCE,TARGET`` (one file: a language model).
    settings: ``key=value`` texts. Raises ConfigError and InputError.
    """
    changed = dict(parse_setting(Config, text) for text in settings) | _data(data)
    if _SEED in changed:
        raise ConfigError(f"--set {_SEED}={changed[_SEED]}: the seed is an option; nearest: --seed {changed[_SEED]}")
    if study:
        return run_study(out, _tasks(config), changed, progress) | {"history": []}
    settled = read_config(config, changed | {_SEED: seed})
    if config == _SUPERNET:
        from models.lite_transformer.supernet_training import train_supernet

        return train_supernet(settled, out, resume=resume, progress=progress)
    return train_one(settled, out, resume, progress)


def _tasks(config: str) -> dict[str, int]:
    """``mini``: all tasks; ``mini-lite-translation`` and the like: that one."""
    if config == _STUDY:
        return dict(TASKS)
    for task, seeds in TASKS.items():
        if config in (f"{_STUDY}-{task}", f"{_STUDY}-lite-{task}", f"{_STUDY}-transformer-{task}"):
            return {task: seeds}
    choices = [_STUDY, *(f"{_STUDY}-{task}" for task in TASKS)]
    raise ConfigError(f"no study {config!r}; one of {', '.join(choices)}{nearest(config, choices)}")


def _data(data: str | None) -> dict[str, str]:
    if data is None:
        return {}
    if data in _SOURCES and data != "files":
        return {"data.source": data}
    source, comma, target = data.partition(",")
    if not comma:
        source, target = "", data
    return {"data.source": "files", "data.source_file": source, "data.target_file": target}
