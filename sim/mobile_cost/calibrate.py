"""From measurements to a device model: choose the form on groups left out, fit, learn what is missed, calibrate bounds.

Chosen by cross-validation over groups of networks: how the runtime lowers networks, its tiles, how strongly the prior
pulls, whether work overlaps. Errors and intervals come from cross-fitting: every row predicted by a fit that has not
seen its group. Same measurements and seed give the same model to the last digit on one number of BLAS threads
(OMP_NUM_THREADS); another number sums in another order, which moves the sixth digit or a choice between equals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import InputError
from sim.mobile_cost import residual as learned
from sim.mobile_cost.device_model import Component, DeviceModel
from sim.mobile_cost.energy import EnergyModel, fit_energy
from sim.mobile_cost.fit import FEWEST, fit_kernel_model
from sim.mobile_cost.intervals import conformal
from sim.mobile_cost.kernel_model import KernelModel
from sim.mobile_cost.residual import Recipe, features, fit_residual
from sim.mobile_cost.tables import Measurements
from sim.mobile_cost.terms import Runtime, classes_of

if TYPE_CHECKING:
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

TILES = ((1, 1), (4, 1), (16, 1), (8, 8), (16, 16))
STRENGTHS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
_SHAPES = ((4.0, 1.0), (1.0, 4.0))
_CHOOSING_ROWS = 600
_CROSSED_ROWS = 12_000
_FOLDS = 4
_START_STRENGTH = 1e-5
_CLEARLY = 0.98


@dataclass(frozen=True)
class Form:
    """What cross-validation chose."""

    variant: str = ""
    runtime: Runtime = field(default_factory=Runtime)
    strength: float = _START_STRENGTH
    overlap: float = 1.0
    queueing: float = 1.0

    def fit(self, batch: WorkloadBatch, seconds: Array) -> KernelModel:
        """A kernel model of this form."""
        return fit_kernel_model(
            batch,
            seconds,
            runtime=self.runtime,
            overlap=self.overlap,
            queueing=self.queueing,
            strength=self.strength,
        )


@dataclass(frozen=True)
class Calibration:
    """A device model; errors: log(measured / predicted) of rows left out of their fit; rows: how many were used."""

    model: DeviceModel
    form: Form
    errors: Array
    energy_errors: Array
    rows: int


def calibrate(measurements: Sequence[Measurements], seed: int = 0) -> Calibration:
    """One device model from one or more sets measured on the same device in the same way.

    Raises InputError: no usable rows, too few, sets of different batch size or element type.
    """
    data = pooled(measurements)
    form = choose(data, seed)
    data = data.lowered(form.variant)
    groups = data.group if len(data.group) else np.arange(len(data))
    kernel = form.fit(data.batch, data.latency_s)
    values, modelled = features(kernel, data.batch)
    target = np.log(data.latency_s / modelled)
    some = np.sort(np.random.default_rng(seed + 1).permutation(len(data))[:_CROSSED_ROWS])
    recipe = learned.learn(values[some], target[some], groups[some], seed)
    correction = fit_residual(values, target, recipe, seed) if recipe else None
    rows = len(data)
    data, groups, values = data.select(some), groups[some], values[some]
    errors, fold_values, crossed = _cross_fit(data, form, recipe, groups, seed)
    interval = conformal(errors, values, seed)
    energy, energy_interval, energy_errors = None, None, np.zeros(0)
    if data.has_energy:
        predicted = data.latency_s * np.exp(-errors)
        energy, energy_recipe = _energy(data, form, predicted, values, groups, seed)
        energy_errors = _cross_energy(data, form, energy_recipe, predicted, fold_values, crossed, seed)
        energy_interval = conformal(energy_errors[np.isfinite(energy_errors)], values[np.isfinite(energy_errors)], seed)
    model = DeviceModel(
        (Component(kernel, correction, form.variant),),
        interval,
        energy,
        energy_interval,
        calibrated=classes_of(data.batch.operators, form.runtime),
        additive=not data.whole_network,
    )
    return Calibration(model, form, errors, energy_errors, rows)


def pooled(measurements: Sequence[Measurements]) -> Measurements:
    """All usable rows of the sets as one. Raises InputError where they do not belong together."""
    from sim.workload import WorkloadBatch

    usable = [one.usable() for one in measurements if np.isfinite(one.latency_s).any()]
    if not usable or sum(len(one) for one in usable) < FEWEST:
        count = sum(len(one) for one in usable)
        raise InputError(f"{count} measurements are too few to fit a device; give at least {FEWEST}")
    if len(usable) == 1:
        return usable[0]
    if any(one.batch.context != usable[0].batch.context for one in usable):
        raise InputError(f"sets {usable[0].set} and others differ in batch size, element type or threads")
    variants = set.intersection(*(set(one.variants) for one in usable))
    spaces: dict[str, int] = {}
    groups = []
    for position, one in enumerate(usable):  # an architecture keeps its group in all sets of its space
        shift = spaces.setdefault(one.space or f"set {position}", len(spaces)) * 1_000_000
        groups.append((one.group if len(one.group) else np.arange(len(one))) + shift)
    energy = [one.energy_j if len(one.energy_j) else np.full(len(one), np.nan) for one in usable]
    return replace(
        usable[0],
        batch=WorkloadBatch.concatenate([one.batch for one in usable]),
        latency_s=np.concatenate([one.latency_s for one in usable]),
        energy_j=np.concatenate(energy) if any(one.has_energy for one in usable) else np.zeros(0),
        group=np.concatenate(groups),
        family=[name for one in usable for name in one.family] if all(len(one.family) for one in usable) else (),
        variants={name: WorkloadBatch.concatenate([one.variants[name] for one in usable]) for name in sorted(variants)},
        resolution=np.zeros(0, np.int64),
    )


def choose(data: Measurements, seed: int) -> Form:
    """The form with the smallest relative error on groups left out, in stages."""
    order = np.random.default_rng(seed).permutation(len(data))[:_CHOOSING_ROWS]
    sample = data.select(np.sort(order))
    folds = fold_of(sample.group if len(sample.group) else np.arange(len(sample)), seed, 3)
    best, error = Form(), np.inf
    for variant in data.variants or {"": data.batch}:
        candidate = Form(variant)
        found = _left_out_error(sample, candidate, folds)
        if found < error:
            best, error = candidate, found
    for tile_out, tile_in in TILES[1:]:
        candidate = replace(best, runtime=Runtime(tile_out, tile_in, best.runtime.fuses))
        found = _left_out_error(sample, candidate, folds)
        if found < _CLEARLY * error:
            best, error = candidate, found
    for strength in STRENGTHS:
        candidate = replace(best, strength=strength)
        found = _left_out_error(sample, candidate, folds)
        if found < error:
            best, error = candidate, found
    for overlap, queueing in _SHAPES:
        candidate = replace(best, overlap=overlap, queueing=queueing)
        found = _left_out_error(sample, candidate, folds)
        if found < _CLEARLY * error:
            best, error = candidate, found
    return best


def fold_of(groups: Array, seed: int, folds: int) -> Array:
    """Fold of each row; a group lies in one fold."""
    distinct, place = np.unique(groups, return_inverse=True)
    fold: Array = (np.random.default_rng(seed + 3).permutation(len(distinct)) % folds)[place]
    return fold


def _left_out_error(sample: Measurements, form: Form, folds: Array) -> float:
    data = sample.lowered(form.variant)
    total = 0.0
    for fold in np.unique(folds):
        seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(seen) < FEWEST:
            return np.inf
        model = form.fit(data.batch.select(seen), data.latency_s[seen])
        total += float(np.sum(np.abs(model.seconds(data.batch.select(unseen)) / data.latency_s[unseen] - 1.0)))
    return total / len(folds)


def _cross_fit(
    data: Measurements, form: Form, recipe: Recipe | None, groups: Array, seed: int
) -> tuple[Array, Array, Array]:
    """log errors of rows left out of their fit, the features that their predictions saw, and their folds."""
    folds = fold_of(groups, seed, _FOLDS)
    errors, found = np.zeros(len(data)), np.zeros((len(data), len(learned.COLUMNS)))
    for fold in range(_FOLDS):
        seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(seen) < FEWEST or not len(unseen):
            continue
        kernel = form.fit(data.batch.select(seen), data.latency_s[seen])
        values, modelled = features(kernel, data.batch.select(unseen))
        errors[unseen] = np.log(data.latency_s[unseen] / modelled)
        found[unseen] = values
        if recipe is not None:
            own, own_modelled = features(kernel, data.batch.select(seen))
            grown = fit_residual(own, np.log(data.latency_s[seen] / own_modelled), recipe, seed)
            kept = values[:, [learned.COLUMNS.index(name) for name in grown.columns]]
            errors[unseen] -= grown.value(kept) * grown.trust(kept)
    return errors, found, folds


def _energy(
    data: Measurements, form: Form, predicted: Array, values: Array, groups: Array, seed: int
) -> tuple[EnergyModel, Recipe | None]:
    known = np.flatnonzero(np.isfinite(data.energy_j) & (data.energy_j > 0))
    batch = data.batch.select(known)
    model = fit_energy(batch, predicted[known], data.energy_j[known], form.runtime)
    target = np.log(data.energy_j[known] / model.plain(batch, predicted[known]))
    recipe = learned.learn(values[known], target, groups[known], seed)
    return replace(model, residual=fit_residual(values[known], target, recipe, seed) if recipe else None), recipe


def _cross_energy(
    data: Measurements, form: Form, recipe: Recipe | None, predicted: Array, values: Array, folds: Array, seed: int
) -> Array:
    errors = np.full(len(data), np.nan)
    known = np.isfinite(data.energy_j) & (data.energy_j > 0)
    for fold in range(_FOLDS):
        seen, unseen = np.flatnonzero(known & (folds != fold)), np.flatnonzero(known & (folds == fold))
        if len(seen) < FEWEST or not len(unseen):
            continue
        model = fit_energy(data.batch.select(seen), predicted[seen], data.energy_j[seen], form.runtime)
        errors[unseen] = np.log(data.energy_j[unseen] / model.plain(data.batch.select(unseen), predicted[unseen]))
        if recipe is not None:
            target = np.log(data.energy_j[seen] / model.plain(data.batch.select(seen), predicted[seen]))
            grown = fit_residual(values[seen], target, recipe, seed)
            kept = values[unseen][:, [learned.COLUMNS.index(name) for name in grown.columns]]
            errors[unseen] -= grown.value(kept) * grown.trust(kept)
    return errors
