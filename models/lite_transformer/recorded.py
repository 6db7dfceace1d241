"""Finished runs read back and checked, and the commands that make them again.

A study is finished when its record and those of all its runs are there and agree; runs are of one study when they were
trained on the same text and differ from the shipped configurations in the same settings.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.lite_transformer.config import Config, read_config
from models.lite_transformer.data import Text
from models.lite_transformer.study import KINDS, TASKS
from models.lite_transformer.supernet_training import SCHEMA as SUPERNET_SCHEMA
from models.lite_transformer.train import RECORD
from sim.errors import ConfigError, InputError
from sim.settings import setting_names

STUDY = "study.json"
_STUDY_SCHEMA, _RUN_SCHEMA = "hwloop.text-study/1", "hwloop.train-text/1"
_TASK, _SUPERNET = "translation", "mini-supernet"
_HINT = "hwloop train lite-transformer --config mini --study --out DIR"


class StudyRun:
    """A finished study: its record, and records and configurations of its runs by their names. Raises InputError."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.study = _read(self.folder / STUDY, _STUDY_SCHEMA, _HINT)
        self.records: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, Config] = {}
        try:
            self.tasks = {row["task"]: int(row["seeds"]) for row in self.study["tasks"]}
            for row in self.study["tasks"]:
                for kind in KINDS:
                    for seed in range(row["seeds"]):
                        self._add(f"{row['task']}-{kind}-{seed}", row[kind]["test"][seed])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{self.folder / STUDY} is no record of a finished study: {error!r}") from None
        if _TASK not in self.tasks:
            raise InputError(f"{self.folder / STUDY} has no translation; nearest: {_HINT}")
        self._require_one_text()
        self.changes = _changes({name: _base(name) for name in self.configs}, self.configs)

    def _add(self, name: str, test: Mapping[str, Any]) -> None:
        folder = self.folder / name
        record = _read(folder / RECORD, _RUN_SCHEMA, _HINT)
        config = read_run_config(folder)
        if record["config"] != config.model_dump(mode="json") or record["test"] != test:
            raise InputError(f"{folder} is of another run than {STUDY} beside it; nearest: run the study again")
        self.records[name], self.configs[name] = record, config

    def _require_one_text(self) -> None:
        for task in self.tasks:
            digests = {one["text"]["digest"] for name, one in self.records.items() if name.startswith(f"{task}-")}
            if len(digests) > 1:
                raise InputError(f"runs of {task} in {self.folder} were trained on different texts")

    @property
    def config(self) -> Config:
        """Of the first Lite Transformer that translates."""
        return self.configs[self.candidates()[0]]

    @property
    def cpu_s(self) -> float:
        """Processor time of all training."""
        return float(sum(one["train_cpu_s"] for one in self.records.values()))

    def candidates(self) -> list[str]:
        """Runs of Lite Transformers that translate, a seed each."""
        return [f"{_TASK}-{KINDS[0]}-{seed}" for seed in range(self.tasks[_TASK])]

    def seed_of(self, name: str) -> int:
        """The seed of a run."""
        return self.configs[name].training.seed

    def require_text(self, text: Text) -> None:
        """Raises InputError where `text` is not what the runs were trained on."""
        if text.digest != self.records[self.candidates()[0]]["text"]["digest"]:
            raise InputError(f"{self.folder} was trained on other text than is here now; nearest: train it again")

    def commands(self) -> list[str]:
        """What makes the study again. Raises InputError where nothing does."""
        if any(TASKS.get(task) != seeds for task, seeds in self.tasks.items()):
            raise InputError(f"no command makes a study of {self.tasks}; nearest: {TASKS}")
        if len(self.tasks) in (1, len(TASKS)):
            name = "mini" if len(self.tasks) > 1 else f"mini-{_TASK}"
            return [_words(f"--config {name} --study", self.changes, "STUDY")]
        if self.changes:
            raise InputError(f"no command makes a study of {', '.join(self.tasks)} with other settings")
        return [" ".join(["python -m models.lite_transformer.study STUDY", *(f"--task {one}" for one in self.tasks)])]


def supernet_record(folder: Path) -> dict[str, Any]:
    """``train.json`` of a supernet. Raises InputError: not finished, of another kind."""
    hint = f"hwloop train lite-transformer --config {_SUPERNET} --out DIR"
    record = _read(folder / RECORD, SUPERNET_SCHEMA, hint)
    if not {"config", "space", "text", "params", "networks", "history", "train_cpu_s"} <= set(record):
        raise InputError(f"{folder / RECORD} is no record of a finished supernet; nearest: {hint}")
    return record


def supernet_commands(config: Config, predictor: Mapping[str, Any]) -> list[str]:
    """What makes supernet and predictor again. Raises InputError where nothing does."""
    seed = config.training.seed
    base = read_config(_SUPERNET, {"training.seed": seed})
    changes = _changes({_SUPERNET: base}, {_SUPERNET: config})
    fit = f"python -m models.lite_transformer.predictor SUPERNET --samples {predictor['samples']}"
    return [
        _words(f"--config {_SUPERNET} --seed {seed}", changes, "SUPERNET"),
        f"{fit} --seed {predictor['seed']}",
    ]


def read_run_config(folder: Path) -> Config:
    """``config.json`` of a run. Raises InputError."""
    try:
        return Config.model_validate_json((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{folder} has no config.json of a training run; nearest: {_HINT}") from None


def _read(path: Path, schema: str, hint: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}: not finished; nearest: {hint}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise InputError(f"{path} is no {schema} record; nearest: {hint}")
    return found


def _base(name: str) -> Config:
    """The shipped configuration of a run of the study."""
    task_kind, _, seed = name.rpartition("-")
    task, _, kind = task_kind.rpartition("-")
    try:
        return read_config(f"mini-{kind}-{task}", {"training.seed": int(seed)})
    except (ConfigError, ValueError):
        raise InputError(f"no shipped configuration of a run {name!r}") from None


def _changes(bases: Mapping[str, Config], configs: Mapping[str, Config]) -> dict[str, Any]:
    """The settings in which all of `configs` differ from `bases`. Raises InputError where they differ in others."""
    told = {name: _told(one) for name, one in configs.items()}
    found: dict[str, Any] = {}
    for name, base in bases.items():
        before = _told(base)
        found |= {key: value for key, value in told[name].items() if value != before[key]}
    for key, value in found.items():
        other = next((name for name, one in told.items() if one[key] != value), None)
        if other is not None:
            raise InputError(f"the runs are of different studies: {key} = {told[other][key]} in {other}, else {value}")
    return found


def _told(config: Config) -> dict[str, Any]:
    tree = config.model_dump(mode="json")
    places = [(name, name.rpartition(".")) for name in setting_names(Config)]
    return {name: (tree[table] if table else tree)[leaf] for name, (table, _, leaf) in places}


def _words(what: str, changes: Mapping[str, Any], out: str) -> str:
    sets = [f"--set {shlex.quote(f'{key}={json.dumps(value)}')}" for key, value in changes.items()]
    return " ".join(["hwloop train lite-transformer", what, *sets, f"--out {out}"])
