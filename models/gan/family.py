"""What a compressor has to know of generators: their channel space, how one is built, where it is distilled.

`ResNetFamily` and `SpadeFamily` are those of GAN Compression at any image size and number of blocks; a generator of a
user's own is an `models.gan.adapter.Adapter`. All of them are `Generators`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from models.gan.elastic import wide_layers
from models.gan.generators import BLOCKS, ResNetGenerator, SpadeGenerator
from models.gan.modules import ResNet
from models.gan.space import ChannelSpace
from models.gan.spade_modules import TAPS, Spade
from sim.errors import InputError
from sim.network import Network

Channels = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[np.int64]]


class Generators(Protocol):
    """Generators that differ in their channels only; the widest of the space holds all of them."""

    @property
    def space(self) -> ChannelSpace:
        """The channels that there are."""
        ...

    @property
    def taps(self) -> tuple[str, ...]:
        """Names of the modules whose outputs are distilled."""
        ...

    def build(self, channels: Channels) -> nn.Module:
        """A plain network, initialised."""
        ...

    def widths(self, channels: Channels) -> dict[str, int]:
        """Output channels of each convolution that is not depthwise, by name."""
        ...

    def lower(self, channels: Channels) -> Network:
        """Its operators at the size of the family."""
        ...

    def example(self) -> Tensor:
        """An input for one sample."""
        ...


@dataclass(frozen=True)
class ResNetFamily:
    """space: of 8 numbers. size: height and width of the images. separable: the mobile form."""

    space: ChannelSpace
    size: tuple[int, int]
    separable: bool = True
    blocks: int = BLOCKS

    def spec(self, channels: Channels, *, legacy: bool = False) -> ResNetGenerator:
        """The description of one generator. Raises InputError where `channels` are not of the right number."""
        if len(channels) == 8 or (len(channels) == 6 and legacy):
            return ResNetGenerator(channels, self.separable, legacy, self.blocks)
        raise InputError(wrong_length(channels))

    def build(self, channels: Channels) -> ResNet:
        return ResNet(self.spec(channels))

    @property
    def taps(self) -> tuple[str, ...]:
        return tuple(f"model.{9 + self.blocks // 3 * group}" for group in range(4))

    def widths(self, channels: Channels) -> dict[str, int]:
        self.spec(channels)
        return width_rule(self.build, len(channels)).widths(channels)

    def lower(self, channels: Channels) -> Network:
        return self.spec(channels).lower(*self.size)

    def example(self) -> Tensor:
        return torch.zeros(1, 3, *self.size)


@dataclass(frozen=True)
class SpadeFamily:
    """space: of 8 numbers. size: height and width. semantic: labels of the map. more: a latent grid of 1/64."""

    space: ChannelSpace
    size: tuple[int, int]
    separable: bool = True
    semantic: int = 36
    more: bool = False
    taps: tuple[str, ...] = TAPS

    def spec(self, channels: Channels) -> SpadeGenerator:
        """The description of one generator."""
        return SpadeGenerator(channels, self.separable, self.semantic, self.more)

    def build(self, channels: Channels) -> Spade:
        return Spade(self.spec(channels))

    def widths(self, channels: Channels) -> dict[str, int]:
        self.spec(channels)
        return width_rule(self.build, len(channels)).widths(channels)

    def lower(self, channels: Channels) -> Network:
        return self.spec(channels).lower(*self.size)

    def example(self) -> Tensor:
        return torch.zeros(1, self.semantic, *self.size)


@dataclass(frozen=True)
class WidthRule:
    """Output channels of each layer: fixed + slopes (layers x positions) @ channels."""

    names: tuple[str, ...]
    fixed: Array
    slopes: Array

    def widths(self, channels: Channels) -> dict[str, int]:
        """By name."""
        found = self.fixed + self.slopes @ np.array(channels, np.int64)
        return dict(zip(self.names, found.tolist(), strict=True))


@functools.lru_cache(maxsize=64)
def width_rule(build: Callable[[Channels], nn.Module], positions: int) -> WidthRule:
    """The rule of generators that `build` makes, whose layers are wide in proportion to a channel number, or fixed.

    It is read off one generator and one more for each position, so that a supernet, which asks for widths at every
    step, builds none.
    """

    def widths(channels: Channels) -> dict[str, int]:
        with torch.device("meta"):
            return {name: layer.out_channels for name, layer in wide_layers(build(channels)).items()}

    once = widths(uniform(1, positions))
    names, first = tuple(once), np.array(list(once.values()), np.int64)
    raised = [tuple(1 + (place == one) for place in range(positions)) for one in range(positions)]
    slopes = np.array([list(widths(channels).values()) for channels in raised], np.int64).T - first[:, None]
    return WidthRule(names, first - slopes.sum(axis=1), slopes)


def uniform(number: int, positions: int = 8) -> Channels:
    """The same number at all positions: what ngf means."""
    return (number,) * positions


def wrong_length(channels: Sequence[int]) -> str:
    """Why a configuration cannot be used, with both readings where it has six numbers."""
    if len(channels) != 6:
        return f"8 channel numbers are needed, got {len(channels)}: {'_'.join(map(str, channels))}"
    c = channels
    one = "_".join(str(number) for number in (*c[:4], c[3], c[3], *c[4:]))
    return (
        f"{'_'.join(map(str, c))} has 6 numbers, the older form with two readings: {one} (one inner width everywhere), "
        f"or legacy:{'_'.join(map(str, c))} (that width in blocks 1, 4 and 7 only, {4 * c[2]} channels in the others)"
    )
