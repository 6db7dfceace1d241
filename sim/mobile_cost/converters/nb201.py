"""NAS-Bench-201 cells as operators, and the two sets measured on them: HELP and HW-NAS-Bench-360.

Macro skeleton: 3x3 stem to 16 channels, three stages of five cells with 16, 32, 64 channels, two residual blocks that
halve the image between them, norm, global pool, classifier. Each edge of a cell is one of none, skip, 1x1, 3x3
(ReLU-conv-norm) and 3x3 average pooling.

Three lowerings. ``eager``: everything runs, dead branches too; ``none`` multiplies by zero, every node sums all
its edges. ``traced``: the same, but equal operators on the same input run once, and norms are folded. ``graph``: a
converter has moreover removed what the output does not need (and still runs what is fed with zeros).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import InputError
from sim.mobile_cost.converters.blocks import conv
from sim.mobile_cost.tables import Measurements
from sim.network import INPUT, Network
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
VARIANTS = ("eager", "traced", "graph")
_STAGES = (16, 32, 64)
_CELLS = 5


def parse(text: str) -> tuple[int, ...]:
    """Operation of each of `EDGES`. Raises InputError."""
    names = re.findall(r"([a-z_0-9]+)~\d", text)
    try:
        codes = tuple(OPERATIONS.index(name) for name in names)
    except ValueError:
        codes = ()
    if len(codes) != len(EDGES):
        raise InputError(f"{text!r} is no NAS-Bench-201 cell of six edges")
    return codes


def _operators(shape: tuple[int, int, int], *, eager: bool) -> dict[str, Operator]:
    """The few operators that cells of one stage are made of."""
    return {
        "conv_1x1": conv(shape, shape[0], 1, norm=eager),
        "conv_3x3": conv(shape, shape[0], 3, norm=eager),
        "pool": Operator("pool", shape, kernel=(3, 3), padding=(1, 1, 1, 1), function="average"),
        "relu": Operator("activation", shape, function="relu"),
        "sum": Operator("elementwise", shape, others=(shape,), function="add"),
        "zero": Operator("elementwise", shape, others=((1, 1, 1),), function="mul"),
    }


def _needed(codes: tuple[int, ...]) -> list[bool]:
    """Whether the output of the cell needs each edge (an edge that carries only zeros is still run)."""
    needed = [False, False, False, True]
    for code, (start, end) in reversed(list(zip(codes, EDGES, strict=True))):
        needed[start] |= bool(code) and needed[end]
    return [bool(code) and needed[end] for code, (_, end) in zip(codes, EDGES, strict=True)]


def cell(codes: tuple[int, ...], variant: str) -> tuple[list[str], list[tuple[int, ...]]]:
    """Names of the operators of a cell in order, and what each takes from (-1: the input of the cell)."""
    names: list[str] = []
    inputs: list[tuple[int, ...]] = []
    nodes = {0: INPUT}
    shared: dict[tuple[str, int], int] = {}

    def add(name: str, *sources: int, once: bool = False) -> int:
        if once and (name, sources[0]) in shared:
            return shared[name, sources[0]]
        names.append(name)
        inputs.append(sources)
        shared[name, sources[0]] = len(names) - 1
        return len(names) - 1

    eager = variant == "eager"
    wanted = _needed(codes) if variant == "graph" else [True] * len(EDGES)
    for node in (1, 2, 3):
        results = []
        for code, (start, end), run in zip(codes, EDGES, wanted, strict=True):
            if end != node or not run:
                continue
            before = nodes.get(start, INPUT)
            if code == 0:
                results.append(add("zero", before, once=not eager))
            elif code == 1:
                results.append(before)
            elif code == 4:
                results.append(add("pool", before, once=not eager))
            else:
                active = add("relu", before, once=not eager)
                results.append(add("conv_1x1" if code == 2 else "conv_3x3", active))
        if results:
            total = add("sum", results[0]) if eager else results[0]  # Python's sum() starts with 0 + first
            for other in results[1:]:
                total = add("sum", total, other)
            nodes[node] = total
    return names, inputs


def skeleton(image: tuple[int, int, int], classes: int, *, eager: bool) -> list[Operator]:
    """All operators outside the cells: stem, the two residual reductions, head."""
    shape = (_STAGES[0], image[1], image[2])
    ops = [conv(image, shape[0], 3, norm=eager)]
    for out in _STAGES[1:]:
        half = (out, -(-shape[1] // 2), -(-shape[2] // 2))
        pooled = Operator("pool", shape, kernel=(2, 2), stride=(2, 2), function="average_ceil")
        relu = (Operator("activation", one, function="relu") for one in (shape, half))
        first, second = conv(shape, out, 3, 2, norm=eager), conv(half, out, 3, norm=eager)
        side = conv((shape[0], *half[1:]), out)
        ops += [*relu, first, second, pooled, side, Operator("elementwise", half, others=(half,), function="add")]
        shape = half
    ops.append(Operator("norm", shape, function="batch", affine=True))
    ops.append(Operator("activation", shape, function="relu"))
    ops.append(Operator("pool", shape, size=(1, 1), function="average"))
    ops.append(Operator("linear", (1, shape[0]), classes, bias=True))
    return ops


def lower(
    texts: Array, image: tuple[int, int, int], classes: int, context: Context | None = None
) -> dict[str, WorkloadBatch]:
    """All lowerings of many cells. image: channels, height, width."""
    codes = [parse(str(text)) for text in texts]
    return {name: _lower(codes, image, classes, context, name) for name in VARIANTS}


def _lower(
    codes: list[tuple[int, ...]],
    image: tuple[int, int, int],
    classes: int,
    context: Context | None,
    variant: str,
) -> WorkloadBatch:
    from scipy.sparse import csr_array

    eager = variant == "eager"
    frame = skeleton(image, classes, eager=eager)
    shape, stages = (_STAGES[0], image[1], image[2]), []
    for out in _STAGES:
        if out != shape[0]:
            shape = (out, -(-shape[1] // 2), -(-shape[2] // 2))
        stages.append(_operators(shape, eager=eager))
    column: dict[Operator, int] = {}
    for op in [*frame, *(op for stage in stages for op in stage.values())]:
        column.setdefault(op, len(column))
    fixed = np.zeros(len(column), np.int64)
    np.add.at(fixed, [column[op] for op in frame], 1)
    kinds = list(stages[0])
    counts = np.zeros((len(codes), len(kinds)), np.int64)
    extra = np.zeros((len(codes), 2), np.int64)
    seen: dict[tuple[int, ...], tuple[Array, Array]] = {}
    for row, code in enumerate(codes):
        if code not in seen:
            names, inputs = cell(code, variant)
            net = Network(tuple(stages[0][name] for name in names), tuple(inputs))
            seen[code] = (
                np.array([names.count(kind) for kind in kinds]),
                np.array([net.peak_activation_bytes, net.critical_path_operators]),
            )
        counts[row], extra[row] = seen[code]
    table = np.tile(fixed, (len(codes), 1))
    for stage in stages:
        table[:, [column[stage[kind]] for kind in kinds]] += _CELLS * counts
    features = {
        "peak_activation_bytes": np.maximum(extra[:, 0], frame[0].bytes_written * 2),
        "kernel_launches": table.sum(1),
        "critical_path_operators": len(frame) + len(_STAGES) * _CELLS * extra[:, 1],
        "serial_steps": np.ones(len(codes), np.int64),
    }
    return WorkloadBatch(tuple(column), csr_array(table), features, context=context)


def read_help(path: Path) -> list[Measurements]:
    """help_nb201.npz: one set for each device."""
    with np.load(path, allow_pickle=False) as data:
        texts, devices, latency, groups = data["arch_str"], data["device"], data["latency_ms"], data["rep_idx"]
    measured = []
    lowered: dict[int, dict[str, WorkloadBatch]] = {}
    for column, name in enumerate(devices):
        size = batch_size(str(name))
        if size not in lowered:
            plain = lowered[min(lowered)] if lowered else lower(texts, (3, 32, 32), 10, Context())
            lowered[size] = {key: one.with_context(Context(batch_size=size)) for key, one in plain.items()}
        variants = lowered[size]
        seconds = latency[:, column].astype(float) / 1e3
        seconds[seconds < 0.5e-3] = np.nan
        measured.append(
            Measurements(
                str(name),
                "help_nb201",
                variants["eager"],
                seconds,
                group=groups,
                variants=variants,
                fit_limit=900,
                may_be_empty=True,
            )
        )
    return measured


def batch_size(device: str) -> int:
    """The batch in a HELP device name (``titan_rtx_256``), 1 without one (``samsung_s7``, ``essential_ph_1``)."""
    tail = device.rpartition("_")[2]
    return int(tail) if tail in ("32", "64", "256") else 1


_TASKS = {"cifar100": ((3, 32, 32), 100), "ninapro": ((1, 16, 52), 18), "darcy": ((1, 85, 85), 1)}


def read_360(path: Path) -> list[Measurements]:
    """hwnasbench360_nb201.npz: a set for each configuration and task, with energy where measured."""
    with np.load(path, allow_pickle=False) as data:
        texts, latency, energy = data["arch_str"], data["latency_ms"], data["energy_mj"]
        configurations, tasks = [str(one) for one in data["config"]], [str(one) for one in data["task"]]
        groups = data["arch_idx"]
    measured = []
    for place, task in enumerate(tasks):
        image, classes = _TASKS[task]
        variants = lower(texts, image, classes, Context())
        for column, configuration in enumerate(configurations):
            joules = energy[:, column, place].astype(float) / 1e3
            measured.append(
                Measurements(
                    configuration.replace("|", "-"),
                    f"hwnasbench360_{task}",
                    variants["graph"],
                    latency[:, column, place].astype(float) / 1e3,
                    energy_j=joules if np.isfinite(joules).any() else np.zeros(0),
                    group=groups,
                    variants=variants,
                    space="hwnasbench360",
                    may_be_empty=True,
                )
            )
    return measured
