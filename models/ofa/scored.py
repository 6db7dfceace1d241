"""What sub-networks of a trained supernet score on held-out training images: what a predictor learns from.

Networks are drawn from small to large (`Space.sample_spread`), no two the same, and scored by processes of one thread
each; every score is kept in the run's folder, so that a scoring that was killed goes on. No test image is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.ofa.architecture import Architecture
from models.ofa.evaluate import Evaluator, canonical
from models.ofa.space import Space
from models.ofa.trained import Trained, load_supernet, open_images
from sim.cache import ResultCache
from sim.errors import InputError
from sim.execution import run_tasks

Progress = Callable[[str, int, int], None]
_DRAWS = 20
_CHUNK = 25


@dataclass(frozen=True)
class Scored:
    """Networks and their accuracies in 0..1."""

    archs: list[Architecture]
    accuracies: list[float]


@dataclass(frozen=True)
class Chunk:
    """What a process scores: `archs` of the supernet in `weights`, on the images that `data` names."""

    weights: str
    space: str
    data: str | None
    archs: tuple[Architecture, ...]


def score_networks(
    weights: Path,
    trained: Trained,
    count: int,
    *,
    data: str | None = None,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> Scored:
    """`count` networks of the supernet in the file `weights`, in the order in which they were drawn.

    Raises InputError where its training images are not here: others may have been trained on.
    """
    images = open_images(trained, data)
    if images.data.sha256 != trained.data_sha256:
        raise InputError(
            f"{str(weights)!r} was trained on other images than {images.data.name}, of which none is known to be held "
            "out; nearest: --data with the training's own"
        )
    space = trained.space
    archs = distinct(space, count, np.random.default_rng([seed, 0x9A185]))
    starts = range(0, count, _CHUNK)
    chunks = [Chunk(str(weights), space.name, data, tuple(archs[start : start + _CHUNK])) for start in starts]
    found: dict[int, Sequence[float]] = {}
    for place, values in run_tasks(score_chunk, chunks, workers=min(workers, len(chunks))):
        found[place] = values
        if progress is not None:
            progress("scoring", len(found), len(chunks))
    return Scored(archs, [value for place in range(len(chunks)) for value in found[place]])


def distinct(space: Space, count: int, rng: np.random.Generator) -> list[Architecture]:
    """`count` networks from small to large (`Space.sample_spread`), no two the same. Raises InputError: too few."""
    found: dict[Architecture, None] = {}
    for _ in range(_DRAWS):
        drawn = space.sample_spread(count, rng)
        found |= {canonical(space, drawn[row]): None for row in range(count)}
        if len(found) >= count:
            return list(found)[:count]
    raise InputError(f"{count:,} different networks of {space.name}: {len(found):,} were found; nearest: fewer of them")


_evaluators: dict[tuple[str, str | None], Evaluator] = {}


def score_chunk(chunk: Chunk) -> list[float]:
    """Accuracies of a chunk, in this process."""
    torch.set_num_threads(1)
    key = (chunk.weights, chunk.data)
    if key not in _evaluators:  # a process scores many chunks of one supernet
        trained = load_supernet(Path(chunk.weights), chunk.space)
        images = open_images(trained, chunk.data)
        _evaluators[key] = Evaluator(trained.net, trained.space, images.calibration, images.held)
    cache = ResultCache(Path(chunk.weights).parent / "cache")
    return _evaluators[key].accuracies(chunk.archs, cache)
