"""Small synthetic devices and networks with a known truth, shared by the tests of the device model."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.mobile_cost.converters.blocks import conv, mbconv
from sim.mobile_cost.kernel_model import KernelModel
from sim.mobile_cost.tables import Measurements
from sim.mobile_cost.terms import PRIOR, SORT
from sim.operator import Operator
from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

PEAK, BANDWIDTH, LAUNCH = 10e9, 8e9, 20e-6


def device(peak: float = PEAK, bandwidth: float = BANDWIDTH, launch: float = LAUNCH) -> KernelModel:
    """A device that is exactly the prior on three scales."""
    return KernelModel(PRIOR * np.array([1 / peak, 1 / bandwidth, launch])[SORT])


def network(rng: np.random.Generator) -> list[Operator]:
    """A random small mobile network."""
    side, channels = int(rng.choice([28, 32, 56])), 16
    ops = [conv((3, 2 * side, 2 * side), channels, 3, 2, activation="relu")]
    for _ in range(int(rng.integers(2, 8))):
        out, stride = int(rng.choice([16, 24, 32, 48])), int(rng.choice([1, 1, 2]))
        kernel, ratio = int(rng.choice([3, 5, 7])), int(rng.choice([3, 4, 6]))
        ops += mbconv((channels, side, side), out, channels * ratio, kernel, stride, activation="relu")
        channels, side = out, -(-side // stride)
        if rng.random() < 0.3:
            ops.append(conv((channels, side, side), channels, 3))
    return [
        *ops,
        Operator("pool", (channels, side, side), size=(1, 1), function="average"),
        Operator("linear", (1, channels), 100),
    ]


def measurements(count: int, seed: int = 0, noise: float = 0.0, kernel: KernelModel | None = None) -> Measurements:
    """`count` random networks on a device, with log-normal noise; energy is 2 W and 30 pJ a MAC."""
    rng = np.random.default_rng(seed)
    batch = WorkloadBatch.of([network(rng) for _ in range(count)])
    seconds = (kernel or device()).seconds(batch) * np.exp(noise * rng.standard_normal(count))
    return Measurements(
        "synthetic",
        "synthetic",
        batch,
        seconds,
        energy_j=2.0 * seconds + 30e-12 * batch.macs,
        group=np.arange(count),
    )
