"""90 % intervals by cross-conformal prediction, normalised by a predicted scale.

From predictions of networks that were left out of their fit come scores: log(measured / predicted) / scale. Their 5 %
and 95 % quantiles (with the finite-sample correction) bound what is to be expected of the next network. The scale is
learned from |log error| where there are enough networks (each score by a scale that has not seen its row), else 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.mobile_cost.residual import Recipe, Residual, fit_residual

Array = np.ndarray[Any, np.dtype[Any]]

COVERAGE = 0.9
_ENOUGH = 300
_FOLDS = 4
_SCALE = Recipe(depth=2, rate=0.1, fewest=25, count=60)


@dataclass(frozen=True)
class Interval:
    """low, high: bounds of the score (log error / scale). scale: trees for log(scale), None for 1."""

    low: float
    high: float
    scale: Residual | None = None

    def widths(self, scale_values: Array | None, rows: int, trust: Array) -> tuple[Array, Array]:
        """log of the lower and the upper bound over the prediction; twice as wide where nothing is trusted."""
        scale = np.ones(rows) if self.scale is None or scale_values is None else np.exp(self.scale.value(scale_values))
        wider = scale * (2.0 - trust)
        return np.minimum(self.low * wider, 0.0), np.maximum(self.high * wider, 0.0)


def conformal(errors: Array, values: Array, seed: int) -> Interval:
    """The interval from `errors`, log(measured / predicted) of rows left out, and their features."""
    scale: Residual | None = None
    scores = errors
    if len(errors) >= _ENOUGH:
        floor = max(0.02 * float(np.median(np.abs(errors))), 1e-6)
        target = np.log(np.maximum(np.abs(errors), floor))
        recipe = replace(_SCALE, fewest=max(_SCALE.fewest, len(errors) // 40))
        fold = np.random.default_rng(seed + 5).permutation(len(errors)) % _FOLDS
        scores = np.zeros(len(errors))
        for one in range(_FOLDS):
            part = fit_residual(values[fold != one], target[fold != one], recipe, seed)
            unseen = values[fold == one][:, column_places(part)]
            scores[fold == one] = errors[fold == one] / np.exp(part.value(unseen))
        scale = fit_residual(values, target, recipe, seed)
    low, high = quantiles(scores)
    return Interval(low, high, scale)


def quantiles(scores: Array) -> tuple[float, float]:
    """Lower and upper bound that hold `COVERAGE` of exchangeable scores, each tail alike."""
    ordered = np.sort(scores)
    lower, upper = places(len(ordered))
    return float(ordered[lower]), float(ordered[upper])


def places(count: int) -> tuple[int, int]:
    """Which of `count` ordered scores are the bounds, from 0."""
    tail = (1.0 - COVERAGE) / 2.0
    upper = min(int(np.ceil((count + 1) * (1.0 - tail))), count) - 1
    lower = max(int(np.floor((count + 1) * tail)), 1) - 1
    return lower, upper


def column_places(scale: Residual) -> list[int]:
    """Positions of the scale's columns among all features."""
    from sim.mobile_cost.residual import COLUMNS

    return [COLUMNS.index(name) for name in scale.columns]
