"""Ultra96-v2 DPU block times; the name of a block holds its shape (``ResidualBlock-in_24x112x112-out_32-k_3-…``)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sim.errors import InputError
from sim.mobile_cost.converters.blocks import conv, mbconv
from sim.mobile_cost.rows import number, read_rows
from sim.mobile_cost.tables import Measurements
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch


def block(name: str) -> list[Operator]:
    """Operators of a block by its name. Raises InputError."""
    found = dict(re.findall(r"(in|out|k|e|s|act|use_se)[_-]([a-z_]+_?[a-z]*|[0-9x]+|True|False)", name))
    sizes = re.search(r"in[-_](\d+)(?:x(\d+)x(\d+))?", name)
    out = re.search(r"out[-_](\d+)", name)
    if sizes is None or out is None:
        raise InputError(f"{name!r} names no block")
    channels, width = int(sizes.group(1)), int(out.group(1))
    if name.startswith("Linear"):
        return [Operator("linear", (1, channels), width, bias=True)]
    shape = (channels, int(sizes.group(2)), int(sizes.group(3)))
    activation = "hswish" if "h_swish" in name else "relu"
    kernel = int(found.get("k", "1"))
    if name.startswith("Conv"):
        return [conv(shape, width, kernel, 2 if kernel == 3 else 1, activation=activation)]
    expand, stride = int(found["e"]), int(found["s"])
    return mbconv(
        shape,
        width,
        channels * expand,
        kernel,
        stride,
        activation=activation,
        se="use_se_True" in name,
        skip=stride == 1 and channels == width,
        expand=expand != 1,
    )


def read(path: Path) -> list[Measurements]:
    """ultra96_dpu_mbv3_blocks.csv."""
    rows = read_rows(path, ("block", "avg_ms"))
    names = [row["block"] for row in rows]
    batch = WorkloadBatch.of([block(name) for name in names], names=names).with_context(Context(dtype="int8"))
    seconds = np.array([number(row, "avg_ms", path) for row in rows]) / 1e3
    groups = np.arange(len(rows))
    return [Measurements("ultra96-dpu", "ultra96_dpu_mbv3_blocks", batch, seconds, group=groups, whole_network=False)]
