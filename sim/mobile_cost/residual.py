"""What the kernel model misses, learned: log(measured / modelled) from features of the whole network.

The features are physical and know no search space: where the modelled time goes (share of each kernel class, of each
octave of image side and of channels), launches, chain length and peak memory. The trees are kept only as far as they
help on groups that they have not seen (none, if none do). Outside the range of the fitted networks the correction
fades to nothing: the physics alone answers there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost.boosting import Trees, grow
from sim.mobile_cost.tables import split
from sim.mobile_cost.terms import CLASSES, kernel_class

if TYPE_CHECKING:
    from sim.mobile_cost.kernel_model import KernelModel
    from sim.operator import Operator
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

_CLASS_NAMES = tuple(CLASSES)
_GROUPS = ("dense", "depthwise", "other")
_OCTAVES = 8
NETWORK_COLUMNS = (
    "log_seconds",
    "launch_share",
    "kernel_launches",
    "critical_path_operators",
    "log_peak_bytes",
    "log_macs",
)
COLUMNS: tuple[str, ...] = (
    *(f"share.{name}" for name in _CLASS_NAMES),
    *(f"count.{name}" for name in _CLASS_NAMES),
    *(f"side.{group}.{octave}" for group in _GROUPS for octave in range(_OCTAVES)),
    *(f"channels.{octave}" for octave in range(_OCTAVES)),
    *NETWORK_COLUMNS,
)
"""All features, in order; a residual keeps the few that its trees use."""

_TRUST_MARGIN = 0.15
_FURTHEST = 10.0


def _octave(number: int) -> int:
    return min(max(int(number).bit_length() - 1, 0), _OCTAVES - 1)


def operator_features(operators: Sequence[Operator], seconds: Array) -> Array:
    """(operators, columns of sums): modelled seconds by class, side and channels, and counts by class."""
    width = len(COLUMNS) - len(NETWORK_COLUMNS)
    table = np.zeros((len(operators), width))
    classes = len(_CLASS_NAMES)
    for row, (op, cost) in enumerate(zip(operators, seconds, strict=True)):
        name = kernel_class(op)
        place = _CLASS_NAMES.index(name)
        table[row, place] = cost
        table[row, classes + place] = 1.0
        group = 1 if name.startswith("depthwise") else 0 if name.startswith("conv") else 2
        shape = op.output_shape
        table[row, 2 * classes + group * _OCTAVES + _octave(shape[-1])] = cost
        table[row, 2 * classes + len(_GROUPS) * _OCTAVES + _octave(shape[0] // 4)] = cost
    return table


def features(model: KernelModel, batch: WorkloadBatch, wanted: Sequence[str] = COLUMNS) -> tuple[Array, Array]:
    """(networks, wanted) features and the modelled seconds of each network."""
    places = [COLUMNS.index(name) for name in wanted]
    summed = [place for place in places if place < len(COLUMNS) - len(NETWORK_COLUMNS)]

    def by_block() -> Array:
        work, launch = model.operator_seconds(batch.operators, batch.context.batch_size)
        sums = operator_features(batch.operators, work + launch)
        return batch.by_block(np.column_stack([work, launch, sums[:, summed]]))

    kept = batch.kept(model, ("features", tuple(summed)), by_block)
    per_network = np.asarray(batch.sum_blocks(kept), float)
    seconds = model.of_sums(per_network[:, 0], per_network[:, 1])
    total = np.maximum(per_network[:, 0] + per_network[:, 1], 1e-30)
    by_name = {place: per_network[:, 2 + position] for position, place in enumerate(summed)}
    out = np.empty((len(batch), len(places)))
    for column, (place, name) in enumerate(zip(places, wanted, strict=True)):
        if place in by_name:
            counted = name.startswith("count.")
            out[:, column] = by_name[place] if counted else by_name[place] / total
        else:
            out[:, column] = _network_column(name, batch, seconds, per_network[:, 1] / total)
    return out, seconds


def _network_column(name: str, batch: WorkloadBatch, seconds: Array, launch_share: Array) -> Array:
    if name == "log_seconds":
        return np.log(np.maximum(seconds, 1e-30))
    if name == "launch_share":
        return launch_share
    if name == "log_peak_bytes":
        return np.log(np.maximum(batch.network_features["peak_activation_bytes"], 1))
    if name == "log_macs":
        return np.log(np.maximum(batch.macs, 1))
    return np.asarray(batch.network_features[name], float)


@dataclass(frozen=True)
class Recipe:
    """How trees are grown."""

    depth: int = 3
    rate: float = 0.06
    fewest: int = 8
    count: int = 40


@dataclass(frozen=True)
class Residual:
    """Trees over `columns`, clipped to the corrections seen, and the range of each column that was fitted."""

    columns: tuple[str, ...]
    low: Array
    high: Array
    trees: Trees
    clip: tuple[float, float]

    def value(self, values: Array) -> Array:
        """Prediction of each row of `values` (rows, self.columns), whole and clipped."""
        out: Array = np.clip(self.trees.predict(values), *self.clip)
        return out

    def trust(self, values: Array) -> Array:
        """1 inside the fitted range of every column, falling to 0 a little outside."""
        trust: Array = np.clip(1.0 - self.outside(values) / _TRUST_MARGIN, 0.0, 1.0)
        return trust

    def outside(self, values: Array) -> Array:
        """How far outside the fitted range the worst column lies, in spans of that range: 0 inside, at most 10."""
        span = np.maximum(self.high - self.low, 0.01 * np.maximum(np.abs(self.high), np.abs(self.low)) + 1e-9)
        away = np.maximum(self.low - values, values - self.high) / span - 1e-4
        worst: Array = np.clip(away.max(axis=1, initial=0.0), 0.0, _FURTHEST)
        return worst


RECIPES = (Recipe(3, 0.06, 8, 160), Recipe(4, 0.06, 4, 160))
_STEP = 20
_GAIN = 0.01


def learn(values: Array, target: Array, groups: Array, seed: int) -> Recipe | None:
    """The recipe whose trees lower the mean absolute `target` on unseen groups by more than chance would, or None.

    values: (rows, COLUMNS) of `features`. target: log(measured / modelled).
    """
    if len(np.unique(groups)) < 60:
        return None
    seen, unseen = split(groups, 0.25, seed + 17)
    moving = _moving(values)
    plain = float(np.mean(np.abs(target[unseen] - np.median(target[seen]))))
    best_error, best = (1.0 - _GAIN - 0.5 / np.sqrt(len(unseen))) * plain, None
    for recipe in RECIPES:
        grown = _grown(values[seen][:, moving], target[seen], recipe, seed)
        for count in range(_STEP, recipe.count + 1, _STEP):
            error = float(np.mean(np.abs(grown.first(count).predict(values[unseen][:, moving]) - target[unseen])))
            if error < best_error:
                best_error, best = error, replace(recipe, count=count)
    return best


def fit_residual(values: Array, target: Array, recipe: Recipe, seed: int) -> Residual:
    """Trees on all rows by `recipe`, with only the columns that they use."""
    moving = _moving(values)
    grown = _grown(values[:, moving], target, recipe, seed)
    used = np.unique(grown.feature[grown.feature >= 0])
    renamed = np.full(len(moving) + 1, -1, np.int32)
    renamed[used] = np.arange(len(used))
    kept = values[:, moving[used]]
    low, high = np.quantile(target, [0.002, 0.998])
    return Residual(
        tuple(COLUMNS[moving[place]] for place in used),
        kept.min(axis=0),
        kept.max(axis=0),
        Trees(renamed[grown.feature], grown.threshold, grown.value, grown.base),
        (float(low), float(high)),
    )


def _moving(values: Array) -> Array:
    """Columns that differ between rows by more than rounding."""
    return np.flatnonzero(np.ptp(values, axis=0) > 1e-5 * (np.abs(values).max(axis=0) + 1e-9))


def _grown(values: Array, target: Array, recipe: Recipe, seed: int) -> Trees:
    return grow(
        values, target, trees=recipe.count, depth=recipe.depth, rate=recipe.rate, fewest=recipe.fewest, seed=seed
    )
