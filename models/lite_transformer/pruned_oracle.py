"""SpArch as the device of a search over Lite Transformers: linear layers with pruned weights, everything else left out.

SpArch multiplies sparse matrices: convolutions over time, norms and the output projection are not run on it, and dense
attention gains nothing there. What is left out, and its share of the MACs, is a flag of every row.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from sim.errors import WorkloadError
from sim.oracle import CostTable
from sim.sparch_oracle.lowering import with_densities
from sim.sparch_oracle.oracle import SparchOracle
from sim.workload import WorkloadBatch


class PrunedLinears:
    """An `sim.oracle.Oracle`. weight_density: of all linear layers but the output projection, which shares the weights
    of the embedding; their activations are dense, since only one in ten is behind a ReLU."""

    def __init__(self, sparch: SparchOracle, weight_density: float = 0.1, activation_density: float = 1.0) -> None:
        """Raises WorkloadError where a density is not within 0 and 1."""
        for density in (weight_density, activation_density):
            if not 0 < density <= 1:
                raise WorkloadError(f"a density of {density} is not within 0 and 1; nearest: 0.1")
        self.sparch, self.densities = sparch, (weight_density, activation_density)

    @property
    def name(self) -> str:
        """``sparch`` or ``sparch-surrogate``."""
        return self.sparch.name

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of the machine and the densities."""
        from sim.cache import fingerprint

        return fingerprint("pruned linears", self.sparch.fingerprint, self.densities)

    def cost(self, batch: WorkloadBatch, *, breakdown: bool = False) -> CostTable:
        """Price the linear layers; MACs and parameters are those of the whole network."""
        words = {op.length for op in batch.operators if op.kind == "embedding"}
        chosen = [
            place
            for place, op in enumerate(batch.operators)
            if op.kind == "linear" and (op.bias or op.out_channels not in words)
        ]
        operators = [with_densities(batch.operators[place], *self.densities) for place in chosen]
        counts = batch.counts[:, chosen]
        linears = WorkloadBatch(operators, counts, batch.network_features, context=batch.context, names=batch.names)
        table = self.sparch.cost(linears, breakdown=breakdown)
        columns = {**table.columns, "macs": batch.macs, "params": batch.params}
        shares = 100 * (1 - linears.macs / np.maximum(batch.macs, 1))
        flags = [(f"not on SpArch, not priced: {share:.1f} % of the MACs",) for share in shares]
        return replace(table, columns=columns, flags=flags)
