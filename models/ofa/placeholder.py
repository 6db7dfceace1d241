"""A stand-in for an accuracy predictor, for tests and for trying the search: it knows nothing of any accuracy.

It is trained, like a real one, on a formula: a saturating function of how many multiply-accumulates a network has, with
a random preference for each choice. Its label is "placeholder", and every result that used it says so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.ofa.architecture import Population
from models.ofa.predictor import RELEASED_RESOLUTIONS, AccuracyPredictor, Array
from models.ofa.predictor_training import Recipe, train
from models.ofa.space import Space

NOTE = "trained on a formula, not on accuracies: for tests and for trying the search"


def placeholder(space: Space, *, seed: int = 0, samples: int = 2000, recipe: Recipe | None = None) -> AccuracyPredictor:
    """A predictor of made-up accuracies of `space`; with the mbv3 spaces it has the released layout of 128 inputs."""
    if space.name.startswith("mbv3"):
        space = replace(space, resolutions=RELEASED_RESOLUTIONS)
    population = space.sample(samples, np.random.default_rng(seed))
    recipe = recipe or Recipe(members=1, steps=600)
    made_up = formula(space, population, seed)
    return train(space, population, made_up, recipe, seed=seed, label="placeholder", note=NOTE)


def formula(space: Space, population: Population, seed: int = 0) -> Array:
    """Made-up accuracies: 0.6 to 0.8, growing with every choice, each with a weight of its own."""
    rng = np.random.default_rng(seed + 1)
    active = space.active(population)
    weights = rng.uniform(0.3, 1.0, (4, active.shape[1]))
    kernel = np.log(population.ks / space.kernels[0]) * weights[0]
    expansion = np.log(population.e / space.expansions[0]) * weights[1]
    blocks = (active * (0.4 * weights[2] + 0.4 * kernel + 0.8 * expansion)).sum(axis=1) / active.shape[1]
    side = np.log(population.r / space.resolutions[0]) / np.log(space.resolutions[-1] / space.resolutions[0])
    made_up: Array = 0.8 - 0.2 * np.exp(-1.5 * blocks - 0.8 * side)
    return made_up
