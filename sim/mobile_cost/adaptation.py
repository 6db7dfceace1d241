"""A profile for a new device from about ten measured networks and profiles of devices that are known.

One known device: the new one is it with other speeds. The modelled time of a network has five parts (multiplications
of dense kernels, of depthwise kernels, other work, bytes moved, launches); the new device takes s * u_k times as long
for part k, u drawn to 1 by a Gaussian prior and non-negative, s free. Several known devices: a point in their span
(`few_shot`). What a profile has learned beside its kernel model is kept. The interval is Student's t on the log errors
of networks left out one by one. NOT modelled: kernels that are chosen differently on the new device.

Which networks to measure needs no measurement: those that leave the least mean variance over a pool of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import InputError
from sim.mobile_cost import few_shot
from sim.mobile_cost.device_model import Component, DeviceModel
from sim.mobile_cost.energy import EnergyModel
from sim.mobile_cost.intervals import COVERAGE, Interval
from sim.mobile_cost.kernel_model import network_amounts
from sim.mobile_cost.outside import sides
from sim.mobile_cost.profile import DeviceProfile, FittedOn, tables
from sim.mobile_cost.residual import features
from sim.mobile_cost.terms import COMPUTE, LAUNCH, TERMS

if TYPE_CHECKING:
    from sim.mobile_cost.tables import Measurements
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

PARTS = ("dense", "depthwise", "other", "bytes", "launches")
_DENSE = ("mac", "accumulate", "pack", "scores", "heads")
_SPREAD = 0.5
_NOISE = 0.15
_ROUNDS = 5


def _part(kernel_class: str, name: str, sort: int) -> int:
    if sort != COMPUTE:
        return 4 if sort == LAUNCH else 3
    return 1 if kernel_class.startswith("depthwise") else 0 if name in _DENSE else 2


_PART = np.array([*(_part(term.kernel_class, term.name, term.sort) for term in TERMS), 4])
"""Part of each term, and of the constant of a network."""


@dataclass(frozen=True)
class Adapted:
    """A device model; errors, energy_errors: log(measured / predicted) of networks left out of the adaptation."""

    model: DeviceModel
    errors: Array
    energy_errors: Array


def parts(model: DeviceModel, batch: WorkloadBatch) -> Array:
    """(networks, PARTS): modelled seconds of each part; they add up to the modelled latency."""
    total = np.zeros((len(batch), len(PARTS)))
    for one in model.components:
        cost = network_amounts(one.kernel, batch) * np.append(one.kernel.coefficients, one.kernel.constant_s)
        learned = np.ones(len(batch))
        if one.residual is not None:
            values, _ = features(one.kernel, batch, one.residual.columns)
            learned = np.exp(one.residual.value(values) * one.residual.trust(values))
        for part in range(len(PARTS)):
            total[:, part] += one.weight * learned * cost[:, part == _PART].sum(axis=1)
    return total


def scaled(model: DeviceModel, speed: float, each: Array) -> DeviceModel:
    """`model` on a device that takes `speed` times as long, and `each` of PARTS times that for a part."""
    components = tuple(_scaled(one, speed, each[_PART]) for one in model.components)
    return replace(model, components=components, exact=None)


def _scaled(one: Component, speed: float, each: Array) -> Component:
    kernel = replace(
        one.kernel, coefficients=one.kernel.coefficients * each[:-1], constant_s=one.kernel.constant_s * float(each[-1])
    )
    return replace(one, kernel=kernel, weight=one.weight * speed)


def choose(known: Sequence[DeviceProfile], pool: WorkloadBatch, count: int = few_shot.MEASUREMENTS) -> Array:
    """Positions in `pool` of the `count` networks to measure, the most telling first. Raises InputError."""
    models = [one.model() for one in known]
    if len(models) == 1:
        seconds = parts(models[0], pool)
        return few_shot.most_telling(_design(seconds / seconds.sum(axis=1, keepdims=True)), count, of_pool=True)
    seconds = np.stack([one.predict(pool).latency_s for one in models], axis=1)
    return few_shot.most_telling(few_shot.span(seconds).design, count, of_pool=True)


def _design(shares: Array) -> Array:
    """What a relative error says of the speed and, in units of their prior, of how the parts differ from it."""
    return np.column_stack([np.ones(len(shares)), _SPREAD * shares])


def adapt(known: Sequence[DeviceProfile], measured: Measurements) -> Adapted:
    """The model of the device that `measured` was measured on. Raises InputError: nothing known, too few networks."""
    if not known:
        raise InputError("no known device to adapt; name at least one")
    data = measured.usable()
    if len(data) < few_shot.FEWEST:
        raise InputError(f"{len(data)} measurements are too few to adapt a device; give at least {few_shot.FEWEST}")
    models = [one.model() for one in known]
    find = _speeds if len(models) == 1 else _span
    model = find(models, data)
    errors = np.zeros(len(data))
    for row in range(len(data)):
        left, rest = data.select(np.array([row])), data.select(np.arange(len(data)) != row)
        part = find(models, rest) if len(rest) >= few_shot.FEWEST else model
        errors[row] = np.log(left.latency_s[0] / part.predict(left.batch).latency_s[0])
    model = replace(model, interval=_interval(errors))
    return _with_energy(model, models[0].energy, data, errors)


def _speeds(models: Sequence[DeviceModel], data: Measurements) -> DeviceModel:
    from scipy.optimize import nnls

    each, speed, model = np.ones(len(PARTS)), 1.0, models[0]
    for _ in range(_ROUNDS):
        now = parts(scaled(models[0], 1.0, each), data.batch)
        speed = float(np.median(data.latency_s / now.sum(axis=1)))
        unit = now / np.maximum(each, 1e-9) * speed / data.latency_s[:, None]
        matrix = np.concatenate([unit / _NOISE, np.eye(len(PARTS)) / _SPREAD])
        target = np.concatenate([np.full(len(data), 1 / _NOISE), np.full(len(PARTS), 1 / _SPREAD)])
        each = np.maximum(nnls(matrix, target)[0], 1e-3)
        model = scaled(models[0], speed, each)
    return model


def _span(models: Sequence[DeviceModel], data: Measurements) -> DeviceModel:
    seconds = np.stack([one.predict(data.batch).latency_s for one in models], axis=1)
    return few_shot.adapt(models, few_shot.weights(seconds, np.arange(len(data)), data.latency_s))


def _interval(errors: Array) -> Interval:
    """What holds COVERAGE of next networks if log errors are normal: Student's t, spread and mean both unknown."""
    from scipy.stats import t

    count = len(errors)
    width = float(t.ppf(0.5 + COVERAGE / 2.0, count - 1) * np.sqrt(np.mean(errors**2) * (1.0 + 1.0 / count)))
    return Interval(-width, width)


def _with_energy(model: DeviceModel, known: EnergyModel | None, data: Measurements, errors: Array) -> Adapted:
    """Energy of the known device times what the new one needs; power alone if that has none; none if not measured."""
    plain = replace(model, energy=None, energy_interval=None, exact=None)
    rows = np.flatnonzero(np.isfinite(data.energy_j) & (data.energy_j > 0)) if len(data.energy_j) else np.zeros(0, int)
    if len(rows) < few_shot.FEWEST:
        return Adapted(plain, errors, np.zeros(0))
    energy_j, batch = data.energy_j[rows], data.batch.select(rows)
    base = known or EnergyModel(1.0, np.zeros(len(TERMS)))
    ratio = energy_j / replace(plain, energy=base).predict(batch).energy_j
    energy_errors = np.log([one / np.median(np.delete(ratio, row)) for row, one in enumerate(ratio)])
    more = float(np.median(ratio))
    energy = replace(
        base, power_w=base.power_w * more, coefficients=base.coefficients * more, constant_j=base.constant_j * more
    )
    return Adapted(
        replace(plain, energy=energy, energy_interval=_interval(energy_errors)), errors, np.asarray(energy_errors)
    )


def adapted_profile(
    name: str, known: Sequence[DeviceProfile], measured: Measurements, *, description: str = "", date: str = ""
) -> DeviceProfile:
    """The profile of the device of `measured`: known ones adapted. It reaches as far as the first of them and the
    networks measured. Raises InputError as `adapt`."""
    found = adapt(known, measured)
    data, first = measured.usable(), known[0]
    context = data.batch.context
    off, energy_off = (np.abs(np.expm1(-one)) for one in (found.errors, found.energy_errors))
    fitted = FittedOn(
        set=data.set,
        networks=len(data),
        mape=round(float(100 * off.mean()), 3),
        within_10=round(float(np.mean(off <= 0.1)), 4),
        energy_mape=round(float(100 * energy_off.mean()), 3) if len(energy_off) else None,
        note=f"errors of networks left out one by one; adapted from {', '.join(one.name for one in known)}",
    )
    images = sides(data.batch)
    return DeviceProfile(
        name=name,
        description=description,
        label="adapted",
        date=date,
        batch_sizes=[context.batch_size],
        dtypes=[context.dtype],
        threads=[context.threads],
        fusion=list(first.fusion),
        macs_range=_joined(first.macs_range, data.batch.macs // context.batch_size),
        resolution_range=_joined(first.resolution_range, images[images > 0]),
        unsupported_classes=list(first.unsupported_classes),
        fitted_on=[fitted],
        **tables(found.model),
    )


def _joined(limits: Sequence[int], values: Array) -> list[int]:
    if not limits or not len(values):
        return list(limits)
    return [min(limits[0], int(values.min())), max(limits[1], int(values.max()))]
