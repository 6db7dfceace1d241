"""Operators that were measured one by one, answered by their measurement instead of by the model.

    latency = modelled latency x share of its modelled time in operators that were not measured
            + sum over measured operators of count x measured seconds

A network all of whose operators were measured costs their sum, as in the look-up tables of phones; one of which none
was measured costs what the model says. NOT modelled: how far the time of a network is from the sum of its operators'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import InputError

if TYPE_CHECKING:
    from sim.mobile_cost.kernel_model import KernelModel
    from sim.mobile_cost.tables import Measurements
    from sim.operator import Operator
    from sim.workload import Context, WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]
_FOLDED = ("norm", "activation")


@dataclass(frozen=True, eq=False)
class ExactTable:
    """seconds: of one call of an operator, by `key_of` it. context: what they were measured in; elsewhere they say
    nothing, and the model answers."""

    seconds: Mapping[str, float]
    context: Context

    def parts(self, batch: WorkloadBatch, kernel: KernelModel) -> tuple[Array, Array]:
        """Of each network: measured seconds, and the share (0..1) of `kernel`'s time that was not measured."""
        if batch.context != self.context:
            return np.zeros(len(batch)), np.ones(len(batch))
        known, modelled, unknown = batch.kept(self, "exact", lambda: self._columns(batch, kernel))
        sums = batch.total(np.stack([known, modelled, unknown], axis=1))
        return sums[:, 0], sums[:, 2] / np.maximum(sums[:, 1], np.finfo(float).tiny)

    def _columns(self, batch: WorkloadBatch, kernel: KernelModel) -> tuple[Array, Array, Array]:
        """For each operator: seconds if measured, modelled seconds, modelled seconds if not measured."""
        measured = self.of(batch.operators)
        work, launch = kernel.operator_seconds(batch.operators, batch.context.batch_size)
        modelled = work + launch
        missing = np.isnan(measured)
        return np.where(missing, 0.0, measured), modelled, np.where(missing, modelled, 0.0)

    def of(self, operators: Sequence[Operator]) -> Array:
        """Seconds of each operator; NaN for those that were not measured."""
        return np.array([self.seconds.get(key_of(one), np.nan) for one in operators], float)


def exact_table(data: Measurements) -> ExactTable:
    """The rows of `data` that are one operator once; of an operator that was measured several times, the median.

    Raises InputError where no row is.
    """
    counts = data.batch.counts
    found: dict[str, list[float]] = {}
    for row, seconds in enumerate(data.latency_s):
        places = slice(counts.indptr[row], counts.indptr[row + 1])
        if counts.data[places].tolist() == [1]:
            found.setdefault(key_of(data.batch.operators[int(counts.indices[places][0])]), []).append(float(seconds))
    if not found:
        raise InputError(f"{data.set}: no row is one operator alone, so there is no table to keep; nearest: no --exact")
    medians = {key: float(f"{np.median(times):.6g}") for key, times in sorted(found.items())}
    return ExactTable(medians, data.batch.context)


def key_of(op: Operator) -> str:
    """What an operator is, as text: its kind and the fields that are not the default, ``conv2d shape=3x8x8 …``.

    Bias, norm and activation, which runtimes fold into the operator before them, are no part of it.
    """
    if op.fused:
        parts = [one for one in op.fused if one.kind not in _FOLDED] or list(op.fused)
        return " + ".join(key_of(one) for one in parts)
    told = [op.kind]
    for field in fields(op):
        value = getattr(op, field.name)
        if field.name not in ("kind", "bias") and value != field.default:
            told.append(f"{field.name}={_text(value)}")
    return " ".join(told)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        nested = bool(value) and isinstance(value[0], tuple)
        return (",".join if nested else "x".join)(_text(one) for one in value)
    return str(value)
