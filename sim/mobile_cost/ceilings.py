"""The two ceilings of a device as its profile prices them: multiply-accumulates a second, bytes a second.

What the profile answers for large operators made for it: dense kernels with many channels, element-wise ones. So these
are fitted ceilings, not data sheets; a kernel whose data stay in a cache, where all bytes are counted as moved, may lie
above the slope, and so may one that its table could not price (the stem that all networks of a space share). Classes
that no measurement covered are left out while any is covered, and those whose multiplications a launch-bound table
priced at nothing always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost.terms import kernel_class
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch

if TYPE_CHECKING:
    from sim.mobile_cost.profile import DeviceProfile

Array = np.ndarray[Any, np.dtype[Any]]

_SIDE, _WIDE = 56, 512
_MAP = (_WIDE, _SIDE, _SIDE)
_DENSE = (
    Operator("conv2d", _MAP, _WIDE, (1, 1)),
    Operator("conv2d", _MAP, _WIDE, (3, 3), padding=(1, 1, 1, 1)),
    Operator("linear", (_WIDE, 2 * _WIDE), 2 * _WIDE),
    Operator("attention", (_WIDE, _WIDE), length=_WIDE, heads=8),
)
_MOVING = (
    Operator("elementwise", _MAP, others=(_MAP,), function="add"),
    Operator("activation", _MAP, function="relu"),
    Operator("elementwise", _MAP, others=((_WIDE, 1, 1),), function="mul"),
    Operator("norm", (_WIDE, _WIDE), function="layer", affine=True),
)
_FREE = tuple({op.kind for op in _MOVING})


def ceilings(profile: DeviceProfile) -> dict[str, float | None]:
    """macs_per_s and bytes_per_s of large operators at the calibrated batch size and element type; None: no cost."""
    context = Context(profile.batch_sizes[0], profile.dtypes[0])
    dense, moving = _priced(profile, _DENSE), _priced(profile, _MOVING)
    dense = [op for op in dense if op.kind == "conv2d"] or dense  # small linear layers at a network's end say little
    multiplying = WorkloadBatch.of([[op] for op in dense]).with_context(context) if dense else None
    copying = WorkloadBatch.of([[op] for op in moving]).with_context(context)
    return {
        "macs_per_s": None if multiplying is None else _rate(profile, multiplying, multiplying.macs),
        "bytes_per_s": _rate(profile, copying, copying.bytes_read + copying.bytes_written),
    }


def _priced(profile: DeviceProfile, probes: tuple[Operator, ...]) -> list[Operator]:
    covered = [op for op in probes if kernel_class(op) in profile.calibrated_classes] or list(probes)
    return [op for op in covered if op.kind in _FREE or f"{kernel_class(op)}.mac" in profile.components[0].seconds]


def _rate(profile: DeviceProfile, batch: WorkloadBatch, amounts: Array) -> float | None:
    """Best rate, launches left out. A network of one operator has that operator's time."""
    seconds = np.zeros(len(batch))
    for one in profile.model().components:
        seconds += one.weight * batch.total(one.kernel.operator_seconds(batch.operators, batch.context.batch_size)[0])
    known = seconds > 0
    return float(np.max(amounts[known] / seconds[known])) if known.any() else None
