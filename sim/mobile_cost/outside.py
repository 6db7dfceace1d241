"""How far a question lies outside of what a profile was calibrated on: flags, and wider intervals.

A distance is the logarithm of how many times a quantity lies beyond the nearest calibrated value: ln(64 / 8) for a
batch of 64 where 8 was the largest measured, 0 inside. The half-widths of the interval, in log, become

    w' = w * 1.5^k + sum over quantities of slope * distance

with k the number of settings (batch size, element type, threads) that were never measured. So an answer just outside
is a little wider and one far outside much wider, whatever the width inside was. The slopes are of the training sets,
by fits on one part of a range asked about another (docs/device_model.md). That of a setting is 1: a batch that costs
nothing more and one that costs in proportion both lie inside, and so do threads that help fully or not at all. The
latency itself is not corrected, except that learned parts fade (see `residual`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost.terms import TERMS, amounts
from sim.workload import DTYPE_BITS

if TYPE_CHECKING:
    from sim.mobile_cost.device_model import DeviceModel, Prediction
    from sim.mobile_cost.profile import DeviceProfile
    from sim.operator import Operator
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

SLOPES = {"batch size": 1.0, "element type": 1.0, "threads": 1.0, "resolution": 0.4, "MACs": 0.1, "features": 0.1}
"""Log half-width for each factor of e outside. features: by ln(1 + spans outside), see `Residual.outside`; chosen, the
others are from the training sets."""
SETTING_FACTOR = 1.5
UNSEEN_CLASS = float(np.log(2.0))
"""Log half-width of time in kernel classes that no measurement covered: their prior is taken to hold within 2."""
LARGE_SHARE = 0.05
_PICTURE = 4


@dataclass(frozen=True)
class Outside:
    """Flags of each network (empty: none has any); factor and extra: what its half-widths are multiplied by, and what
    is added to them, in log."""

    flags: list[tuple[str, ...]]
    factor: Array
    extra: Array

    def widen(self, value: Array, bound: Array) -> Array:
        """A bound of an interval around `value`, as far out as this says."""
        away = np.log(bound / value)
        wider: Array = value * np.exp(np.where(away > 0, 1.0, -1.0) * (np.abs(away) * self.factor + self.extra))
        return wider


def outside(profile: DeviceProfile, model: DeviceModel, batch: WorkloadBatch, answer: Prediction) -> Outside:
    """What of `batch` lies outside of the calibration of `profile`."""
    common, factor, extra = _settings(profile, batch)
    widths = np.full(len(batch), extra)
    unseen = unseen_share(profile, model, batch)
    many = unseen > LARGE_SHARE
    widths += np.where(many, UNSEEN_CLASS * unseen, 0.0) + SLOPES["features"] * np.log1p(answer.outside)
    marks = {
        f"over {100 * LARGE_SHARE:.0f} % of the time in kernel classes that no measurement covered": many,
        "outside of the range of the fitted networks": answer.trust < 1.0,
    }
    ranges = (
        ("MACs", profile.macs_range, 1e6, " M", lambda: batch.macs / batch.context.batch_size),
        ("resolution", profile.resolution_range, 1.0, " pixels", lambda: sides(batch)),
    )
    for name, limits, unit, words, values in ranges:
        if len(limits) == 2:
            away = distances(values(), *limits)
            widths += SLOPES[name] * away
            low, high = (limit / unit for limit in limits)
            marks[f"{name} outside of the fitted {low:.4g} to {high:.4g}{words}"] = away > 0
    return Outside(_rows(common, marks), np.full(len(batch), factor), widths)


def _settings(profile: DeviceProfile, batch: WorkloadBatch) -> tuple[list[str], float, float]:
    """Flags of the settings that all networks share, the factor and the width that they add."""
    context, flags, factor, extra = batch.context, [], 1.0, 0.0
    bits = [float(DTYPE_BITS[one]) for one in profile.dtypes if one in DTYPE_BITS]
    for what, value, known, number, numbers in (
        ("batch size", context.batch_size, profile.batch_sizes, float(context.batch_size), profile.batch_sizes),
        ("element type", context.dtype, profile.dtypes, float(DTYPE_BITS[context.dtype]), bits),
        ("threads", context.threads, profile.threads, float(context.threads), profile.threads),
    ):
        if value not in known:
            flags.append(f"{what} {value} is outside of what was calibrated ({', '.join(map(str, known))})")
            factor *= SETTING_FACTOR
            extra += SLOPES[what] * min((abs(float(np.log(number / one))) for one in numbers), default=0.0)
    return flags, factor, extra


def distances(values: Array, low: float, high: float) -> Array:
    """ln of how many times `values` lie below `low` or above `high`; 0 inside, and for what is not positive."""
    safe = np.where(values > 0, values, low)
    away: Array = np.maximum(np.maximum(np.log(low / safe), np.log(safe / high)), 0.0)
    return away


def side(op: Operator) -> int:
    """Longer side of the picture that an operator reads, at most `_PICTURE` channels; 0 where it reads none."""
    shape = op.parts[0].shape
    return max(shape[1:]) if len(shape) == 3 and shape[0] <= _PICTURE else 0


def sides(batch: WorkloadBatch) -> Array:
    """Input resolution of each network, pixels: the longest side of a picture that it reads; 0 without pictures."""
    of_operators = batch.kept(None, "side", lambda: np.array([side(op) for op in batch.operators], np.int64))
    return batch.largest(of_operators)


def unseen_share(profile: DeviceProfile, model: DeviceModel, batch: WorkloadBatch) -> Array:
    """Share of the modelled time of each network in kernel classes that no measurement covered."""
    known = set(profile.calibrated_classes)
    unknown = np.array([term.kernel_class not in known for term in TERMS])
    kernel = model.components[0].kernel
    if not known:
        return np.zeros(len(batch))

    def by_block() -> Array | None:
        priced = amounts(batch.operators, batch.context.batch_size, kernel.runtime) * kernel.coefficients
        if not priced[:, unknown].any():
            return None
        return batch.by_block(np.stack([priced[:, unknown].sum(axis=1), priced.sum(axis=1)], axis=1))

    kept = batch.kept(profile, "unseen", by_block)
    if kept is None:
        return np.zeros(len(batch))
    both = batch.sum_blocks(kept)
    share: Array = both[:, 0] / np.maximum(both[:, 1], 1e-30)
    return share


def _rows(common: Sequence[str], marks: dict[str, Array]) -> list[tuple[str, ...]]:
    """Flags of each network, from those of all and the rows that carry each further one; [] where there are none."""
    codes = sum((mark.astype(np.int64) << place for place, mark in enumerate(marks.values())), np.zeros(1, np.int64))
    if not common and not codes.any():
        return []
    texts = list(marks)
    combined = [
        (*common, *(text for place, text in enumerate(texts) if code >> place & 1)) for code in range(2 ** len(texts))
    ]
    return [combined[code] for code in codes.tolist()]
