"""Does a network fit: peak activations and weights against a device's memory.

Peak activations come from the workload (liveness of every tensor in the given order, `sim.network`). A
microcontroller keeps weights in flash and activations in SRAM; elsewhere both share one memory. Runtimes need a
working area besides: the largest im2col buffer of a convolution where they use one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost.terms import kernel_class
from sim.operator_counts import volume

if TYPE_CHECKING:
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Memory:
    """Bytes of each network: activations at their peak, weights, working area of its largest kernel."""

    activation_bytes: Array
    weight_bytes: Array
    scratch_bytes: Array

    def fits(self, ram_bytes: int, flash_bytes: int | None = None) -> Array:
        """Whether each network fits; with `flash_bytes` its weights lie there, else in the same memory."""
        working = self.activation_bytes + self.scratch_bytes
        if flash_bytes is None:
            together: Array = working + self.weight_bytes <= ram_bytes
            return together
        apart: Array = (working <= ram_bytes) & (self.weight_bytes <= flash_bytes)
        return apart


def memory(batch: WorkloadBatch, *, im2col_columns: int = 0) -> Memory:
    """Memory of each network of `batch`. im2col_columns: output pixels unrolled at once (CMSIS-NN: 2); 0: none."""
    scratch = np.zeros(len(batch.operators), np.int64)
    for position, op in enumerate(batch.operators):
        for part in op.parts:
            if im2col_columns and kernel_class(part) in ("conv_kxk", "conv_stem", "conv_grouped"):
                unrolled = im2col_columns * part.shape[0] * volume(part.kernel)
                scratch[position] = max(scratch[position], unrolled * part.activation_bits // 8)
    counts = batch.counts
    largest = np.zeros(len(batch), np.int64)
    for row in range(len(batch)) if scratch.any() else ():
        largest[row] = scratch[counts.indices[counts.indptr[row] : counts.indptr[row + 1]]].max(initial=0)
    return Memory(batch.peak_activation_bytes, batch.weight_bytes, largest)
