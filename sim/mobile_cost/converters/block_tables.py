"""Operator tables of the once-for-all and ProxylessNAS kind: one measured time for each block of a network.

Columns: resolution, op, in_h … out_c, expand, kernel, stride, idskip, se, h_swish, mean_ms. `expand` is the number of
middle channels in the MobileNetV3 tables and a ratio in the ProxylessNAS ones (the file's name says which). Rows that
a source copied from another device (`copied_from_note10`) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.mobile_cost.converters.blocks import conv, mbconv
from sim.mobile_cost.rows import number, read_rows
from sim.mobile_cost.tables import Measurements
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch

COLUMNS = ("resolution", "op", "in_h", "in_w", "in_c", "out_h", "out_c", "expand", "kernel", "stride", "mean_ms")
DEVICES = {
    "note10_ofa_mbv3_w12": "note10",
    "pixel1_proxyless_mobilenetv2": "pixel1",
    "jetson_gpu_ofa_mbv3_w12": "jetson-gpu",
    "jetson_cpu_ofa_mbv3_w12": "jetson-cpu",
    "zynq_dpu_ofa_proxyless": "zynq-dpu",
}
_INT8 = ("zynq_dpu_ofa_proxyless",)
"""Tables of quantised networks; the others ran in float32."""


def block(row: Mapping[str, str], *, ratio: bool) -> list[Operator]:
    """Operators of one row; `ratio`: whether `expand` is a ratio."""
    height, width, channels, out = (int(row[name]) for name in ("in_h", "in_w", "in_c", "out_c"))
    shape, op = (channels, height, width), row["op"]
    activation = "relu6" if ratio else "hswish" if row["h_swish"] != "0" else "relu"
    if op == "Conv":
        return [conv(shape, out, 3, 2, activation=activation)]
    if op == "AvgPool2D":
        return [Operator("pool", shape, size=(1, 1), function="average")]
    if op == "Logits":
        pool = [Operator("pool", shape, size=(1, 1), function="average")] if height > 1 else []
        return [*pool, Operator("linear", (1, channels), out, bias=True)]
    if op != "expanded_conv":
        return [conv(shape, out, activation=activation)]
    expand = int(row["expand"])
    mid = expand * channels if ratio else expand
    return mbconv(
        shape,
        out,
        mid,
        int(row["kernel"]),
        int(row["stride"]),
        activation=activation,
        se=row["se"] == "1",
        skip=row["idskip"] == "1",
        expand=mid != channels or (not ratio and out != channels),
    )


def read(path: Path) -> Measurements:
    """One of the tables. Raises InputError: columns missing, a value that is no number."""
    rows = read_rows(path, COLUMNS)
    stem = path.stem.removesuffix("_heldout")
    ratio = "proxyless" in stem
    jetson = stem.startswith("jetson")
    kept = [row for row in rows if row.get("copied_from_note10", "0") != "1"]
    if jetson:
        kept = [row for row in kept if row["op"] == "expanded_conv"]
    names = [_name(row) for row in kept]
    batch = WorkloadBatch.of([block(row, ratio=ratio) for row in kept], names=names)
    batch = batch.with_context(Context(dtype="int8" if stem in _INT8 else "float32"))
    return Measurements(
        DEVICES.get(stem, stem),
        stem,
        batch,
        np.array([number(row, "mean_ms", path) for row in kept]) / 1e3,
        group=np.arange(len(kept)),
        family=[row["op"] for row in kept],
        resolution=np.array([int(row["resolution"]) for row in kept]),
        whole_network=False,
    )


def _name(row: Mapping[str, Any]) -> str:
    parts = [row[name] for name in ("op", "in_h", "in_c", "out_h", "out_c", "expand", "kernel", "stride")]
    return ":".join(str(part) for part in (row["resolution"], *parts))
