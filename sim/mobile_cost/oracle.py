"""`DeviceOracle`: a device profile as a `sim.oracle.Oracle`.

Flags say when an answer leaves what the profile was calibrated on: another batch size, element type or thread count,
kernel classes that no measurement covered, features, MACs or a resolution outside the fitted range. Each widens the
interval, the more the further away (see `outside`). Operators of classes that the device does not support are refused,
never priced as nothing.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sim.errors import WorkloadError
from sim.mobile_cost.outside import outside
from sim.mobile_cost.terms import kernel_class
from sim.oracle import CostTable, OperatorCost

if TYPE_CHECKING:
    from sim.mobile_cost.device_model import DeviceModel
    from sim.mobile_cost.profile import DeviceProfile
    from sim.workload import WorkloadBatch


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
        asked = outside(self.profile, self.model, batch, answer)
        columns = {
            "latency_s": answer.latency_s,
            "latency_low_s": asked.widen(answer.latency_s, answer.latency_low_s),
            "latency_high_s": asked.widen(answer.latency_s, answer.latency_high_s),
            "energy_j": answer.energy_j,
            "energy_low_j": asked.widen(answer.energy_j, answer.energy_low_j),
            "energy_high_j": asked.widen(answer.energy_j, answer.energy_high_j),
            "peak_memory_bytes": batch.peak_activation_bytes + batch.weight_bytes,
            "dram_bytes": batch.bytes_read + batch.bytes_written,
        }
        listed = self._breakdown(batch) if breakdown else ()
        return CostTable.of(batch, flags=asked.flags, breakdown=listed, **columns)

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

    def _breakdown(self, batch: WorkloadBatch) -> list[list[OperatorCost]]:
        seconds = np.zeros(len(batch.operators))
        for component in self.model.components:
            work, launch = component.kernel.operator_seconds(batch.operators, batch.context.batch_size)
            seconds += component.weight * (work + launch)
        exact = self.model.exact
        if exact is not None and exact.context == batch.context:
            measured = exact.of(batch.operators)
            seconds = np.where(np.isnan(measured), seconds, measured)
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
