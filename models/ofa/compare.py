"""Winners of the search against what needs no search, by measured test accuracy under the same budgets.

Rivals: uniform scaling, one kernel, expansion, depth and resolution for the whole network, the best that keeps the
budget (chosen by accuracy on held-out training images; what the test images themselves would have chosen stands beside
it), and random networks that keep it. Finalist: of the winner and the next of its front by prediction, ten in all,
the one that is best on held-out images, which is how uniform scaling is chosen too. All have the weights of the
supernet and batch norm statistics of their own.
Accuracies are kept in a cache: a comparison that was killed computes none twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from models.ofa.architecture import Architecture, Population
from models.ofa.evaluate import Batches, Evaluator, canonical
from models.ofa.search import OFASpace
from models.ofa.trained import Images, Trained, load_supernet, open_images
from models.ofa.winners import finalists_of
from models.search.breed import Asked, feasible_sample
from models.search.run import search
from models.search.study import Row, Study, plan
from sim.cache import ResultCache
from sim.execution import run_tasks

SCHEMA = "hwloop.ofa-comparison/1"
SEEDS, RANDOM, FINALISTS = 3, 20, 10
_CHUNK = 5
Progress = Callable[[str, int, int], None]
Scored = dict[Architecture, float]


@dataclass(frozen=True)
class Job:
    """Architectures to be scored on a part ("test" or "held") of the images, as a process is told of it."""

    supernet: str
    space: str
    data: str | None
    part: str
    cache: str
    archs: tuple[Architecture, ...]


def compare(
    study: Study[Population],
    supernet: Path,
    *,
    cache: Path,
    data: str | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """One row for each device and budget of `study`; searches with its seed and the two after it.

    Raises InputError, ConfigError as `load_supernet` and `open_images`, InfeasibleError where no budget can be reached.
    """
    trained = load_supernet(supernet, study.space.name)
    images = open_images(trained, data)
    rows = [row for row in plan(study) if row.anchor is not None]
    rivals = [_candidates(study, row) for row in rows]
    finalists = [itertools.chain.from_iterable(one["finalists"]) for one in rivals]
    measured = _unique(trained, itertools.chain(*(one["uniform"] for one in rivals), *finalists))
    others = _unique(trained, itertools.chain.from_iterable([*one["winners"], *one["random"]] for one in rivals))
    job = Job(str(supernet), study.space.name, data, "held", str(cache), ())
    held = _score(replace(job, archs=tuple(measured)), workers, "scoring held-out images", progress)
    everything = tuple(dict.fromkeys([*measured, *others]))
    test = _score(replace(job, part="test", archs=everything), workers, "scoring test images", progress)
    return {
        "schema": SCHEMA,
        "space": study.space.name,
        "seeds": [study.seed + place for place in range(SEEDS)],
        "queries": study.settings.queries,
        "random_networks": RANDOM,
        "supernet_sha256": trained.weights_sha256,
        "predictor": study.objective.record(),
        "data": images.record(trained) | {"held_images": len(images.held.rows)},
        "rows": [_row(study, row, one, trained, held, test) for row, one in zip(rows, rivals, strict=True)],
    }


def _candidates(study: Study[Population], row: Row[Population]) -> dict[str, Any]:
    """Winners and random networks of each seed, and all uniform networks that keep the budget."""
    space = study.space
    assert isinstance(space, OFASpace)
    assert row.anchor is not None
    found: dict[str, Any] = {"winners": [], "finalists": [], "random": [], "predicted": []}
    for place in range(SEEDS):
        seed = study.seed + place
        one = search(row.problem, study.method, study.settings, seed=seed, prepared=(row.reach, row.anchor))
        best = one["best"]
        found["winners"].append(Architecture.of(best["arch"]))
        found["finalists"].append([Architecture.of(entry["arch"]) for entry in finalists_of(one, FINALISTS)])
        found["predicted"].append(best["predicted"]["accuracy"])
        rng = np.random.default_rng([seed, 0x9A4D])
        drawn, _, _ = feasible_sample(row.problem, RANDOM, row.anchor, rng, Asked())
        found["random"] += [drawn[number] for number in range(RANDOM)]
    known = space.space
    choices = itertools.product(known.kernels, known.expansions, known.depths, known.resolutions)
    every = Population.of([known.uniform(*choice) for choice in choices])
    keeps = row.problem.meets(row.problem.values(every))
    found["uniform"] = [every[int(number)] for number in np.flatnonzero(keeps)]
    return found


def _row(
    study: Study[Population], row: Row[Population], rivals: dict[str, Any], trained: Trained, held: Scored, test: Scored
) -> dict[str, Any]:
    def described(arch: Architecture) -> dict[str, Any]:
        latency = float(row.problem.values(Population.of([arch]))[0, 0])
        return {"arch": arch.record(), "latency_s": latency, "test_accuracy": test[canonical(trained.space, arch)]}

    uniform = [canonical(trained.space, arch) for arch in rivals["uniform"]]
    chosen = max(uniform, key=lambda arch: held[arch], default=None)
    hindsight = max(uniform, key=lambda arch: test[arch], default=None)
    drawn = [test[canonical(trained.space, arch)] for arch in rivals["random"]]
    seeds = []
    for place, (winner, predicted) in enumerate(zip(rivals["winners"], rivals["predicted"], strict=True)):
        mine = drawn[place * RANDOM : (place + 1) * RANDOM]
        spread = {"median": median(mine), "lowest": min(mine), "highest": max(mine)}
        entry = {"seed": study.seed + place, "winner": described(winner) | {"predicted_accuracy": predicted}}
        among = [canonical(trained.space, arch) for arch in rivals["finalists"][place]]
        last = max(among, key=lambda arch: held[arch])
        entry["finalist"] = described(last) | {"held_accuracy": held[last]}
        seeds.append(entry | {"random": spread})
    return {
        "device": " + ".join(row.devices),
        "budget": row.budget,
        "limit": [float(one) for one in row.problem.limits],
        "seeds": seeds,
        "uniform_networks": len(uniform),
        "uniform": described(chosen) | {"held_accuracy": held[chosen]} if chosen else None,
        "uniform_best_on_test": described(hindsight) if hindsight else None,
    }


def _unique(trained: Trained, archs: Iterable[Architecture]) -> list[Architecture]:
    return list(dict.fromkeys(canonical(trained.space, arch) for arch in archs))


def _score(job: Job, workers: int, stage: str, progress: Progress | None) -> Scored:
    archs = job.archs
    jobs = [replace(job, archs=archs[start : start + _CHUNK]) for start in range(0, len(archs), _CHUNK)]
    found: Scored = {}
    for place, values in run_tasks(score_here, jobs, workers=workers):
        found.update(zip(jobs[place].archs, values, strict=True))
        if progress is not None:
            progress(stage, len(found), len(archs))
    return found


_opened: dict[tuple[str, str, str | None], tuple[Trained, Images]] = {}


def score_here(job: Job) -> Sequence[float]:
    """What a process does with a job."""
    torch.set_num_threads(1)
    key = (job.supernet, job.space, job.data)
    if key not in _opened:  # a process scores many chunks of one supernet
        trained = load_supernet(Path(job.supernet), job.space)
        _opened[key] = trained, open_images(trained, job.data)
    trained, images = _opened[key]
    scored: Batches = getattr(images, job.part)
    return Evaluator(trained.net, trained.space, images.calibration, scored).accuracies(
        job.archs, ResultCache(Path(job.cache))
    )
