"""`DeviceOracle`: a device profile as a `sim.oracle.Oracle`.

Flags say when an answer leaves what the profile was calibrated on: another batch size, element type or thread count,
kernel classes that no measurement covered (with their share of the modelled time), networks outside the fitted range.
Each widens the interval. Operators of classes that the device does not support are refused, never priced as nothing.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import WorkloadError
from sim.mobile_cost.terms import TERMS, amounts, kernel_class
from sim.oracle import CostTable, OperatorCost

if TYPE_CHECKING:
    from sim.mobile_cost.device_model import DeviceModel, Prediction
    from sim.mobile_cost.profile import DeviceProfile
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

_LARGE_SHARE = 0.05
_UNSEEN_FACTOR = 1.5


class DeviceOracle:
    """Latency, energy and memory of networks on the device of `profile`."""

    def __init__(self, profile: DeviceProfile) -> None:
        self.profile = profile

    @property
    def name(self) -> str:
        """Name of the device."""
        return self.profile.name

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of the profile."""
        return self.profile.fingerprint

    @functools.cached_property
    def model(self) -> DeviceModel:
        """The fitted model."""
        return self.profile.model()

    def cost(
        self,
        batch: WorkloadBatch,
        *,
        breakdown: bool = False,
        variants: dict[str, WorkloadBatch] | None = None,
    ) -> CostTable:
        """Price `batch`. variants: other lowerings of the same networks, for a runtime that is known to run those.

        Raises WorkloadError naming an operator that the device does not support and its share of the MACs.
        """
        self._require_supported(batch)
        answer = self.model.predict(batch, variants)
        flags, factor = self._flags(batch, answer)
        columns = {
            "latency_s": answer.latency_s,
            "latency_low_s": answer.latency_s * (answer.latency_low_s / answer.latency_s) ** factor,
            "latency_high_s": answer.latency_s * (answer.latency_high_s / answer.latency_s) ** factor,
            "energy_j": answer.energy_j,
            "energy_low_j": answer.energy_j * (answer.energy_low_j / answer.energy_j) ** factor,
            "energy_high_j": answer.energy_j * (answer.energy_high_j / answer.energy_j) ** factor,
            "peak_memory_bytes": batch.peak_activation_bytes + batch.weight_bytes,
            "dram_bytes": batch.bytes_read + batch.bytes_written,
        }
        listed = self._breakdown(batch) if breakdown else ()
        return CostTable.of(batch, flags=flags, breakdown=listed, **columns)

    def _require_supported(self, batch: WorkloadBatch) -> None:
        refused = set(self.profile.unsupported_classes)
        if not refused:
            return
        macs = batch.operator_values("macs")
        for position, op in enumerate(batch.operators):
            wrong = [part for part in op.parts if kernel_class(part) in refused]
            if wrong:
                only = np.zeros(len(batch.operators))
                only[position] = macs[position]
                share = 100.0 * float(batch.total(only).sum()) / max(float(batch.total(macs).sum()), 1.0)
                what = f"{wrong[0].kind} of shape {wrong[0].shape}"
                raise WorkloadError(
                    f"{self.name} cannot run {what} ({kernel_class(wrong[0])}, {share:.2g} % of the MACs)"
                )

    def _flags(self, batch: WorkloadBatch, answer: Prediction) -> tuple[list[tuple[str, ...]], Array]:
        profile, context = self.profile, batch.context
        common, factor = [], 1.0
        for what, value, known in (
            ("batch size", context.batch_size, profile.batch_sizes),
            ("element type", context.dtype, profile.dtypes),
            ("threads", context.threads, profile.threads),
        ):
            if value not in known:
                common.append(f"{what} {value} is outside of what was calibrated ({', '.join(map(str, known))})")
                factor *= _UNSEEN_FACTOR
        unseen = self._unseen_share(batch)
        factors = np.full(len(batch), factor) * np.where(unseen > _LARGE_SHARE, 1.0 + unseen, 1.0)
        low, high = (profile.macs_range or [0, 2**62])[:2]
        macs = batch.macs / context.batch_size
        marks = {
            f"over {100 * _LARGE_SHARE:.0f} % of the time in kernel classes that no measurement covered": unseen
            > _LARGE_SHARE,
            "outside of the range of the fitted networks": answer.trust < 1.0,
            f"MACs outside of the fitted {low / 1e6:.4g} to {high / 1e6:.4g} M": (macs < low) | (macs > high),
        }
        codes = sum(
            (mark.astype(np.int64) << place for place, mark in enumerate(marks.values())), np.zeros(1, np.int64)
        )
        texts = list(marks)
        combined = [
            (*common, *(text for place, text in enumerate(texts) if code >> place & 1))
            for code in range(2 ** len(texts))
        ]
        if not common and not codes.any():
            return [], factors
        return [combined[code] for code in codes.tolist()], factors

    def _unseen_share(self, batch: WorkloadBatch) -> Array:
        known = set(self.profile.calibrated_classes)
        unknown = np.array([term.kernel_class not in known for term in TERMS])
        kernel = self.model.components[0].kernel
        priced = amounts(batch.operators, batch.context.batch_size, kernel.runtime) * kernel.coefficients
        if not known or not priced[:, unknown].any():
            return np.zeros(len(batch))
        both = batch.total(np.stack([priced[:, unknown].sum(axis=1), priced.sum(axis=1)], axis=1))
        share: Array = both[:, 0] / np.maximum(both[:, 1], 1e-30)
        return share

    def _breakdown(self, batch: WorkloadBatch) -> list[list[OperatorCost]]:
        seconds = np.zeros(len(batch.operators))
        for component in self.model.components:
            work, launch = component.kernel.operator_seconds(batch.operators, batch.context.batch_size)
            seconds += component.weight * (work + launch)
        energy = self.model.energy
        joules = np.full(len(seconds), np.nan)
        if energy is not None:
            joules = replace(energy, constant_j=0.0, residual=None).per_operator(batch, seconds)
        size, counts = batch.context.batch_size, batch.counts
        listed = []
        for row in range(len(batch)):
            costs = []
            for place in range(counts.indptr[row], counts.indptr[row + 1]):
                column, count = int(counts.indices[place]), int(counts.data[place])
                op = batch.operators[column]
                moved = count * (op.weight_bytes + (op.input_bytes + op.bytes_written) * size)
                costs.append(
                    OperatorCost(
                        op,
                        count,
                        count * float(seconds[column]),
                        count * float(joules[column]),
                        moved,
                        count * op.macs * size,
                        count * op.params,
                    )
                )
            listed.append(sorted(costs, key=lambda cost: -cost.latency_s))
        return listed
