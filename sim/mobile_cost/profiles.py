"""Profiles made from calibrations: what they were fitted on, and the error of rows left out, written into them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost.outside import sides
from sim.mobile_cost.profile import DeviceProfile, FittedOn, Label, tables

if TYPE_CHECKING:
    from sim.mobile_cost.calibrate import Calibration
    from sim.mobile_cost.tables import Measurements

_ANCHORED_BELOW = 12


def profile_of(
    name: str,
    calibration: Calibration,
    measurements: Sequence[Measurements],
    *,
    description: str = "",
    date: str = "",
    label: Label | None = None,
) -> DeviceProfile:
    """The profile of a calibrated device. A device with a handful of rows is 'anchored', not calibrated."""
    context = measurements[0].batch.context
    errors = np.abs(np.expm1(-calibration.errors))
    energy = np.abs(np.expm1(-calibration.energy_errors[np.isfinite(calibration.energy_errors)]))
    macs = np.concatenate([one.batch.macs for one in measurements]) // context.batch_size
    names = ", ".join(dict.fromkeys(one.set for one in measurements))
    fitted = FittedOn(
        set=names,
        networks=calibration.rows,
        mape=round(float(100 * errors.mean()), 3),
        within_10=round(float(np.mean(errors <= 0.1)), 4),
        energy_mape=round(float(100 * energy.mean()), 3) if len(energy) else None,
        note="errors of rows left out of their fit (4-fold, by architecture)",
    )
    chosen: Label = label or ("anchored" if calibration.rows < _ANCHORED_BELOW else "calibrated")
    fields: dict[str, Any] = tables(calibration.model)
    return DeviceProfile(
        name=name,
        description=description,
        label=chosen,
        date=date,
        batch_sizes=[context.batch_size],
        dtypes=[context.dtype],
        threads=[context.threads],
        macs_range=[] if calibration.model.additive else [int(macs.min()), int(macs.max())],
        resolution_range=resolution_range(measurements),
        fitted_on=[fitted],
        **fields,
    )


def resolution_range(measurements: Sequence[Measurements]) -> list[int]:
    """Shortest and longest input side, pixels, of the networks measured; [] where none of them reads a picture."""
    found: list[int] = []
    for one in measurements:
        known = one.resolution if len(one.resolution) else sides(one.batch)
        found += [int(side) for side in np.unique(known[known > 0])]
    return [min(found), max(found)] if found else []


def today() -> str:
    """Date of a calibration that is made now."""
    return datetime.date.today().isoformat()
