"""Energy of a network: static power x time, dynamic energy of its terms, and what both miss.

E = power * latency + sum_k e_k amount_k + constant. The dynamic part is non-negative and drawn to zero, so that a table
in which energy is simply proportional to time says so. A handful of measurements cannot tell the parts from each other:
fewer than `FEWEST` anchor the power alone (median of energy / time). NOT modelled: temperature, voltage steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost import terms
from sim.mobile_cost.fit import robust_nonnegative
from sim.mobile_cost.residual import Residual
from sim.mobile_cost.terms import TERMS, Runtime

if TYPE_CHECKING:
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

FEWEST = 12
_STRENGTH = 1e-4


@dataclass(frozen=True)
class EnergyModel:
    """power_w while a network runs, joules per unit of each term, joules once a network."""

    power_w: float
    coefficients: Array = field(repr=False)
    constant_j: float = 0.0
    runtime: Runtime = field(default_factory=Runtime)
    residual: Residual | None = None

    def plain(self, batch: WorkloadBatch, latency_s: Array) -> Array:
        """Joules without the learned part."""

        def by_block() -> Array:
            amounts = terms.amounts(batch.operators, batch.context.batch_size, self.runtime)
            return batch.by_block(amounts @ self.coefficients)

        dynamic = batch.sum_blocks(batch.kept(self, "joules", by_block))
        total: Array = self.power_w * latency_s + dynamic + self.constant_j
        return total

    def per_operator(self, batch: WorkloadBatch, seconds: Array) -> Array:
        """Joules of each operator that takes `seconds`, without what belongs to the network."""
        dynamic = terms.amounts(batch.operators, batch.context.batch_size, self.runtime) @ self.coefficients
        total: Array = self.power_w * seconds + dynamic
        return total

    def joules(self, batch: WorkloadBatch, latency_s: Array, values: Array, columns: tuple[str, ...]) -> Array:
        """Joules of each network; `values` are its features by `columns`."""
        energy = self.plain(batch, latency_s)
        if self.residual is None:
            return energy
        own = values[:, [columns.index(name) for name in self.residual.columns]]
        corrected: Array = energy * np.exp(self.residual.value(own) * self.residual.trust(own))
        return corrected


def fit_energy(batch: WorkloadBatch, latency_s: Array, energy_j: Array, runtime: Runtime) -> EnergyModel:
    """Static power and dynamic terms from measured joules and the latencies that are predicted for the networks."""
    if len(energy_j) < FEWEST:
        return EnergyModel(float(np.median(energy_j / latency_s)), np.zeros(len(TERMS)), runtime=runtime)
    amounts = batch.total(terms.amounts(batch.operators, batch.context.batch_size, runtime))
    power = float(np.median(energy_j / latency_s))
    largest = np.maximum((amounts / energy_j[:, None]).max(axis=0), 1e-30)
    used = (amounts > 0).any(axis=0)
    columns = [
        latency_s[:, None] * power,
        amounts[:, used] / largest[used],
        np.full((len(energy_j), 1), np.median(energy_j)),
    ]
    matrix = np.concatenate(columns, axis=1) / energy_j[:, None]
    centre = np.zeros(matrix.shape[1])
    centre[0] = 1.0
    solved = robust_nonnegative(matrix, np.ones(len(energy_j)), centre, _STRENGTH, 12)
    coefficients = np.zeros(len(TERMS))
    coefficients[used] = solved[1:-1] / largest[used]
    return EnergyModel(float(solved[0] * power), coefficients, float(solved[-1] * np.median(energy_j)), runtime)
