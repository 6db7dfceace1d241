"""The channel spaces of GAN Compression: for each position of an architecture, the numbers it may take.

Sizes are exact. Facts: the configurations that the released code ships.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.errors import InputError, nearest


@dataclass(frozen=True)
class ChannelSpace:
    """choices: for each position, from widest to narrowest. family: the generator that it belongs to."""

    name: str
    family: str
    choices: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Architectures of the space, exactly."""
        return math.prod(len(one) for one in self.choices)

    def validate(self, channels: tuple[int, ...]) -> tuple[int, ...]:
        """`channels` themselves. Raises InputError naming the position and the nearest choice."""
        if len(channels) != len(self.choices):
            raise InputError(f"{self.name}: {len(self.choices)} channel numbers are needed, got {len(channels)}")
        for position, (number, allowed) in enumerate(zip(channels, self.choices, strict=True)):
            if number not in allowed:
                close = min(allowed, key=lambda choice: abs(choice - number))
                raise InputError(f"{self.name}: c{position} is {number}, not one of {allowed}; nearest: {close}")
        return channels


_C48, _C32 = (48, 40, 32), (32, 24, 16)
_C64, _FAST = (64, 48, 40, 32), (64, 56, 48, 40, 32, 24, 16)
SPACES = {
    one.name: one
    for one in (
        ChannelSpace("resnet-channels-32", "resnet", (_C32,) * 8),
        ChannelSpace("resnet-channels-48", "resnet", ((48, 32),) * 2 + (_C48,) * 4 + ((48, 32, 24, 16),) * 2),
        ChannelSpace("resnet-channels-64-cyclegan", "resnet", ((64, 48, 32, 24, 16),) * 8),
        ChannelSpace("resnet-channels-64-pix2pix", "resnet", (_FAST,) * 8),
        ChannelSpace("spade-channels-48", "spade", (_C48,) * 5 + ((*_C48, 24),) * 3),
        ChannelSpace("spade-channels-64", "spade", (_C64,) * 5 + ((*_C64, 24),) * 3),
        ChannelSpace("spade-channels-64-coco", "spade", ((*_C64, 24),) * 8),
        ChannelSpace("munit-channels-64", "munit", (_FAST,) * 10),
    )
}
"""The released spaces by name."""


def space(name: str) -> ChannelSpace:
    """A space by its name. Raises InputError naming the nearest one."""
    if name not in SPACES:
        raise InputError(f"no channel space {name!r}{nearest(name, SPACES)}")
    return SPACES[name]
