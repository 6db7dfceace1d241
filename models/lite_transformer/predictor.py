"""Validation losses of a supernet's networks, predicted: ridge regression on their choices.

A loss of the supernet takes a second, a search asks for tens of thousands. The prediction is fitted to a few hundred of
them and scored on a fifth that was left out; what it says of unseen networks goes into the record of every search.

    python -m models.lite_transformer.predictor RUN [--samples N]
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.lite_transformer.space import TextSpace
from models.search.choices import Array
from models.search.objective import Objective
from sim.cache import fingerprint
from sim.errors import InputError
from sim.files import write_text
from sim.one_line import one_line_errors

SCHEMA = "hwloop.text-predictor/1"
FILE = "predictor.json"
_PENALTY = 1.0
_LEFT_OUT = 0.2
Floats = np.ndarray[Any, np.dtype[np.float64]]
Progress = Callable[[str, int, int], None]


class PredictedLoss:
    """The objective of a predictor: minus the loss that it predicts."""

    name = "valid_loss"

    def __init__(self, space: TextSpace, record: dict[str, Any]) -> None:
        """Raises InputError where the predictor is of another space."""
        if record.get("space") != space.fingerprint:
            raise InputError(f"the predictor is of another space than {space.name!r}; nearest: fit it again")
        self.space, self._record = space, record
        self._weights = np.array(record["weights"], np.float64)
        self.fingerprint = fingerprint("text predictor", record)

    def score(self, population: Array) -> Floats:
        """Minus nats a token."""
        return np.asarray(-(self.space.encode(population) @ self._weights + self._record["intercept"]))

    def describe(self, population: Array, scores: Floats) -> list[dict[str, Any]]:
        """{valid_loss}."""
        return [{self.name: -float(score)} for score in scores]

    def record(self) -> dict[str, Any]:
        """Where it comes from and how good it is on networks that it was not fitted to."""
        known = {key: self._record[key] for key in ("samples", "seed", "unseen")}
        return {"what": self.name, "label": "predicted from a supernet", **known, "fingerprint": self.fingerprint}


def fit(
    space: TextSpace, objective: Objective[Array], samples: int = 400, seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """The record of a predictor, as `read` takes it, fitted to `samples` random networks (ten at least)."""
    if samples < 10:
        raise InputError(f"{samples} samples are too few to fit and to check; nearest: 10")
    population = space.sample(samples, np.random.default_rng(seed))
    losses = np.empty(samples)
    for place in range(samples):
        losses[place] = -objective.score(population[place : place + 1])[0]
        if progress is not None:
            progress("networks", place + 1, samples)
    features, held = space.encode(population), round(_LEFT_OUT * samples)
    weights, intercept = _ridge(features[held:], losses[held:])
    said = features[:held] @ weights + intercept
    whole, mean = _ridge(features, losses)
    return {
        "schema": SCHEMA,
        "space": space.fingerprint,
        "objective": objective.fingerprint,
        "samples": samples,
        "seed": seed,
        "unseen": {
            "networks": held,
            "spearman": round(_spearman(said, losses[:held]), 4),
            "mean_absolute_error": round(float(np.abs(said - losses[:held]).mean()), 5),
            "error_of_the_mean": round(float(np.abs(losses[held:].mean() - losses[:held]).mean()), 5),
        },
        "intercept": mean,
        "weights": whole.tolist(),
    }


def read(path: str | Path) -> dict[str, Any]:
    """The record in a file. Raises InputError: missing, damaged, of another kind."""
    try:
        record: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA or not np.isfinite(record["weights"]).all():
            raise ValueError(f"no {SCHEMA}")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no predictor of a text space: {error}") from None
    return record


def _ridge(features: Floats, values: Floats) -> tuple[Floats, float]:
    """Weights and intercept; the intercept is not held down."""
    centre, mean = features.mean(axis=0), float(values.mean())
    moved = features - centre
    weights = np.linalg.solve(moved.T @ moved + _PENALTY * np.eye(len(centre)), moved.T @ (values - mean))
    return weights, mean - float(centre @ weights)


def _spearman(one: Floats, two: Floats) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, two).statistic)


def main() -> None:
    """The command of the docstring."""
    import click

    from models.lite_transformer.search import losses
    from models.lite_transformer.supernet_training import SupernetRun

    @click.command()
    @click.argument("run")
    @click.option("--samples", type=click.IntRange(10), default=400, show_default=True)
    @click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
    def command(run: str, samples: int, seed: int) -> None:
        """Fit a predictor to the supernet in folder RUN; it goes there too. Run again to go on after a kill."""
        with one_line_errors():
            found = SupernetRun(run)
            record = fit(found.space, losses(found), samples, seed, _show)
            write_text(found.folder / FILE, json.dumps(record) + "\n")
        click.echo(json.dumps(record["unseen"]))

    def _show(stage: str, done: int, total: int) -> None:
        if done == total or done % 50 == 0:
            click.echo(f"{stage} {done} of {total}", err=True)

    command()


if __name__ == "__main__":
    main()
