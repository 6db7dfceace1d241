"""Train an accuracy predictor on scored sub-networks, and say how good it is on networks that it has not seen.

Adam, weight decay, mean squared error on fractions; the output bias begins at the mean accuracy (the advice of the
authors of Once-for-All). Each member of the ensemble has its own initial weights and leaves out another part of the
networks; its errors there give the width of the interval. The same seed and data give the same bytes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.ofa.architecture import Population
from models.ofa.predictor import AccuracyPredictor, Array, Layers, Origin
from models.ofa.space import Space
from sim.errors import InputError

FEWEST = 20
COVERAGE = 0.9
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Recipe:
    """hidden: width of the three hidden layers. steps: of Adam for each member, the rate falling as a cosine."""

    members: int = 3
    hidden: int = 400
    rate: float = 1e-3
    weight_decay: float = 1e-4
    steps: int = 2000
    batch: int = 128


def train(
    space: Space,
    population: Population,
    accuracy: Array,
    recipe: Recipe | None = None,
    *,
    seed: int = 0,
    label: str = "trained",
    note: str = "",
    progress: Progress | None = None,
) -> AccuracyPredictor:
    """A predictor of `accuracy` (fractions) of the networks. Raises InputError: too few, not fractions."""
    recipe = recipe or Recipe()
    target = np.asarray(accuracy, np.float64)
    if len(population) != len(target) or len(target) < FEWEST:
        raise InputError(f"{len(target)} accuracies of {len(population)} networks; nearest: at least {FEWEST} of each")
    if not (np.isfinite(target).all() and (target >= 0).all() and (target <= 1).all()):
        wrong = target[~((target >= 0) & (target <= 1))][0]
        raise InputError(f"accuracy {wrong:g} is no fraction; nearest: per cent divided by 100")
    features = space.encode(population)
    fold = np.random.default_rng(seed).permutation(len(target)) % max(recipe.members, 4)
    members = []
    for place in range(recipe.members):
        seen = fold != place if recipe.members > 1 else np.ones(len(target), bool)
        told = None if progress is None else _told(progress, place, recipe)
        members.append(_fit(features[seen], target[seen], recipe, seed * 1000 + place, told))
    origin = Origin(space.name, space.resolutions, label, len(target), _hash(features, target), seed, note=note)
    predictor = AccuracyPredictor(members, origin)
    if recipe.members > 1:
        half_width = _half_width(predictor.each(population), target, fold)
        predictor = AccuracyPredictor(members, replace(origin, half_width=half_width))
    return predictor


def score(predictor: AccuracyPredictor, population: Population, accuracy: Array) -> dict[str, float]:
    """Error on networks: {n, rmse, std, ratio (rmse / std of the true accuracies), kendall_tau, coverage}."""
    from scipy.stats import kendalltau

    predicted = predictor.predict(population)
    low, high = predictor.interval(population)
    rmse = float(np.sqrt(np.mean((predicted - accuracy) ** 2)))
    inside = np.mean((low <= accuracy) & (accuracy <= high)) if predictor.origin.half_width else float("nan")
    found = {
        "n": float(len(accuracy)),
        "rmse": rmse,
        "std": float(np.std(accuracy)),
        "ratio": rmse / max(float(np.std(accuracy)), 1e-12),
        "kendall_tau": float(kendalltau(predicted, accuracy).statistic),
        "coverage": float(inside),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def judged(predictor: AccuracyPredictor, population: Population, accuracy: Array) -> AccuracyPredictor:
    """`predictor` with its error on unseen networks in its origin; nothing else is fitted to them."""
    origin = replace(predictor.origin, unseen=score(predictor, population, accuracy))
    return AccuracyPredictor(predictor.members, origin)


def _half_width(each: Array, target: Array, fold: Any) -> float:
    """What 90 % of the errors of members on the networks that they left out do not pass.

    It is the error of one member; the mean's is rather smaller, so the interval is rather too wide than too narrow.
    """
    errors = np.concatenate([np.abs(one - target)[fold == place] for place, one in enumerate(each)])
    place = min(int(np.ceil(COVERAGE * (len(errors) + 1))), len(errors)) - 1
    return float(np.sort(errors)[place])


def _fit(features: Any, target: Array, recipe: Recipe, seed: int, told: Callable[[int], None] | None) -> Layers:
    import torch

    generator = torch.Generator().manual_seed(seed)
    sizes = [features.shape[1], recipe.hidden, recipe.hidden, recipe.hidden, 1]
    layers = [torch.nn.Linear(before, after) for before, after in itertools.pairwise(sizes)]
    for layer in layers:
        bound = (1.0 / layer.in_features) ** 0.5
        torch.nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.constant_(layers[-1].bias, float(target.mean()))
    parts: list[torch.nn.Module] = []
    for layer in layers:
        parts += [layer, torch.nn.ReLU()]
    net = torch.nn.Sequential(*parts[:-1])
    x = torch.from_numpy(np.ascontiguousarray(features))
    y = torch.from_numpy(target.astype(np.float32))
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    for step in range(recipe.steps):
        rows = torch.randint(0, len(y), (min(recipe.batch, len(y)),), generator=generator)
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(net(x[rows])[:, 0], y[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if told is not None and step % 50 == 49:
            told(step + 1)
    return tuple((layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy()) for layer in layers)


def _told(progress: Progress, place: int, recipe: Recipe) -> Callable[[int], None]:
    return lambda step: progress("training the predictor", place * recipe.steps + step, recipe.members * recipe.steps)


def _hash(features: Any, target: Array) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(features, "<f4").tobytes())
    digest.update(np.ascontiguousarray(target, "<f8").tobytes())
    return digest.hexdigest()
