"""HELP / HW-NAS-Bench FBNet networks: 22 slots, nine operations, at 224 pixels (the paper's macro skeleton).

Columns pixel3, raspi4, eyeriss and fpga of this set are sums of block costs, not measurements of networks.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np

from sim.mobile_cost.converters.assembly import chains
from sim.mobile_cost.converters.blocks import conv
from sim.mobile_cost.converters.nb201 import batch_size
from sim.mobile_cost.tables import Measurements
from sim.operator import Operator
from sim.workload import Context

_CHANNELS = (16, *[24] * 4, *[32] * 4, *[64] * 4, *[112] * 4, *[184] * 4, 352)
_STRIDED = (1, 5, 9, 17)
_SIDE = 224


def lower(block: Any) -> list[Operator]:
    """Operators of a slot: grouped or plain expansion, depthwise, projection."""
    kind, *rest = block
    if kind == "stem":
        return [conv((3, _SIDE, _SIDE), 16, 3, 2, activation="relu", norm=True)]
    if kind == "head":
        channels, side = rest
        pool = Operator("pool", (1504, side, side), size=(1, 1), function="average")
        last = conv((channels, side, side), 1504, activation="relu", norm=True)
        return [last, pool, Operator("linear", (1, 1504), 1000, bias=True)]
    name, before, side, out, stride = rest
    if name == "skip":
        return [] if stride == 1 and before == out else [conv((before, side, side), out, 1, stride, norm=True)]
    kernel, expand, groups = int(name[1]), int(name.split("_e")[1][0]), 2 if name.endswith("g2") else 1
    mid, half = before * expand, -(-side // stride)
    return [
        conv((before, side, side), mid, groups=groups, activation="relu", norm=True),
        conv((mid, side, side), mid, kernel, stride, mid, "relu", norm=True),
        conv((mid, half, half), out, groups=groups, norm=True, join=stride == 1 and before == out),
    ]


def read(path: Path) -> list[Measurements]:
    """help_fbnet.npz: one set for each device."""
    with np.load(path, allow_pickle=False) as data:
        codes, names = data["op_idx"], [str(one) for one in data["op_name"]]
        devices, latency = [str(one) for one in data["device"]], data["latency_ms"]
    nets = []
    for code in codes:
        blocks: list[tuple[Hashable, int]] = [(("stem",), 1)]
        before, side = 16, _SIDE // 2
        for slot, out in enumerate(_CHANNELS):
            stride = 2 if slot in _STRIDED else 1
            blocks.append((("slot", names[code[slot]], before, side, out, stride), 1))
            before, side = out, -(-side // stride)
        nets.append([*blocks, (("head", before, side), 1)])
    plain = chains(nets, lower, context=Context())
    return [
        Measurements(
            name,
            "help_fbnet",
            plain.with_context(Context(batch_size=batch_size(name))),
            latency[:, column].astype(float) / 1e3,
            group=np.arange(len(codes)),
        )
        for column, name in enumerate(devices)
    ]
