"""A new device from ten measurements: a point in the space that known devices span.

Known devices price a pool of networks; their times, each over its median, are a mean device plus a few directions in
which devices differ (principal components). The new device is the mean times a speed, plus weights on those
directions: Bayesian linear regression on relative errors, prior one device's spread for each weight. Which networks to
measure: those that say most about the weights (greedy D-optimal design), so the choice needs no measurement. The
result is a weighted sum of known devices, hence again one physical model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import InputError
from sim.mobile_cost.device_model import DeviceModel
from sim.mobile_cost.intervals import Interval

if TYPE_CHECKING:
    from sim.mobile_cost.tables import Measurements

Array = np.ndarray[Any, np.dtype[Any]]

MEASUREMENTS = 10
_DIRECTIONS = 4
_NOISE = 0.15
_SPEED_VARIANCE = 1e6
_CANDIDATES = 1500
FEWEST = 3


@dataclass(frozen=True)
class Span:
    """What known devices say of a pool: mean (networks), directions (networks, k), and both by device.

    medians: median time of each device. loadings: (devices, k).
    """

    mean: Array
    directions: Array
    medians: Array
    loadings: Array

    @property
    def design(self) -> Array:
        """(networks, 1 + k) relative to the mean: what one measurement says of the weights."""
        relative: Array = np.column_stack([np.ones(len(self.mean)), self.directions / self.mean[:, None]])
        return relative


def span(seconds: Array) -> Span:
    """The space of known devices. seconds: (networks, devices), predicted. Raises InputError: fewer than two."""
    if seconds.shape[1] < 2:
        raise InputError(f"{seconds.shape[1]} known devices span nothing; give at least 2")
    medians = np.median(seconds, axis=0)
    scaled = seconds / medians
    mean = scaled.mean(axis=1)
    apart = scaled - mean[:, None]
    _, _, axes = np.linalg.svd(apart, full_matrices=False)
    loadings = axes[: min(_DIRECTIONS, seconds.shape[1] - 1)].T
    return Span(mean, apart @ loadings, medians, loadings)


def choose(seconds: Array, count: int = MEASUREMENTS, seed: int = 0) -> Array:
    """Positions of the `count` networks of a pool to measure. seconds: (networks, known devices), predicted."""
    return most_telling(span(seconds).design, count, seed)


def most_telling(design: Array, count: int, seed: int = 0, *, of_pool: bool = False) -> Array:
    """Rows of `design` (networks, weights) to measure, greedily. Raises InputError: more than there are.

    They say most of the weights (D-optimal), or, with `of_pool`, of the times of all networks of the pool (V-optimal:
    least mean variance), which keeps away from odd networks that a model prices worse.
    """
    if count < 1 or count > len(design):
        raise InputError(f"{count} networks to choose from a pool of {len(design)}")
    candidates = np.random.default_rng(seed).permutation(len(design))[:_CANDIDATES]
    precision = _prior_precision(design.shape[1])
    chosen: list[int] = []
    rows = design[candidates]
    spread = rows.T @ rows / len(rows)
    for _ in range(count):
        variance = np.linalg.inv(precision)
        gain = np.einsum("ij,jk,ik->i", rows, variance, rows)
        if of_pool:
            gain = np.einsum("ij,jk,ik->i", rows, variance @ spread @ variance, rows) / (_NOISE**2 + gain)
        gain[np.isin(candidates, chosen)] = -1.0
        best = int(np.argmax(gain))
        chosen.append(int(candidates[best]))
        precision = precision + np.outer(rows[best], rows[best]) / _NOISE**2
    return np.array(chosen)


def _prior_precision(size: int) -> Array:
    return np.diag([1.0 / _SPEED_VARIANCE, *([1.0] * (size - 1))])


def weights(seconds: Array, measured: Array, measured_s: Array) -> Array:
    """Weight of each known device in the new one.

    seconds: (networks, devices) of the pool, measured: positions in it, measured_s: their times on the new device.
    Raises InputError: too few, or a time that is no positive number.
    """
    if len(measured) < FEWEST:
        raise InputError(f"{len(measured)} measurements are too few to adapt to a device; give at least {FEWEST}")
    if not np.all(np.isfinite(measured_s)) or np.any(measured_s <= 0):
        raise InputError("measured latencies must be positive numbers")
    known = span(seconds)
    design = known.design[measured]
    speed = float(np.median(measured_s / known.mean[measured]))
    target = measured_s / (speed * known.mean[measured])
    precision = _prior_precision(design.shape[1])
    centre = np.zeros(design.shape[1])
    centre[0] = 1.0
    solved = np.linalg.solve(
        precision + design.T @ design / _NOISE**2, precision @ centre + design.T @ target / _NOISE**2
    )
    devices = len(known.medians)
    on_scaled = solved[0] / devices + known.loadings @ solved[1:] - (known.loadings @ solved[1:]).mean()
    combined: Array = speed * on_scaled / known.medians
    return combined


def adapt(known: Sequence[DeviceModel], combined: Array, spread: float = _NOISE) -> DeviceModel:
    """A device model that is the weighted sum of known ones; `spread` is the half-width of its interval in log."""
    components = tuple(
        replace(component, weight=component.weight * float(weight))
        for model, weight in zip(known, combined, strict=True)
        for component in model.components
    )
    return DeviceModel(components, Interval(-spread, spread), calibrated=known[0].calibrated)


def predicted(models: Sequence[DeviceModel], pool: Measurements) -> Array:
    """(networks, devices): times of the pool's networks on known devices."""
    return np.stack([model.predict(pool.batch, pool.variants).latency_s for model in models], axis=1)
