"""A device model from networks whose operators were timed one by one inside of them.

Terms first, fitted on single operators, each kernel class by its own measurements. Then the corrections, fitted on what
stands together in a network (`sim.fusion.INFERENCE`: a convolution with the norm and activation behind it): eager torch
runs these one by one, but one finds in the caches what the other left. Errors and the interval come from whole
experiments that were left out of their fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.fusion import INFERENCE, fuse, grouped
from sim.mobile_cost.calibrate import Calibration, Form, fold_of
from sim.mobile_cost.corrections import Corrections, fit_corrections
from sim.mobile_cost.device_model import Component, DeviceModel
from sim.mobile_cost.intervals import Interval, quantiles
from sim.mobile_cost.kernel_model import KernelModel
from sim.mobile_cost.terms import TERMS, Runtime, classes_of
from sim.network import Network
from sim.workload import DTYPE_BITS, WorkloadBatch

if TYPE_CHECKING:
    from sim.operator import Operator
    from sim.workload import Context

Array = np.ndarray[Any, np.dtype[Any]]
FUSION = INFERENCE
"""How networks are to be lowered for such a model: what is priced together."""

_FOLDS = 4
_RUNTIME = Runtime(fuses=False)  # of tiles the corrections know
_FORM = Form(runtime=_RUNTIME, strength=1e-4)
_LAUNCH = np.array([term.name == "launch" for term in TERMS])


class Timed:
    """Timed operators of some networks: each alone, and in the groups that are priced together."""

    def __init__(self, networks: Sequence[Network], parts_s: Sequence[Sequence[float]], context: Context) -> None:
        self.context, bits = context, DTYPE_BITS[context.dtype]
        networks = [network.with_bits(bits, bits) for network in networks]
        self.networks = [fuse(network, FUSION) for network in networks]
        self.latency_s = np.array([sum(times) for times in parts_s])
        self.operators: list[Operator] = []
        self.kernels: list[Operator] = []
        seconds, of_operator, kernel_s, of_kernel = [], [], [], []
        for number, (network, times) in enumerate(zip(networks, parts_s, strict=True)):
            self.operators += network.operators
            seconds += list(times)
            of_operator += [number] * len(network)
            members = grouped(network, FUSION)
            ends = [place for place, group in enumerate(members) if group[-1] == place]
            self.kernels += self.networks[number].operators
            kernel_s += [sum(times[member] for member in members[end]) for end in ends]
            of_kernel += [number] * len(ends)
        self.seconds, self.of_operator = np.array(seconds), np.array(of_operator)
        self.kernel_s, self.of_kernel = np.array(kernel_s), np.array(of_kernel)
        self._rows = WorkloadBatch.of([[op] for op in self.operators], context=context)
        self.batch = WorkloadBatch.of(self.networks, context=context)

    def fit(self, chosen: Array, seed: int) -> KernelModel:
        """A kernel model from the networks `chosen` (a mask)."""
        rows = np.flatnonzero(chosen[self.of_operator] & (self.seconds > 0))
        found = _FORM.fit(self._rows.select(rows), self.seconds[rows])
        coefficients = found.coefficients + found.constant_s * _LAUNCH  # a row is one operator: one launch
        model = replace(found, coefficients=coefficients, constant_s=0.0)
        return replace(model, corrections=self._corrections(model, chosen, seed))

    def _corrections(self, model: KernelModel, chosen: Array, seed: int) -> Corrections:
        rows = np.flatnonzero(chosen[self.of_kernel] & (self.kernel_s > 0))
        kernels = [self.kernels[int(row)] for row in rows]
        work, launch = model.operator_seconds(kernels, self.context.batch_size)
        return fit_corrections(kernels, np.log(self.kernel_s[rows] / (work + launch)), self.context.batch_size, seed)

    def left_out(self, seed: int) -> Array:
        """log(measured / predicted) of each network, by a fit that has not seen it."""
        folds = fold_of(np.arange(len(self.networks)), seed, _FOLDS)
        errors = np.zeros(len(folds))
        for fold in range(_FOLDS):
            unseen = np.flatnonzero(folds == fold)
            model = self.fit(folds != fold, seed)
            errors[unseen] = np.log(self.latency_s[unseen] / model.seconds(self.batch.select(unseen)))
        return errors


def fit_timed(
    networks: Sequence[Network], parts_s: Sequence[Sequence[float]], context: Context, seed: int = 0
) -> Calibration:
    """One device model; parts_s: seconds of each operator of each network. Raises InputError where they are too few."""
    timed = Timed(networks, parts_s, context)
    errors = timed.left_out(seed)
    kernel = timed.fit(np.ones(len(networks), bool), seed)
    low, high = quantiles(errors)
    model = DeviceModel(
        (Component(kernel),), Interval(low, high), calibrated=classes_of(timed.operators, _RUNTIME), additive=True
    )
    return Calibration(model, _FORM, errors, np.zeros(0), len(networks))
