"""90 % intervals by cross-conformal prediction, normalised by a predicted scale, in groups where there are enough.

From predictions of networks that were left out of their fit come scores: log(measured / predicted) / scale. Their 5 %
and 95 % quantiles (with the finite-sample correction) bound what is to be expected of the next network. The scale is
learned from |log error| where there are enough networks (each score by a scale that has not seen its row), else 1.

A scale has one shape of error for all networks. Where there are at least 2 x 400 of them, a shallow tree over the same
features parts them as far as that lowers the pinball loss of both bounds, and each leaf has its own two quantiles
(Mondrian conformal prediction, Vovk et al. 2005; here the groups are chosen by the scores that they bound, which costs
a little of the guarantee: on nested splits the coverage stayed at 0.90). No group knows the name of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.mobile_cost.boosting import Trees
from sim.mobile_cost.residual import COLUMNS, Recipe, Residual, fit_residual

Array = np.ndarray[Any, np.dtype[Any]]

COVERAGE = 0.9
_ENOUGH = 300
_FOLDS = 4
_SCALE = Recipe(depth=2, rate=0.1, fewest=25, count=60)
_GROUP = 400
_GROUP_DEPTH = 4
_CUTS = 12


@dataclass(frozen=True)
class Interval:
    """low, high: bounds of the score (log error / scale). scale: trees for log(scale), None for 1.

    lower, upper: one tree each whose leaves hold the bounds of their group; None for `low` and `high` everywhere.
    """

    low: float
    high: float
    scale: Residual | None = None
    lower: Residual | None = None
    upper: Residual | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Features that it reads."""
        parts = [part for part in (self.scale, self.lower, self.upper) if part is not None]
        return tuple(dict.fromkeys(name for part in parts for name in part.columns))

    def widths(self, values: Array, columns: Sequence[str], trust: Array) -> tuple[Array, Array]:
        """log of the lower and the upper bound over the prediction; twice as wide where nothing is trusted.

        values: (networks, columns) features, `columns` among them those of the interval.
        """

        def of(part: Residual | None) -> Array | None:
            return None if part is None else part.value(values[:, [columns.index(name) for name in part.columns]])

        scale, lower, upper = of(self.scale), of(self.lower), of(self.upper)
        wider = (1.0 if scale is None else np.exp(scale)) * (2.0 - trust)
        return (
            np.minimum((self.low if lower is None else lower) * wider, 0.0),
            np.maximum((self.high if upper is None else upper) * wider, 0.0),
        )


def conformal(errors: Array, values: Array, seed: int) -> Interval:
    """The interval from `errors`, log(measured / predicted) of rows left out, and their features.

    values: (rows, COLUMNS) as the fitted model sees the rows. Features of the fits without them would not do: shares
    of time differ from fit to fit, and trees would tell those apart.
    """
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
    return Interval(low, high, scale, *grouped(scores, values))


def grouped(scores: Array, values: Array) -> tuple[Residual | None, Residual | None]:
    """Lower and upper bound of `scores` (rows) in groups by `values` (rows, COLUMNS); None where one group is best."""
    if len(scores) < 2 * _GROUP:
        return None, None
    nodes = 2 ** (_GROUP_DEPTH + 1) - 1
    feature, threshold = np.full((1, nodes), -1, np.int32), np.zeros((1, nodes))
    bounds = np.zeros((2, nodes))
    cuts = _cuts(values)
    members = {0: np.arange(len(scores))}
    for node in range(nodes):
        if node not in members:
            continue
        rows = members.pop(node)
        found = _best_cut(scores[rows], values[rows], cuts) if 2 * node + 2 < nodes else None
        if found is None:
            bounds[:, node] = quantiles(scores[rows])
            continue
        feature[0, node], threshold[0, node] = found
        above = values[rows, found[0]] > found[1]
        members[2 * node + 1], members[2 * node + 2] = rows[~above], rows[above]
    if feature[0, 0] < 0:
        return None, None
    used = np.unique(feature[feature >= 0])
    places_of = np.where(feature >= 0, np.searchsorted(used, feature), -1).astype(np.int32)
    names = tuple(COLUMNS[place] for place in used)
    smallest, largest = values[:, used].min(axis=0), values[:, used].max(axis=0)
    leaves = np.flatnonzero(bounds.any(axis=0))
    lower, upper = (
        Residual(
            names,
            smallest,
            largest,
            Trees(places_of, threshold, bound[None, :], 0.0),
            (float(bound[leaves].min()), float(bound[leaves].max())),
        )
        for bound in bounds
    )
    return lower, upper


def _cuts(values: Array) -> list[tuple[int, float]]:
    """Columns and thresholds to try: between distinct values, so that rounding a threshold moves no row across it."""
    found = []
    for place in np.flatnonzero(np.ptp(values, axis=0) > 1e-5 * (np.abs(values).max(axis=0) + 1e-9)):
        distinct = np.unique(values[:, place])
        wanted = np.unique(np.quantile(values[:, place], np.linspace(0, 1, _CUTS + 2)[1:-1], method="lower"))
        after = np.searchsorted(distinct, wanted, side="right")
        inner = after < len(distinct)
        found += [(int(place), float(one)) for one in (wanted[inner] + distinct[after[inner]]) / 2.0]
    return found


def _best_cut(scores: Array, values: Array, cuts: Sequence[tuple[int, float]]) -> tuple[int, float] | None:
    """The cut into two large enough groups whose own bounds lower the pinball loss most."""
    least, best = _pinball(scores), None
    for place, threshold in cuts:
        above = values[:, place] > threshold
        count = int(np.count_nonzero(above))
        if min(count, len(scores) - count) < _GROUP:
            continue
        loss = _pinball(scores[above]) + _pinball(scores[~above])
        if loss < least:
            least, best = loss, (place, threshold)
    return best


def _pinball(scores: Array) -> float:
    """Summed loss of the two quantiles of `scores`, each at its level."""
    tail = (1.0 - COVERAGE) / 2.0
    low, high = np.quantile(scores, [tail, 1.0 - tail])
    under, over = scores - low, scores - high
    return float(
        np.maximum(tail * under, (tail - 1.0) * under).sum() + np.maximum((1.0 - tail) * over, -tail * over).sum()
    )


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
    return [COLUMNS.index(name) for name in scale.columns]
