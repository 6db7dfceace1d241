"""Search spaces of inverted bottlenecks: OFAMobileNetV3 (w 1.0, w 1.2), OFAProxylessNAS (w 1.3), and `mini`.

Each stage has up to 4 block slots; a slot chooses kernel and expansion, a stage its depth (the first d blocks are
kept), the network its resolution. Facts: Once-for-All, Cai et al., ICLR 2020, and the released code. Counting the
networks of a space counts what differs: slots beyond the depth do not.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.ofa.architecture import Architecture, Array, Population
from models.zoo.mbconv import make_divisible
from sim.errors import InputError, nearest

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)
DEPTHS = (2, 3, 4)
RESOLUTIONS = tuple(range(128, 225, 4))


@dataclass(frozen=True)
class Space:
    """One space. widths: of the stages; slots: most blocks of each stage; depths: choices of each stage.

    stem, first: channels of the stem and of the fixed first block. expand: of the last 1x1 before the pool, 0 for none.
    mix: of the feature mix. functions: activation of stem and first block, then of each stage, then of the head.
    least_side: smallest resolution that is taken. momentum, epsilon: of the batch norms.
    """

    name: str
    stem: int
    first: int
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    slots: tuple[int, ...]
    squeeze: tuple[bool, ...]
    functions: tuple[str, ...]
    expand: int
    mix: int
    first_skip: bool = True
    kernels: tuple[int, ...] = KERNELS
    expansions: tuple[int, ...] = EXPANSIONS
    depths: tuple[int, ...] = DEPTHS
    resolutions: tuple[int, ...] = RESOLUTIONS
    in_channels: int = 3
    classes: int = 1000
    stem_stride: int = 2
    least_side: int = 32
    momentum: float = 0.1
    epsilon: float = 1e-5
    stage_of_slot: tuple[int, ...] = field(init=False)
    position_of_slot: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        pairs = [(stage, position) for stage, slots in enumerate(self.slots) for position in range(slots)]
        object.__setattr__(self, "stage_of_slot", tuple(stage for stage, _ in pairs))
        object.__setattr__(self, "position_of_slot", tuple(position for _, position in pairs))

    @property
    def elastic_stages(self) -> int:
        """Stages whose depth is chosen: those with more than one slot; they come first."""
        return sum(slots > 1 for slots in self.slots)

    @property
    def size(self) -> int:
        """Networks of the space at one resolution, exactly."""
        choices = len(self.kernels) * len(self.expansions)
        sizes = [sum(choices**depth for depth in self._depths(stage)) for stage in range(len(self.slots))]
        product = 1
        for size in sizes:
            product *= size
        return product

    def _depths(self, stage: int) -> tuple[int, ...]:
        return self.depths if self.slots[stage] > 1 else (1,)

    def validate(self, arch: Architecture) -> Architecture:
        """`arch` itself. Raises InputError naming what is wrong, the slot and the nearest choice."""
        slots = len(self.stage_of_slot)
        lengths = (("ks", slots), ("e", slots), ("d", self.elastic_stages))
        for key, length in lengths:
            if len(getattr(arch, key)) != length:
                raise InputError(f"{self.name}: {key!r} needs {length} values, got {len(getattr(arch, key))}")
        for key, choices in (("ks", self.kernels), ("e", self.expansions), ("d", self.depths)):
            for slot, value in enumerate(getattr(arch, key)):
                if value not in choices:
                    close = min(choices, key=lambda choice: abs(choice - value))
                    raise InputError(f"{self.name}: {key}[{slot}] is {value}, not one of {choices}; nearest: {close}")
        if arch.r < self.least_side:
            raise InputError(f"{self.name}: resolution {arch.r} is below {self.least_side}")
        return arch

    def uniform(self, kernel: int, expansion: int, depth: int, resolution: int | None = None) -> Architecture:
        """The network with the same choice in every slot, by default at the largest resolution."""
        slots, side = len(self.stage_of_slot), resolution or self.resolutions[-1]
        arch = Architecture((kernel,) * slots, (expansion,) * slots, (depth,) * self.elastic_stages, side)
        return self.validate(arch)

    @property
    def largest(self) -> Architecture:
        """The network of the largest choices."""
        return self.uniform(self.kernels[-1], self.expansions[-1], self.depths[-1])

    @property
    def smallest(self) -> Architecture:
        """The network of the smallest choices."""
        return self.uniform(self.kernels[0], self.expansions[0], self.depths[0], self.resolutions[0])

    def middle_channels(self, slot: int, expansion: int) -> int:
        """Channels of the depthwise convolution of a slot."""
        stage = self.stage_of_slot[slot] + (self.position_of_slot[slot] > 0)
        return make_divisible(round((self.first, *self.widths)[stage] * expansion))

    def sample(self, count: int, rng: np.random.Generator, *, resolutions: tuple[int, ...] = ()) -> Population:
        """`count` networks, every choice uniform by itself; `resolutions` instead of those of the space."""
        slots = len(self.stage_of_slot)
        return Population(
            _draw(rng, self.kernels, (count, slots)),
            _draw(rng, self.expansions, (count, slots)),
            _draw(rng, self.depths, (count, self.elastic_stages)),
            _draw(rng, resolutions or self.resolutions, (count,)),
        )

    def sample_spread(self, count: int, rng: np.random.Generator) -> Population:
        """`count` networks from small to large: uniform choices, of many slots together, hardly leave the middle.

        A network draws a lean t from [-2, 2]; it takes a choice of kernel, expansion and depth, its place among the
        others scaled to x in [-1, 1], with probability ~ exp(t x). The resolution is uniform.
        """
        lean, slots = rng.uniform(-2.0, 2.0, count), len(self.stage_of_slot)
        return Population(
            _draw_leaning(rng, self.kernels, (count, slots), lean),
            _draw_leaning(rng, self.expansions, (count, slots), lean),
            _draw_leaning(rng, self.depths, (count, self.elastic_stages), lean),
            _draw(rng, self.resolutions, (count,)),
        )

    def mutate(
        self, parents: Population, rng: np.random.Generator, probability: float = 0.1, *, resolution: bool = True
    ) -> Population:
        """Each slot drawn anew (kernel and expansion together) with `probability`, so each depth and the resolution."""
        fresh = self.sample(len(parents), rng)
        slots = rng.random(parents.ks.shape) < probability
        stages = rng.random(parents.d.shape) < probability
        sides = (rng.random(len(parents)) < probability) & resolution
        return Population(
            np.where(slots, fresh.ks, parents.ks),
            np.where(slots, fresh.e, parents.e),
            np.where(stages, fresh.d, parents.d),
            np.where(sides, fresh.r, parents.r),
        )

    def cross(self, mothers: Population, fathers: Population, rng: np.random.Generator) -> Population:
        """Uniform crossover: each kernel, expansion, depth and resolution from either parent."""
        columns = []
        for key in ("ks", "e", "d", "r"):
            mother, father = getattr(mothers, key), getattr(fathers, key)
            columns.append(np.where(rng.random(mother.shape) < 0.5, mother, father))
        return Population(*columns)

    def encode(self, population: Population) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Features of an accuracy predictor: one-hot kernels of all slots, then expansions, then resolution.

        Slots beyond the depth are zero, so that the depth is implied. The resolution is one-hot where it is one of the
        space, and shared between its two neighbours, by distance, where it is not.
        """
        active = self.active(population)
        parts = []
        for values, choices in ((population.ks, self.kernels), (population.e, self.expansions)):
            hot = (values[:, :, None] == np.array(choices)) & active[:, :, None]
            parts.append(hot.reshape(len(population), -1).astype(np.float32))
        sides = np.array(self.resolutions, np.float64)
        place = np.interp(population.r, sides, np.arange(len(sides)))
        hats = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(len(sides))))
        return np.hstack([*parts, hats.astype(np.float32)])

    def active(self, population: Population) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Networks x slots: whether the slot is within the depth of its stage."""
        depth = np.ones((len(population), len(self.slots)), np.int64)
        depth[:, : self.elastic_stages] = population.d
        active: np.ndarray[Any, np.dtype[np.bool_]] = np.array(self.position_of_slot) < np.repeat(
            depth, self.slots, axis=1
        )
        return active


def _draw(rng: np.random.Generator, choices: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    return np.array(choices, np.int64)[rng.integers(0, len(choices), shape)]


def _draw_leaning(
    rng: np.random.Generator, choices: tuple[int, ...], shape: tuple[int, int], lean: np.ndarray[Any, np.dtype[Any]]
) -> Array:
    weights = np.exp(lean[:, None] * np.linspace(-1.0, 1.0, len(choices)))
    sums = np.cumsum(weights, axis=1)
    drawn = rng.random(shape) * sums[:, -1:]
    places: Array = (drawn[:, :, None] >= sums[:, None, :-1]).sum(axis=2)
    return np.take(np.array(choices, np.int64), places)


def _mobilenet_v3(width: float) -> Space:
    stem, first, *stages, expand, mix = (
        make_divisible(base * width) for base in (16, 16, 24, 40, 80, 112, 160, 960, 1280)
    )
    return Space(
        f"mbv3-w{width}",
        stem,
        first,
        tuple(stages),
        strides=(2, 2, 2, 1, 2),
        slots=(4,) * 5,
        squeeze=(False, True, False, True, True),
        functions=("h_swish", "relu", "relu", "relu", "h_swish", "h_swish", "h_swish", "h_swish"),
        expand=expand,
        mix=mix,
    )


def _proxyless(width: float) -> Space:
    stem, first, *stages, mix = (make_divisible(base * width) for base in (32, 16, 24, 40, 80, 96, 192, 320, 1280))
    return Space(
        f"proxyless-w{width}",
        stem,
        first,
        tuple(stages),
        strides=(2, 2, 2, 1, 2, 1),
        slots=(4, 4, 4, 4, 4, 1),
        squeeze=(False,) * 6,
        functions=("relu6",) * 9,
        expand=0,
        mix=mix,
        first_skip=False,
        epsilon=1e-3,
    )


def _mini() -> Space:
    """For grey images of about 28 pixels and ten classes; small enough to be trained on two CPU cores.

    The stem keeps all pixels but is thin, since depthwise convolutions and batch norms of large planes cost a CPU most.
    """
    return Space(
        "mini",
        stem=8,
        first=8,
        widths=(16, 32, 64),
        strides=(2, 2, 2),
        slots=(3,) * 3,
        squeeze=(False,) * 3,
        functions=("relu",) * 6,
        expand=0,
        mix=256,
        kernels=(3, 5),
        expansions=(3, 4),
        depths=(1, 2, 3),
        resolutions=(24, 26, 28),
        in_channels=1,
        classes=10,
        stem_stride=1,
        least_side=16,
    )


SPACES = {space.name: space for space in (_mobilenet_v3(1.0), _mobilenet_v3(1.2), _proxyless(1.3), _mini())}
"""The released spaces and `mini`, by name."""


def space(name: str) -> Space:
    """A space by its name. Raises InputError naming the nearest one."""
    if name not in SPACES:
        raise InputError(f"no search space {name!r}{nearest(name, SPACES)}")
    return SPACES[name]


def super_net_params(one: Space, largest: int) -> int:
    """Parameters of the super-net: its largest network and, for each slot, the kernel transforms 7 -> 5 -> 3."""
    pairs = itertools.pairwise(sorted(one.kernels))
    return largest + len(one.stage_of_slot) * sum(small**4 for small, _ in pairs)
