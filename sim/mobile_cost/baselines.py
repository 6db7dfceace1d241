"""The naive predictors that every accuracy is shown beside: MACs only, linear in operator counts, constant power."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost.fit import robust_nonnegative
from sim.mobile_cost.terms import CLASSES, kernel_class

if TYPE_CHECKING:
    from sim.mobile_cost.tables import Measurements
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]


def class_counts(batch: WorkloadBatch) -> Array:
    """(networks, classes): how many operators of each kernel class."""
    names = list(CLASSES)
    marks = np.zeros((len(batch.operators), len(names)), np.int64)
    for row, op in enumerate(batch.operators):
        marks[row, names.index(kernel_class(op))] = 1
    return np.asarray(batch.total(marks), float)


def macs_only(fitted: Measurements, tested: Measurements) -> float:
    """MAPE in % of a constant plus a cost for each MAC."""
    return _linear(fitted.batch.macs[:, None], fitted.latency_s, tested.batch.macs[:, None], tested.latency_s)


def linear_counts(fitted: Measurements, tested: Measurements) -> float:
    """MAPE in % of a constant plus a cost for each operator of a class, whatever its shape."""
    return _linear(class_counts(fitted.batch), fitted.latency_s, class_counts(tested.batch), tested.latency_s)


def constant_power(fitted: Measurements, tested: Measurements, latency_s: Array) -> float | None:
    """MAPE in % of median power times the predicted latency; None without energy."""
    if not (fitted.has_energy and tested.has_energy):
        return None
    power = float(np.nanmedian(fitted.energy_j / fitted.latency_s))
    return float(100.0 * np.nanmean(np.abs(power * latency_s / tested.energy_j - 1.0)))


def _linear(left: Array, target: Array, right: Array, truth: Array) -> float:
    largest = np.abs(left).max(axis=0)
    scale = np.where(largest > 0, largest, np.inf)  # what was never fitted adds nothing
    matrix = np.column_stack([np.ones(len(left)), left / scale]) / target[:, None] * np.median(target)
    solved = robust_nonnegative(matrix, np.ones(len(target)), np.zeros(matrix.shape[1]), 1e-6, 10)
    predicted = np.column_stack([np.ones(len(right)), right / scale]) @ solved * np.median(target)
    return float(100.0 * np.mean(np.abs(predicted / truth - 1.0)))
