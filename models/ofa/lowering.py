"""From architectures to workloads: one network by its layers, a population by array operations.

A block is told by its stage, whether it is the first of it, kernel, expansion and the side of its input. There are some
hundreds of those, whatever the population; each is lowered once and kept, and a network is a row of counts of blocks.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np

from models.ofa.architecture import Architecture, Population
from models.ofa.pieces import Array, assemble
from models.ofa.space import Space
from models.zoo.builder import Builder, Tensor
from models.zoo.mbconv import MBConv, make_divisible
from sim.fusion import fuse
from sim.network import Network
from sim.workload import Context, WorkloadBatch


def lower(space: Space, arch: Architecture) -> Network:
    """The operators of one network. Raises InputError where `arch` is not of `space`."""
    space.validate(arch)
    net = Builder(space.in_channels, arch.r, arch.r)
    x = _stem(space, net, net.input)
    active = space.active(Population.of([arch]))[0]
    for slot, stage in enumerate(space.stage_of_slot):
        if active[slot]:
            first = space.position_of_slot[slot] == 0
            x = _block(space, stage, first, arch.ks[slot], arch.e[slot]).lower(net, x)
    _head(space, net, x)
    return net.build()


def lower_population(
    space: Space, population: Population, *, fusion: Iterable[str] = (), context: Context | None = None
) -> WorkloadBatch:
    """A batch with a row for each network of `population`, whose choices must be those of `space`.

    fusion: names of rules of `sim.fusion`, applied within each block.
    """
    sides, side_of_row = np.unique(population.r, return_inverse=True)
    table = PieceNumbers(space, sides, tuple(fusion))
    ends = np.ones((len(population), 1), bool)
    used = np.hstack([ends, space.active(population), ends])
    return assemble(table.columns(population, side_of_row), used, table.lower, context)


class PieceNumbers:
    """Numbers of the pieces that networks of some resolutions can hold: stems, groups of blocks, heads."""

    def __init__(self, space: Space, resolutions: Array, fusion: tuple[str, ...]) -> None:
        self.space, self.fusion = space, fusion
        self.choices = len(space.kernels) * len(space.expansions)
        self._groups: dict[tuple[int, bool, int], int] = {}
        self._ends: dict[tuple[str, int], int] = {}
        slots = len(space.stage_of_slot)
        self._bases = np.zeros((len(resolutions), slots), np.int64)
        last = []
        for row, resolution in enumerate(resolutions):
            side = _strided(int(resolution), space.stem_stride)
            for slot, (stage, position) in enumerate(zip(space.stage_of_slot, space.position_of_slot, strict=True)):
                key = (stage, position == 0, side)
                self._bases[row, slot] = self._groups.setdefault(key, len(self._groups)) * self.choices
                if position == 0:
                    side = _strided(side, space.strides[stage])
            last.append(side)
        blocks = len(self._groups) * self.choices
        stems = [self._ends.setdefault(("stem", int(one)), len(self._ends)) for one in resolutions]
        heads = [self._ends.setdefault(("head", side), len(self._ends)) for side in last]
        self._stems, self._heads = np.array(stems, np.int64) + blocks, np.array(heads, np.int64) + blocks
        self._group_keys, self._end_keys = list(self._groups), list(self._ends)

    @property
    def size(self) -> int:
        """Pieces in all."""
        return len(self._group_keys) * self.choices + len(self._end_keys)

    def columns(self, population: Population, side_of_row: Array) -> Array:
        """Networks x (stem, slots, head): numbers of pieces."""
        kernels, expansions = _places(self.space.kernels), _places(self.space.expansions)
        choice = kernels[population.ks] * len(self.space.expansions) + expansions[population.e]
        middle = self._bases[side_of_row] + choice
        return np.hstack([self._stems[side_of_row][:, None], middle, self._heads[side_of_row][:, None]])

    def lower(self, number: int) -> Network:
        """The piece of a number."""
        group, choice = divmod(number, self.choices)
        if group >= len(self._group_keys):
            what, side = self._end_keys[number - len(self._group_keys) * self.choices]
            return (_stem_piece if what == "stem" else _head_piece)(self.space, side, self.fusion)
        kernel, expansion = divmod(choice, len(self.space.expansions))
        stage, first, side = self._group_keys[group]
        return _block_piece(self.space, stage, first, kernel, expansion, side, self.fusion)


def _places(choices: tuple[int, ...]) -> Array:
    """Array from a choice to its place among the choices."""
    places = np.zeros(max(choices) + 1, np.int64)
    places[list(choices)] = np.arange(len(choices))
    return places


def _strided(side: int, stride: int) -> int:
    return (side - 1) // stride + 1


@functools.cache
def _stem_piece(space: Space, resolution: int, fusion: tuple[str, ...]) -> Network:
    net = Builder(space.in_channels, resolution, resolution)
    _stem(space, net, net.input)
    return fuse(net.build(), fusion)


@functools.cache
def _head_piece(space: Space, side: int, fusion: tuple[str, ...]) -> Network:
    net = Builder(space.widths[-1], side, side)
    _head(space, net, net.input)
    return fuse(net.build(), fusion)


@functools.cache
def _block_piece(
    space: Space, stage: int, first: bool, kernel: int, expansion: int, side: int, fusion: tuple[str, ...]
) -> Network:
    before = (space.first, *space.widths)[stage if first else stage + 1]
    net = Builder(before, side, side)
    _block(space, stage, first, space.kernels[kernel], space.expansions[expansion]).lower(net, net.input)
    return fuse(net.build(), fusion)


def _stem(space: Space, net: Builder, x: Tensor) -> Tensor:
    """3x3, and the fixed first block of expansion 1."""
    x = net.conv_norm(x, space.stem, 3, space.stem_stride, function=space.functions[0])
    return MBConv(space.first, space.stem, 3, 1, space.functions[1], skip=space.first_skip).lower(net, x)


def _block(space: Space, stage: int, first: bool, kernel: int, expansion: int) -> MBConv:
    before = (space.first, *space.widths)[stage if first else stage + 1]
    mid = make_divisible(round(before * expansion))
    squeezed = make_divisible(mid // 4) if space.squeeze[stage] else 0
    stride = space.strides[stage] if first else 1
    return MBConv(space.widths[stage], mid, kernel, stride, space.functions[stage + 2], squeezed)


def _head(space: Space, net: Builder, x: Tensor) -> Tensor:
    """1x1, mean, feature mix without bias, classes; or 1x1 to the feature mix, mean, classes."""
    function = space.functions[-1]
    if space.expand:
        x = net.conv_norm(x, space.expand, 1, function=function)
        x = net.activation(net.conv(net.pool_to(x, "mean", functional=True), space.mix, 1), function)
    else:
        x = net.pool_to(net.conv_norm(x, space.mix, 1, function=function), "mean", functional=True)
    return net.linear(x, space.classes)
