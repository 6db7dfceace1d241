"""From a trained supernet to what a search starts with: the accuracy predictor, and the supernet with its origin.

The predictor learns from networks that are scored on held-out training images (`models.ofa.scored`) and is judged on
others, scored for nothing else. At the very end both ends of the space are scored on the test images. Both files say
the commands, the seed, and the hashes of the data and of the training's curves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.ofa import train_state
from models.ofa.architecture import Population
from models.ofa.evaluate import Evaluator
from models.ofa.predictor_training import Recipe, judged
from models.ofa.predictor_training import train as fit
from models.ofa.scored import Scored, score_networks
from models.ofa.train_config import SHIPPED, TrainConfig, read_config
from models.ofa.train_runs import RECORD
from models.ofa.trained import Trained, load_supernet, open_images
from sim.errors import ConfigError, InputError
from sim.files import write_text
from sim.settings import load_config, parse_setting

SCHEMA = "hwloop.ofa-predictor/1"
RECIPE = Recipe(members=5, hidden=200, steps=600)
_STUDY_SUPERNET = "supernet"
_COUNTS = ("study.pairs", "study.unseen", "study.workers")
_UNTOLD = ("study", "data.source", "run.checkpoint_every_s")
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
    """Make the predictor of the supernet that `hwloop train ofa` left in the folder `config`; write all into `out`.

    Files are named ``<space>_predictor.safetensors``, ``<space>_supernet.safetensors`` and ``<space>_curves.json``.
    data: the images of its training, where they are not found by name. settings: ``study.pairs``, ``study.unseen`` and
    ``study.workers`` alone. What was scored before is not scored again. Gives the record, with the error
    on unseen networks. Raises InputError where `config` holds no finished training, ConfigError for options that only
    training a supernet has.
    """
    for option, given in (("--resume", resume), ("--study", study)):
        if given:
            raise ConfigError(f"{option} says nothing to ofa-predictor; nearest: --config RUN_DIR --out DIR --seed 0")
    folder = _run_folder(Path(config))
    curves = _curves(folder)
    tensors, note = train_state.load_tensors(folder / train_state.WEIGHTS)
    trained = load_supernet(folder / train_state.WEIGHTS, str(note.get("space")))
    chosen = _with_counts(trained.config, settings)
    known, unseen = _scored(folder / train_state.WEIGHTS, trained, chosen, data, seed, progress)
    made_by = {
        "command": command(trained.config, trained.seed),
        "curves": f"{trained.space.name}_curves.json",
        "curves_sha256": hashlib.sha256(curves).hexdigest(),
    }
    words = f"{made_by['command']}; data sha256 {trained.data_sha256}; curves {made_by['curves_sha256']}"
    population, truth = _arrays(known)
    predictor = fit(trained.space, population, truth, recipe, seed=seed, note=words, progress=progress)
    predictor = judged(predictor, *_arrays(unseen))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {str(out)!r}: {error.strerror or error}") from None
    files = [out / f"{trained.space.name}_{name}" for name in ("predictor.safetensors", "supernet.safetensors")]
    predictor.save(files[0])
    train_state.save_tensors(files[1], tensors, note | made_by)
    write_text(out / made_by["curves"], curves.decode())
    return {
        "schema": SCHEMA,
        "space": trained.space.name,
        "seed": seed,
        "made_by": made_by,
        "data": trained.data_sha256,
        "known": len(known.archs),
        "unseen": dict(predictor.origin.unseen),
        "ends": ends(trained, data),
        "files": {one.name: one.stat().st_size for one in files},
    }


def ends(trained: Trained, data: str | None = None) -> dict[str, Any]:
    """{largest, smallest, test_images, data}: accuracies of both ends of the space on the test images."""
    images = open_images(trained, data)
    scored = Evaluator(trained.net, trained.space, images.calibration, images.test)
    found = {name: scored.accuracy(getattr(trained.space, name)) for name in ("largest", "smallest")}
    return {**found, "test_images": len(images.test.rows), "data": images.data.name}


def command(config: TrainConfig, seed: int) -> str:
    """The commands that make the files again: what differs from the shipped configuration is given by ``--set``."""
    base = config.space if config.space in SHIPPED else "paper"
    told, shipped = (
        dict(_leaves(config.model_dump(mode="json"))),
        dict(_leaves(read_config(base).model_dump(mode="json"))),
    )
    changes = [f"--set {key}={json.dumps(value)}" for key, value in told.items() if value != shipped[key]]
    words = " ".join(["hwloop train ofa --config", base, *changes, f"--seed {seed} --out RUN"])
    return f"{words}; hwloop train ofa-predictor --config RUN --out DIR"


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = prefix + key
        if name in _UNTOLD:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _run_folder(folder: Path) -> Path:
    """Where the supernet's run is: the folder, or that of a study's supernet in it."""
    for one in (folder, folder / _STUDY_SUPERNET):
        if (one / train_state.WEIGHTS).is_file():
            return one
    raise InputError(
        f"{str(folder)!r} holds no finished training: it has no {train_state.WEIGHTS}; nearest: hwloop train ofa "
        f"--config mini --out {folder}"
    )


def _curves(folder: Path) -> bytes:
    try:
        text = (folder / RECORD).read_bytes()
        json.loads(text)["history"]
    except OSError as error:
        raise InputError(
            f"cannot read {str(folder / RECORD)!r}: {error.strerror or error}; nearest: the training again, --resume"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{str(folder / RECORD)!r} is no record of a training") from None
    return text


def _with_counts(config: TrainConfig, settings: tuple[str, ...]) -> TrainConfig:
    """The configuration with settings of `_COUNTS` changed. Raises ConfigError for any other."""
    chosen = dict(parse_setting(TrainConfig, text) for text in settings)
    for key in chosen:
        if key not in _COUNTS:
            raise ConfigError(f"--set {key} says nothing to ofa-predictor; nearest: --set study.pairs=1000")
    return load_config(config, settings=chosen)


def _scored(
    weights: Path, trained: Trained, config: TrainConfig, data: str | None, seed: int, progress: Progress | None
) -> tuple[Scored, Scored]:
    chosen = config.study
    found = score_networks(
        weights,
        trained,
        chosen.pairs + chosen.unseen,
        data=data,
        seed=seed,
        workers=chosen.workers,
        progress=progress,
    )
    cut = chosen.pairs
    known = Scored(found.archs[:cut], found.accuracies[:cut])
    return known, Scored(found.archs[cut:], found.accuracies[cut:])


def _arrays(scored: Scored) -> tuple[Population, Any]:
    return Population.of(scored.archs), np.array(scored.accuracies)
