"""From a recorded study to what a search starts with: the accuracy predictor, and the supernet with its origin.

The predictor learns from the architectures that the study scored on held-out training images, and is judged on those
that were scored for nothing else. Both files say the command, the seed, the hash of the data and of the study's curves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.ofa import train_state
from models.ofa.architecture import Architecture, Population
from models.ofa.predictor import AccuracyPredictor
from models.ofa.predictor_training import Recipe, score
from models.ofa.predictor_training import train as fit
from models.ofa.space import Space
from models.ofa.space import space as space_of
from models.ofa.train_config import TrainConfig
from sim.errors import ConfigError, InputError
from sim.files import write_text

SCHEMA = "hwloop.ofa-predictor/1"
RECIPE = Recipe(members=5, hidden=200, steps=600)
SUPERNET, STUDY, PAIRS = "supernet.safetensors", "study.json", "pairs.json"
_COMMAND = "hwloop train ofa --config {} --study --seed {} --out STUDY; hwloop train ofa-predictor --config STUDY"
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
    recipe: Recipe = RECIPE,
) -> dict[str, Any]:
    """Train the predictor of the study in the folder `config`; write it, supernet and study into the folder `out`.

    Files are named ``<space>_predictor.safetensors``, ``<space>_supernet.safetensors`` and ``<space>_study.json``.
    Gives the record, with the error on unseen networks. Raises InputError where `config` holds no finished study or too
    few scored networks, ConfigError for options that only training a supernet has.
    """
    for option, given in (("--data", data), ("--set", settings), ("--resume", resume), ("--study", study)):
        if given:
            raise ConfigError(f"{option} says nothing to ofa-predictor; nearest: --config STUDY_DIR --out DIR --seed 0")
    folder = Path(config)
    record, pairs = _read(folder, STUDY), _read(folder, PAIRS)
    space, text = space_of(record["space"]), (folder / STUDY).read_bytes()
    tensors, note = train_state.load_tensors(folder / SUPERNET)
    known, unseen = (_pairs(space, pairs, part, folder) for part in ("known", "unseen"))
    made_by = {
        "command": _COMMAND.format(record["space"], record["seed"]),
        "curves": f"{space.name}_{STUDY}",
        "curves_sha256": hashlib.sha256(text).hexdigest(),
    }
    words = f"{made_by['command']}; data sha256 {record['data']}; curves {made_by['curves']} {made_by['curves_sha256']}"
    predictor = judged(fit(space, *known, recipe, seed=seed, note=words, progress=progress), *unseen)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {str(out)!r}: {error.strerror or error}") from None
    files = [out / f"{space.name}_{name}" for name in ("predictor.safetensors", SUPERNET, STUDY)]
    predictor.save(files[0])
    train_state.save_tensors(files[1], tensors, note | made_by | {"settings": _settings(record)})
    write_text(files[2], text.decode())
    return {
        "schema": SCHEMA,
        "space": space.name,
        "seed": seed,
        "made_by": made_by,
        "data": record["data"],
        "known": len(known[0]),
        "unseen": dict(predictor.origin.unseen),
        "files": {one.name: one.stat().st_size for one in files},
    }


def judged(predictor: AccuracyPredictor, population: Population, accuracy: Any) -> AccuracyPredictor:
    """`predictor` with its error on unseen networks in its origin; nothing else is fitted to them."""
    origin = replace(predictor.origin, unseen=score(predictor, population, accuracy))
    return AccuracyPredictor(predictor.members, origin)


def _pairs(space: Space, pairs: dict[str, Any], part: str, folder: Path) -> tuple[Population, Any]:
    try:
        archs = [space.validate(Architecture.of(one["arch"])) for one in pairs[part]]
        return Population.of(archs), np.array([float(one["accuracy"]) for one in pairs[part]])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{str(folder / PAIRS)!r} holds no scored networks {part!r}: {error!r}") from None


def _settings(record: dict[str, Any]) -> dict[str, Any]:
    """The settings of the study, checked."""
    try:
        found: dict[str, Any] = TrainConfig.model_validate(record["config"]).model_dump(mode="json")
    except (KeyError, ValueError) as error:
        raise InputError(f"the study's settings cannot be read: {str(error).splitlines()[0]}") from None
    return found


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    except FileNotFoundError:
        raise InputError(
            f"{str(folder)!r} holds no finished study: it has no {name}; nearest: hwloop train ofa --config mini "
            f"--study --out {folder}"
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {str(folder / name)!r}: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(f"{str(folder / name)!r} is damaged: {error}") from None
    raise InputError(f"{str(folder / name)!r} is no part of a study")
