"""MLPerf Tiny v1.1 results on microcontrollers: four reference networks, latency and energy, int8.

ResNet-8 (CIFAR-10), DS-CNN (keyword spotting), MobileNetV1 0.25 at 96x96 (person detection), fully connected
auto-encoder (anomaly detection). With four networks a device is anchored, not fitted; a network measured under two
versions of the runtime is one group, so that "left out" means that no version of it was seen.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from sim.errors import InputError, nearest
from sim.mobile_cost.converters.blocks import conv
from sim.mobile_cost.rows import number, read_rows
from sim.mobile_cost.tables import Measurements
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch


def resnet8() -> list[Operator]:
    """12.5 M MACs, 32x32x3."""
    shape = (3, 32, 32)
    ops = [conv(shape, 16, 3, activation="relu"), conv((16, 32, 32), 16, 3, activation="relu")]
    ops.append(conv((16, 32, 32), 16, 3, activation="relu", join=True))
    before, side = 16, 32
    for out in (32, 64):
        half = side // 2
        ops += [conv((before, side, side), out, 3, 2, activation="relu"), conv((before, side, side), out, 1, 2)]
        ops.append(conv((out, half, half), out, 3, activation="relu", join=True))
        before, side = out, half
    return [*ops, Operator("pool", (64, 8, 8), size=(1, 1), function="average"), _dense(64, 10)]


def ds_cnn() -> list[Operator]:
    """2.7 M MACs, 49x10x1."""
    ops = [Operator("conv2d", (1, 49, 10), 64, (10, 4), (2, 2), (4, 1, 5, 1), bias=True)]
    for _ in range(4):
        ops += [conv((64, 25, 5), 64, 3, 1, 64, "relu"), conv((64, 25, 5), 64, activation="relu")]
    return [*ops, Operator("pool", (64, 25, 5), size=(1, 1), function="average"), _dense(64, 12)]


def mobilenet_quarter() -> list[Operator]:
    """MobileNetV1, a quarter of the width, 96x96x3: 7.5 M MACs."""
    ops, before, side = [conv((3, 96, 96), 8, 3, 2, activation="relu")], 8, 48
    for out, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)):
        ops.append(conv((before, side, side), before, 3, stride, before, "relu"))
        side = -(-side // stride)
        ops.append(conv((before, side, side), out, activation="relu"))
        before = out
    return [*ops, Operator("pool", (256, 3, 3), size=(1, 1), function="average"), _dense(256, 2)]


def auto_encoder() -> list[Operator]:
    """264 k MACs, 640 inputs."""
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    return [_dense(before, after) for before, after in itertools.pairwise(widths)]


def _dense(before: int, after: int) -> Operator:
    return Operator("linear", (1, before), after, bias=True)


NETWORKS = {
    "Anomaly Detection": auto_encoder,
    "Image Classification": resnet8,
    "Keyword Spotting": ds_cnn,
    "Person Detection": mobilenet_quarter,
}


def read(path: Path) -> list[Measurements]:
    """mlperf_tiny: a set for each board and runtime."""
    rows = read_rows(path, ("board", "runtime", "model", "latency_ms", "energy_uj"))
    sets: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        if row["model"] not in NETWORKS:
            raise InputError(f"{path}: no network {row['model']!r}{nearest(row['model'], NETWORKS)}")
        sets.setdefault((row["board"], row["runtime"]), []).append(row)
    measured = []
    for (board, runtime), members in sets.items():
        batch = WorkloadBatch.of(
            [NETWORKS[row["model"]]() for row in members],
            context=Context(dtype="float32"),
            names=[row["model"] for row in members],
        ).with_context(Context(dtype="int8"))
        measured.append(
            Measurements(
                f"{board}-{runtime}".lower().replace("_", "-"),
                "mlperf_tiny_v11",
                batch,
                np.array([number(row, "latency_ms", path) for row in members]) / 1e3,
                energy_j=np.array([number(row, "energy_uj", path) for row in members]) / 1e6,
                group=np.array([list(NETWORKS).index(row["model"]) for row in members]),
                space="mlperf_tiny",
            )
        )
    return measured
