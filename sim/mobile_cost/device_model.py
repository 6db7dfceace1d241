"""A fitted device: kernel models with their residuals, energy, intervals. What a profile stores and an oracle asks.

Latency is a weighted sum of components: one component with weight 1 for a device that was measured well, several known
devices for one that was adapted from few measurements (which is again a model of the same terms).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost.intervals import Interval
from sim.mobile_cost.kernel_model import KernelModel
from sim.mobile_cost.residual import Residual, features

if TYPE_CHECKING:
    from sim.mobile_cost.energy import EnergyModel
    from sim.mobile_cost.exact import ExactTable
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Component:
    """One kernel model with what it misses. variant: how its runtime lowers a network (see `tables.Measurements`)."""

    kernel: KernelModel
    residual: Residual | None = None
    variant: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Prediction:
    """Latency (and energy, NaN if unknown) with bounds, and how far each row is inside of what was fitted.

    trust: 1 inside of the fitted features, falling to 0. outside: how many fitted spans away (0 inside).
    """

    latency_s: Array
    latency_low_s: Array
    latency_high_s: Array
    energy_j: Array
    energy_low_j: Array
    energy_high_j: Array
    trust: Array
    outside: Array


@dataclass(frozen=True)
class DeviceModel:
    """Components, the interval of their sum, and energy.

    additive: fitted on operators or blocks, so that any network of them is inside of what was fitted. exact: operators
    that were measured, whose part of a network has no error of the model.
    """

    components: tuple[Component, ...]
    interval: Interval | None = None
    energy: EnergyModel | None = None
    energy_interval: Interval | None = None
    calibrated: tuple[str, ...] = field(default=())
    additive: bool = False
    exact: ExactTable | None = None

    def _columns(self, component: Component) -> tuple[str, ...]:
        wanted: dict[str, None] = {}
        energy_residual = self.energy.residual if self.energy else None
        for part in (component.residual, energy_residual, self.interval, self.energy_interval):
            if part is not None:
                wanted.update(dict.fromkeys(part.columns))
        return tuple(wanted)

    def predict(self, batch: WorkloadBatch, variants: dict[str, WorkloadBatch] | None = None) -> Prediction:
        """Price the networks of `batch`; a component with a variant prices that lowering where it is given."""
        latency, largest = np.zeros(len(batch)), np.zeros(len(batch))
        trust, outside = np.ones(len(batch)), np.zeros(len(batch))
        values, columns, first = np.zeros((len(batch), 0)), tuple[str, ...](), batch
        for position, component in enumerate(self.components):
            lowered = (variants or {}).get(component.variant, batch)
            wanted = self._columns(component)
            found, seconds = features(component.kernel, lowered, wanted)
            if component.residual is not None:
                own = found[:, [wanted.index(name) for name in component.residual.columns]]
                inside = component.residual.trust(own)
                if inside.any():
                    seconds = seconds * np.exp(component.residual.value(own) * inside)
                if not self.additive:
                    trust = np.minimum(trust, inside)
                    outside = np.maximum(outside, component.residual.outside(own))
            latency += component.weight * seconds
            largest = np.maximum(largest, abs(component.weight) * seconds)
            if position == 0:
                values, columns, first = found, wanted, lowered
        latency = np.maximum(latency, 0.02 * largest)  # weights may be negative, times are not
        low, high = self._bounds(self.interval, values, columns, trust)
        measured, modelled = self._measured(first, latency)
        latency = measured + modelled
        energy, energy_low, energy_high = (np.full(len(batch), np.nan) for _ in range(3))
        if self.energy is not None:
            energy = self.energy.joules(first, latency, values, columns)
            down, up = self._bounds(self.energy_interval, values, columns, trust)
            energy_low, energy_high = energy * np.exp(down), energy * np.exp(up)
        latency_low, latency_high = (measured + modelled * np.exp(bound) for bound in (low, high))
        return Prediction(latency, latency_low, latency_high, energy, energy_low, energy_high, trust, outside)

    def _measured(self, batch: WorkloadBatch, latency: Array) -> tuple[Array, Array]:
        """Seconds of each network that were measured, and those that are left of what the model says."""
        if self.exact is None:
            return np.zeros(len(batch)), latency
        measured, share = self.exact.parts(batch, self.components[0].kernel)
        return measured, latency * share

    @staticmethod
    def _bounds(
        interval: Interval | None, values: Array, columns: tuple[str, ...], trust: Array
    ) -> tuple[Array, Array]:
        if interval is None:
            rows = len(trust)
            return np.full(rows, -np.log(2.0)), np.full(rows, np.log(2.0))
        return interval.widths(values, columns, trust)
