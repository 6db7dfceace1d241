"""Once-for-all sub-networks: HELP's set on server GPUs, and the released specialised networks.

OFAMobileNetV3, width 1.0 or 1.2: facts in the paper's code. `ks`, `e` of 20 slots, depth of five stages, resolution.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.mobile_cost.converters.assembly import chains
from sim.mobile_cost.converters.blocks import conv, divisible, mbconv
from sim.mobile_cost.converters.nb201 import batch_size
from sim.mobile_cost.rows import number, read_rows
from sim.mobile_cost.tables import Measurements
from sim.operator import Operator
from sim.workload import Context

Array = np.ndarray[Any, np.dtype[Any]]

_WIDTHS = (16, 16, 24, 40, 80, 112, 160, 960, 1280)
_STRIDES = (2, 2, 2, 1, 2)
_SE = (False, True, False, True, True)
_ACTIVATIONS = ("relu", "relu", "hswish", "hswish", "hswish")
HELP_WIDTH = 1.2


def slots(ks: Array, e: Array, d: Array, resolution: int, width: float) -> list[tuple[Hashable, int]]:
    """Blocks of an OFAMobileNetV3 sub-network, as `lower` takes them."""
    stem, first, *stages, expanded, mixed = (divisible(width * channels) for channels in _WIDTHS)
    side = -(-resolution // 2)
    blocks: list[tuple[Hashable, int]] = [
        (("conv", 3, resolution, stem, 3, 2, "hswish"), 1),
        (("mb", stem, side, first, stem, 3, 1, "relu", False, stem == first, False), 1),
    ]
    before = first
    for stage, out in enumerate(stages):
        for slot in range(int(d[stage])):
            position = 4 * stage + slot
            stride = _STRIDES[stage] if slot == 0 else 1
            mid = divisible(round(before * int(e[position])))
            skip = stride == 1 and before == out
            kernel, activation = int(ks[position]), _ACTIVATIONS[stage]
            blocks.append((("mb", before, side, out, mid, kernel, stride, activation, _SE[stage], skip, True), 1))
            side, before = -(-side // stride), out
    blocks.append((("conv", before, side, expanded, 1, 1, "hswish"), 1))
    blocks.append((("head", expanded, side, mixed, "hswish"), 1))
    return blocks


def lower(block: Any, *, norm: bool) -> list[Operator]:
    """Operators of a block of `slots`. norm: with separate norms, as an eager runtime runs them."""
    kind, *rest = block
    if kind == "conv":
        channels, side, out, kernel, stride, activation = rest
        return [conv((channels, side, side), out, kernel, stride, activation=activation, norm=norm)]
    if kind == "head":
        channels, side, mixed, activation = rest
        mix = [conv((channels, 1, 1), mixed, activation=activation)] if mixed else []
        pool = Operator("pool", (channels, side, side), size=(1, 1), function="average")
        return [pool, *mix, Operator("linear", (1, mixed or channels), 1000, bias=True)]
    channels, side, out, mid, kernel, stride, activation, se, skip, expand = rest
    shape = (channels, side, side)
    return mbconv(shape, out, mid, kernel, stride, activation=activation, se=se, skip=skip, norm=norm, expand=expand)


def read_help(path: Path) -> list[Measurements]:
    """help_ofa_mbv3.npz: one set for each device and batch size."""
    with np.load(path, allow_pickle=False) as data:
        ks, e, d, r = data["ks"], data["e"], data["d"], data["r"]
        devices, latency = [str(one) for one in data["device"]], data["latency_ms"]
    nets = [slots(ks[row], e[row], d[row], int(r[row]), HELP_WIDTH) for row in range(len(r))]
    plain = chains(nets, lambda block: lower(block, norm=True), context=Context())
    return [
        Measurements(
            name,
            "help_ofa_mbv3",
            plain.with_context(Context(batch_size=batch_size(name))),
            latency[:, column].astype(float) / 1e3,
            group=np.arange(len(r)),
            resolution=r.astype(np.int64),
        )
        for column, name in enumerate(devices)
    ]


def read_specialised(path: Path) -> list[Measurements]:
    """ofa_specialized.csv: a set for each device and batch size, latencies in whole milliseconds."""
    rows = read_rows(path, ("net_id", "device", "batch", "latency_ms", "resolution", "kernel", "mid", "out", "stride"))
    sets: dict[tuple[str, int], list[dict[str, str]]] = {}
    for row in rows:
        if row["device"] and row["latency_ms"]:
            sets.setdefault((row["device"], int(float(row["batch"]))), []).append(row)
    measured = []
    for (device, size), members in sorted(sets.items()):
        batch = chains(
            [_specialised(row) for row in members],
            lambda block: lower(block, norm=True),
            context=Context(batch_size=size),
            names=[row["net_id"] for row in members],
        )
        seconds = np.array([number(row, "latency_ms", path) for row in members]) / 1e3
        measured.append(
            Measurements(
                f"{device}_{size}" if size > 1 else device,
                "ofa_specialized",
                batch,
                seconds,
                group=np.arange(len(members)),
                family=[row["family"] for row in members],
                resolution=np.array([int(row["resolution"]) for row in members]),
            )
        )
    return measured


def _specialised(row: Mapping[str, str]) -> list[tuple[Hashable, int]]:
    lists = {name: json.loads(row[name]) for name in ("kernel", "mid", "out", "stride", "se", "act", "skip", "expand")}
    resolution, stem = int(row["resolution"]), int(row["first_conv_out"])
    v3 = "MobileNetV3" in row["family"]
    activation = "hswish" if v3 else "relu6"
    side, before = -(-resolution // 2), stem
    blocks: list[tuple[Hashable, int]] = [(("conv", 3, resolution, stem, 3, 2, activation), 1)]
    for place, mid in enumerate(lists["mid"]):
        kernel, out, stride = (int(lists[name][place]) for name in ("kernel", "out", "stride"))
        act, se, skip = str(lists["act"][place]).replace("h_swish", "hswish"), lists["se"][place], lists["skip"][place]
        expand = float(lists["expand"][place]) != 1
        blocks.append((("mb", before, side, out, int(mid), kernel, stride, act, bool(se), bool(skip), expand), 1))
        side, before = -(-side // stride), out
    last = int(row["last"])
    wide = divisible(960 * last / 1280) if v3 else last
    blocks.append((("conv", before, side, wide, 1, 1, activation), 1))
    blocks.append((("head", wide, side, last if v3 else 0, activation), 1))
    return blocks
