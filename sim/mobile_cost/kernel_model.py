"""Time of an operator from its terms, and of a network from its operators.

operator:  t = (compute^p + memory^p)^(1/p) + launch, each a non-negative combination of the terms of its class. p = 1:
nothing overlaps; large p: a roofline.
network:   T = (work^q + launches^q)^(1/q) + constant. q = 1: every launch is waited for; large q: launches are queued
ahead and only the longer of the two counts.

Both are homogeneous of degree one in the coefficients, so that T = gradient @ coefficients (Euler): `fit` solves a
non-negative least-squares problem, updates the gradient and repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost import terms
from sim.mobile_cost.terms import COMPUTE, LAUNCH, MEMORY, SORT, Runtime

if TYPE_CHECKING:
    from sim.mobile_cost.corrections import Corrections
    from sim.operator import Operator
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class KernelModel:
    """Coefficients (seconds per unit of each of `terms.TERMS`) and the two exponents. constant_s: once a network.

    corrections: learned factors on the seconds of single operators; None for most devices.
    """

    coefficients: Array = field(repr=False)
    constant_s: float = 0.0
    overlap: float = 1.0
    queueing: float = 1.0
    runtime: Runtime = field(default_factory=Runtime)
    corrections: Corrections | None = field(default=None, repr=False)

    def parts(self, operators: Sequence[Operator], batch_size: int) -> tuple[Array, Array, Array]:
        """Seconds of compute, memory and launch of each operator."""
        priced = terms.amounts(operators, batch_size, self.runtime) * self.coefficients
        compute, memory, launch = (priced[:, sort == SORT].sum(1) for sort in (COMPUTE, MEMORY, LAUNCH))
        return compute, memory, launch

    def operator_seconds(self, operators: Sequence[Operator], batch_size: int) -> tuple[Array, Array]:
        """Seconds of work and of launches of each operator."""
        compute, memory, launch = self.parts(operators, batch_size)
        work = soft_maximum(compute, memory, self.overlap)
        if self.corrections is None:
            return work, launch
        factor = np.exp(self.corrections.value(operators, batch_size))
        return work * factor, launch * factor

    def seconds(self, batch: WorkloadBatch) -> Array:
        """Seconds of each network of `batch`."""
        both = batch.total(np.stack(self.operator_seconds(batch.operators, batch.context.batch_size), axis=1))
        return self.of_sums(both[:, 0], both[:, 1])

    def of_sums(self, work: Array, launch: Array) -> Array:
        """Seconds of networks from their sums of work and of launches."""
        total: Array = soft_maximum(work, launch, self.queueing) + self.constant_s
        return total

    def scaled(self, factor: float) -> KernelModel:
        """All times multiplied."""
        return replace(self, coefficients=self.coefficients * factor, constant_s=self.constant_s * factor)


def soft_maximum(left: Array, right: Array, exponent: float) -> Array:
    """(left^p + right^p)^(1/p), safe for zeros; the sum for p = 1."""
    if exponent == 1.0:
        return left + right
    largest = np.maximum(np.maximum(left, right), 1e-30)
    total: Array = largest * ((left / largest) ** exponent + (right / largest) ** exponent) ** (1.0 / exponent)
    return total


def shares(left: Array, right: Array, exponent: float) -> tuple[Array, Array]:
    """Derivatives of the soft maximum by both arguments."""
    if exponent == 1.0:
        return np.ones_like(left), np.ones_like(right)
    total = np.maximum(soft_maximum(left, right, exponent), 1e-30)
    return (left / total) ** (exponent - 1.0), (right / total) ** (exponent - 1.0)


def network_amounts(model: KernelModel, batch: WorkloadBatch) -> Array:
    """(networks, terms + 1): gradient of the network times by the coefficients and by the constant, at `model`.

    With both exponents 1 this is simply the amount of each term in each network.
    """
    per_operator = terms.amounts(batch.operators, batch.context.batch_size, model.runtime)
    if model.overlap != 1.0:
        compute, memory, _ = model.parts(batch.operators, batch.context.batch_size)
        of_compute, of_memory = shares(compute, memory, model.overlap)
        per_operator = per_operator * np.where(SORT == COMPUTE, of_compute[:, None], 1.0)
        per_operator = per_operator * np.where(SORT == MEMORY, of_memory[:, None], 1.0)
    per_network = np.asarray(batch.total(per_operator), float)
    if model.queueing != 1.0:
        both = batch.total(np.stack(model.operator_seconds(batch.operators, batch.context.batch_size), axis=1))
        of_work, of_launch = shares(both[:, 0], both[:, 1], model.queueing)
        per_network *= np.where(SORT == LAUNCH, of_launch[:, None], of_work[:, None])
    return np.column_stack([per_network, np.ones(len(batch))])
