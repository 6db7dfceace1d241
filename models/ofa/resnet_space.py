"""The search space OFAResNets (ResNet50D): depth, bottleneck expansion, and width of the stem and of each stage.

d: skip of the middle stem convolution (it is kept where d[0] is the largest depth choice), then blocks that each stage
has beyond its base depth. e: bottleneck width over output width, for each of 18 block slots. w: width multipliers of
the inner stem, the stem and the four stages. Facts: Once-for-All, the released code.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.ofa.pieces import Array, assemble
from models.zoo.builder import Builder, Tensor
from models.zoo.mbconv import make_divisible
from sim.errors import InputError
from sim.fusion import fuse
from sim.network import Network
from sim.workload import Context, WorkloadBatch

WIDTHS = (256, 512, 1024, 2048)
BASE_DEPTHS = (2, 2, 4, 2)
STRIDES = (1, 2, 2, 2)
DEPTHS = (0, 1, 2)
EXPANSIONS = (0.2, 0.25, 0.35)
MULTIPLIERS = (0.65, 0.8, 1.0)
RESOLUTIONS = tuple(range(128, 225, 4))
SLOTS = tuple(base + max(DEPTHS) for base in BASE_DEPTHS)
STAGE_OF_SLOT = tuple(stage for stage, slots in enumerate(SLOTS) for _ in range(slots))
POSITION_OF_SLOT = tuple(position for slots in SLOTS for position in range(slots))
_PLACES = ((-1, 0), *zip(STAGE_OF_SLOT, POSITION_OF_SLOT, strict=True), (len(WIDTHS), 0))
"""Stage and position of the stem, of each slot, of the head."""


@dataclass(frozen=True)
class ResNetArchitecture:
    """d: 5 depths; e: 18 expansions; w: 6 width multipliers; r: side of the input."""

    d: tuple[int, ...]
    e: tuple[float, ...]
    w: tuple[float, ...]
    r: int

    @classmethod
    def of(cls, record: dict[str, Any]) -> ResNetArchitecture:
        """From ``{"d": [...], "e": [...], "w": [...], "r": 224}``; `w` may hold places among the choices, as published
        files do (0, 1, 2)."""
        side = record["r"][0] if isinstance(record["r"], list) else record["r"]
        places = all(value in (0, 1, 2) and isinstance(value, int) for value in record["w"])
        widths = tuple(MULTIPLIERS[value] if places else float(value) for value in record["w"])
        return cls(tuple(map(int, record["d"])), tuple(map(float, record["e"])), widths, int(side))

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {"d": list(self.d), "e": list(self.e), "w": list(self.w), "r": self.r}


@dataclass(frozen=True)
class ResNetPopulation:
    """Many as arrays of places among the choices (d: of depths themselves) and sides r."""

    d: Array
    e: Array
    w: Array
    r: Array

    @classmethod
    def of(cls, architectures: Iterable[ResNetArchitecture]) -> ResNetPopulation:
        """Stack architectures of the space."""
        many = list(architectures)
        e = [[EXPANSIONS.index(value) for value in one.e] for one in many]
        w = [[MULTIPLIERS.index(value) for value in one.w] for one in many]
        columns = ([one.d for one in many], e, w, [one.r for one in many])
        return cls(*(np.array(column, np.int64) for column in columns))

    def __len__(self) -> int:
        return len(self.r)

    def __getitem__(self, row: int) -> ResNetArchitecture:
        return ResNetArchitecture(
            tuple(int(value) for value in self.d[row]),
            tuple(EXPANSIONS[value] for value in self.e[row]),
            tuple(MULTIPLIERS[value] for value in self.w[row]),
            int(self.r[row]),
        )


def uniform(depth: int, expansion: float, multiplier: float, resolution: int = 224) -> ResNetArchitecture:
    """The network with the same choice everywhere."""
    arch = ResNetArchitecture((depth,) * 5, (expansion,) * len(STAGE_OF_SLOT), (multiplier,) * 6, resolution)
    return validate(arch)


def validate(arch: ResNetArchitecture) -> ResNetArchitecture:
    """`arch` itself. Raises InputError naming what is wrong and the nearest choice."""
    for key, length, choices in (("d", 5, DEPTHS), ("e", len(STAGE_OF_SLOT), EXPANSIONS), ("w", 6, MULTIPLIERS)):
        values = getattr(arch, key)
        if len(values) != length:
            raise InputError(f"resnet50d: {key!r} needs {length} values, got {len(values)}")
        for slot, value in enumerate(values):
            if value not in choices:
                close = min(choices, key=lambda choice: abs(choice - value))
                raise InputError(f"resnet50d: {key}[{slot}] is {value}, not one of {choices}; nearest: {close}")
    if arch.r < 32:
        raise InputError(f"resnet50d: resolution {arch.r} is below 32")
    return arch


def size() -> int:
    """Networks of the space at one resolution, exactly: what is not used does not count."""
    stages = [sum(len(EXPANSIONS) ** (base + depth) for depth in DEPTHS) for base in BASE_DEPTHS]
    return 2 * math.prod([len(MULTIPLIERS)] * 6 + stages)


def sample(count: int, rng: np.random.Generator) -> ResNetPopulation:
    """`count` networks, every choice uniform by itself."""
    d, e, w = (rng.integers(0, 3, (count, columns)) for columns in (5, len(STAGE_OF_SLOT), 6))
    return ResNetPopulation(d, e, w, np.array(RESOLUTIONS, np.int64)[rng.integers(0, len(RESOLUTIONS), count)])


def lower(arch: ResNetArchitecture) -> Network:
    """The operators of one network. Raises InputError where `arch` is not of the space."""
    validate(arch)
    net = Builder(3, arch.r, arch.r)
    x = stem(net, net.input, *stem_widths(arch.w[0], arch.w[1]), keep_middle=keeps_middle(arch))
    for slot in active_slots(arch):
        stage = STAGE_OF_SLOT[slot]
        out, stride = stage_width(stage, arch.w[2 + stage]), 1 if POSITION_OF_SLOT[slot] else STRIDES[stage]
        x = bottleneck_d(net, x, out, middle_width(out, arch.e[slot]), stride)
    net.linear(net.pool_to(x, "mean", functional=True), 1000)
    return net.build()


def lower_population(
    population: ResNetPopulation, *, fusion: Iterable[str] = (), context: Context | None = None
) -> WorkloadBatch:
    """A batch with a row for each network. A block is told by stage, place in it, widths, expansion and side.

    fusion: names of rules of `sim.fusion`, applied within each block.
    """
    rules = tuple(fusion)
    resolutions, row_of = np.unique(population.r, return_inverse=True)
    sides = np.array([_sides(int(resolution)) for resolution in resolutions], np.int64).reshape(-1, len(_PLACES))
    rows, shape = len(population), (int(sides.max(initial=0)) + 1, len(_PLACES), 2, 3, 3, 3)
    stages, positions = np.array(STAGE_OF_SLOT), np.array(POSITION_OF_SLOT)
    before, own, expansion = (np.zeros((rows, len(_PLACES)), np.int64) for _ in range(3))
    before[:, 0], own[:, 0], own[:, -1] = population.w[:, 0], population.w[:, 1], population.w[:, -1]
    before[:, 1:-1] = population.w[:, np.where(positions == 0, 1 + stages, 2 + stages)]
    own[:, 1:-1], expansion[:, 1:-1] = population.w[:, 2 + stages], population.e
    columns = (sides * len(_PLACES) + np.arange(len(_PLACES)))[row_of] * 2  # side, place, then one choice after another
    columns[:, 0] += population.d[:, 0] == max(DEPTHS)
    for choice in (before, own, expansion):
        columns = columns * 3 + choice
    used = np.ones((rows, len(_PLACES)), bool)
    used[:, 1:-1] = positions < np.array(BASE_DEPTHS)[stages] + population.d[:, 1 + stages]

    def piece(number: int) -> Network:
        side, place, keep, before, own, expansion = (int(value) for value in np.unravel_index(number, shape))
        return _fused_piece(side, place, keep, before, own, expansion, rules)

    return assemble(columns, used, piece, context)


def _sides(resolution: int) -> list[int]:
    """Side of the input of the stem, of each slot, of the head."""
    halves = [resolution]
    for _ in range(5):
        halves.append((halves[-1] - 1) // 2 + 1)
    places = zip(STAGE_OF_SLOT, POSITION_OF_SLOT, strict=True)
    return [resolution, *(halves[2 + max(0, stage - (position == 0))] for stage, position in places), halves[5]]


@functools.cache
def _fused_piece(
    side: int, place: int, keep: int, before: int, own: int, expansion: int, fusion: tuple[str, ...]
) -> Network:
    return fuse(_piece(side, place, keep, before, own, expansion), fusion)


def _piece(side: int, place: int, keep: int, before: int, own: int, expansion: int) -> Network:
    stage, position = _PLACES[place]
    if stage < 0:
        net = Builder(3, side, side)
        widths = stem_widths(MULTIPLIERS[before], MULTIPLIERS[own])
        stem(net, net.input, *widths, keep_middle=bool(keep))
        return net.build()
    out = stage_width(min(stage, 3), MULTIPLIERS[own])
    if stage == 4:
        net = Builder(out, side, side)
        net.linear(net.pool_to(net.input, "mean", functional=True), 1000)
        return net.build()
    base = WIDTHS[stage] if position else (64, *WIDTHS)[stage]
    net = Builder(make_divisible(base * MULTIPLIERS[before]), side, side)
    bottleneck_d(net, net.input, out, middle_width(out, EXPANSIONS[expansion]), 1 if position else STRIDES[stage])
    return net.build()


def keeps_middle(arch: ResNetArchitecture) -> bool:
    """Whether the middle convolution of the stem is there."""
    return arch.d[0] == max(DEPTHS)


def active_slots(arch: ResNetArchitecture) -> list[int]:
    """The block slots that are there, in order."""
    places = enumerate(zip(STAGE_OF_SLOT, POSITION_OF_SLOT, strict=True))
    return [slot for slot, (stage, position) in places if position < BASE_DEPTHS[stage] + arch.d[1 + stage]]


def stage_width(stage: int, multiplier: float) -> int:
    """Output channels of a stage."""
    return make_divisible(WIDTHS[stage] * multiplier)


def middle_width(out: int, expansion: float) -> int:
    """Channels of the 3x3 of a bottleneck that gives `out`."""
    return make_divisible(round(out * expansion))


def stem_widths(inner: float, outer: float) -> tuple[int, int]:
    """Channels within the stem, and that it gives, from their multipliers."""
    return make_divisible(make_divisible(64 * inner) // 2), make_divisible(64 * outer)


def stem(net: Builder, x: Tensor, inner: int, outer: int, *, keep_middle: bool) -> Tensor:
    """Three 3x3 convolutions, the middle one residual and possibly left out, and a max pool."""
    x = net.conv_norm(x, inner, 3, 2, function="relu")
    if keep_middle:
        x = net.add(net.conv_norm(x, inner, 3, function="relu"), x)
    return net.pool(net.conv_norm(x, outer, 3, function="relu"), "max", 3, 2, padding=1)


def bottleneck_d(net: Builder, x: Tensor, out: int, mid: int, stride: int) -> Tensor:
    """A bottleneck with the stride in the 3x3; where the shape changes the shortcut is an average pool and a 1x1."""
    y = net.conv_norm(x, mid, 1, function="relu")
    y = net.conv_norm(net.conv_norm(y, mid, 3, stride, function="relu"), out, 1)
    if stride != 1 or x.shape[0] != out:
        shortcut = net.pool(x, "avg_ceil", stride, stride) if stride != 1 else x
        x = net.conv_norm(shortcut, out, 1)
    return net.activation(net.add(y, x), "relu")


def resnet50d(resolution: int) -> Network:
    """The plain ResNet50D of the Once-for-All repository: stem 32, 32, 64 without residual, depths 3, 4, 6, 3."""
    net = Builder(3, resolution, resolution)
    x = net.conv_norm(net.conv_norm(net.input, 32, 3, 2, function="relu"), 32, 3, function="relu")
    x = net.pool(net.conv_norm(x, 64, 3, function="relu"), "max", 3, 2, padding=1)
    for stage, repeats in enumerate((3, 4, 6, 3)):
        for position in range(repeats):
            x = bottleneck_d(net, x, WIDTHS[stage], WIDTHS[stage] // 4, 1 if position else STRIDES[stage])
    net.linear(net.pool_to(x, "mean", functional=True), 1000)
    return net.build()
