"""Real CNNs of mobile-ml-benchmark: end-to-end times, described by the operator rows of the GPU tables.

The operator tables list convolutions, pools, concatenations and dense layers with shapes, and the name of the kernel
that ran, from which joined operators (additions, norms, activations, gates) are read. On a CPU under TF-Lite a ReLU is
part of the convolution before it; the others are kernels of their own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sim.errors import InputError
from sim.mobile_cost.converters.blocks import conv, followed
from sim.mobile_cost.rows import number, read_rows
from sim.mobile_cost.tables import Measurements
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch

_NAMES = {"hard_swish": "hswish", "relu": "relu", "sigmoid": "sigmoid"}
_FAMILIES = {
    "resnet": ("resnet", "preresnet", "seresnet", "sepreresnet", "resnetbc", "preresnetbc", "diracnet"),
    "mobilenet": ("mobilenet", "mobilenetb", "fdmobilenet"),
    "mobilenetv2": ("mobilenetv2", "mobilenetv2b"),
    "regnet": ("regnetx", "regnety"),
    "squeezenet": ("squeezenet", "squeezeresnet"),
}


def family(model: str) -> str:
    """Family of a CNN of the set: ``mobilenetv3_small_w1`` -> ``mobilenetv3``, ``seresnet18`` -> ``resnet``."""
    match = re.match(r"mobilenetv\d|[a-z]+", model)
    stem = match.group() if match else model
    for name, members in _FAMILIES.items():
        if stem in members or (stem == "mobilenetv2b"):
            return "mobilenetv2" if stem == "mobilenetv2b" else name
    return stem


def _whole(feature: Mapping[str, object], name: str) -> int:
    try:
        return int(float(str(feature.get(name, "0"))))
    except ValueError:
        return 0


def _links(row: Mapping[str, str]) -> list[str]:
    """What is joined to a kernel, from the longest of the kernels' names."""
    longest: list[str] = []
    for column, text in row.items():
        if column.endswith("|kernel"):
            found = [re.sub(r"_?\d+$", "", part.strip("_")) for part in text.split("linked_:")[1:]]
            longest = max(longest, found, key=len)
    return longest


def operators(rows: list[dict[str, str]]) -> list[Operator]:
    """Operators of one CNN from its rows, in their order."""
    found: list[Operator] = []
    gated: tuple[int, ...] = ()
    for row in rows:
        feature = ast.literal_eval(row["feature"])
        op = _main(row["operation"], feature)
        links = _links(row)
        if row["operation"] == "MEAN":
            gated = op.shape
        out = op.output_shape
        if links and links[0] == "relu" and op.kind == "conv2d":
            op, links = followed(op, "relu"), links[1:]
            gate = bool(links) and links[0] == "mul" and out[1:] == (1, 1)
        else:
            gate = bool(links) and links[0] == "sigmoid" and out[1:] == (1, 1)
        found.append(op)
        if gate and gated and gated[0] == out[0]:
            found.append(Operator("activation", out, function="sigmoid"))
            found.append(Operator("elementwise", gated, others=(out,), function="mul"))
            continue
        found += _joined(links, out)
    return found


def _joined(links: list[str], out: tuple[int, ...]) -> list[Operator]:
    ops: list[Operator] = []
    normed = False
    for link in links:
        if link == "mul":
            ops.append(Operator("norm", out, function="batch", affine=True))
            normed = True
        elif link == "add" and normed:
            normed = False
        elif link == "add":
            ops.append(Operator("elementwise", out, others=(out,), function="add"))
        elif link == "relu" and ops:
            ops[-1] = followed(ops[-1], "relu")
        elif link in _NAMES:
            ops.append(Operator("activation", out, function=_NAMES[link]))
    return ops


def _main(operation: str, feature: Mapping[str, object]) -> Operator:
    side, channels, out = (_whole(feature, name) for name in ("Input_shape", "Input_channel", "Output_shape"))
    stride, kernel = max(_whole(feature, "Stride"), 1), max(_whole(feature, "Kernel"), 1)
    filters, groups = _whole(feature, "Filter"), max(_whole(feature, "Group"), 1)
    if operation == "FULLY_CONNECTED":
        return Operator("linear", (1, channels), filters, bias=True)
    shape = (channels, max(side, 1), max(side, 1))
    if operation in ("CONV_2D", "CONV_2D_GROUP"):
        return conv(shape, filters, kernel, stride, groups=groups if operation != "CONV_2D" else 1, same=out)
    if operation == "DEPTHWISE_CONV_2D":
        return conv(shape, channels * max(filters, 1), kernel, stride, groups=channels, same=out)
    if operation == "MEAN" or (operation.endswith("POOL_2D") and out == 1):
        return Operator("pool", shape, size=(1, 1), function="average")
    if operation.endswith("POOL_2D"):
        return Operator("pool", shape, size=(out, out), function=operation[:3].lower())
    if operation == "CONCATENATION":
        rest = max(filters - channels, 1)
        return Operator("concat", shape, others=((rest, shape[1], shape[2]),))
    raise InputError(f"operation {operation!r} is not one of this table")


def read(path: Path, operator_tables: Sequence[Path]) -> list[Measurements]:
    """An end-to-end file and the operator tables that describe its networks: a set for each phone, cores and dtype.

    Of several operator tables the first that knows a network is used.

    Raises InputError for a network without operator rows.
    """
    by_model: dict[str, list[dict[str, str]]] = {}
    for table in operator_tables:
        here: dict[str, list[dict[str, str]]] = {}
        for row in read_rows(table, ("model", "operation", "feature")):
            here.setdefault(row["model"], []).append(row)
        by_model = {**here, **by_model}
    rows = read_rows(path, ("model",))
    for row in rows:
        if row["model"] not in by_model:
            raise InputError(f"{operator_tables[0]}: no operator rows of {row['model']!r}")
    lowered = [operators(by_model[row["model"]]) for row in rows]
    names = [row["model"] for row in rows]
    plain = WorkloadBatch.of(lowered, names=names)
    measured = []
    for column in rows[0]:
        if not column.endswith("|mean"):
            continue
        phone, cores, dtype, _ = column.split("|")
        seconds = np.array([number(row, column, path) for row in rows]) / 1e6
        if np.isfinite(seconds).sum() < 10:
            continue
        context = Context(dtype="int8" if dtype == "quant" else "float32")
        measured.append(
            Measurements(
                f"{phone}-{cores}-{'int8' if dtype == 'quant' else 'float'}",
                path.stem.removesuffix("_heldout").removesuffix("_e2e"),
                plain.with_context(context),
                seconds,
                group=np.arange(len(rows)),
                family=[family(name) for name in names],
            )
        )
    return measured
