"""Axes of a design space: a setting and its values, or several settings that change together.

Text forms: ``merge_tree.ways=16,32,64``; for settings that go together, names and values with colons between them:
``prefetch.lines:prefetch.line_elements=4096:12,1024:48``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.errors import ConfigError

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """names: settings that change together; values: for each step, a value for every name."""

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    @property
    def label(self) -> str:
        """The names, as in the text form."""
        return ":".join(self.names)

    def steps(self) -> list[Settings]:
        """The settings of each step."""
        return [dict(zip(self.names, values, strict=True)) for values in self.values]


def parse_axis(text: str) -> Axis:
    """An axis from its text form. Raises ConfigError: no ``=``, unknown setting, value that does not fit, doublets."""
    from sim.sparch.config import parse_setting

    left, equals, right = text.partition("=")
    if not equals or not right.strip():
        raise ConfigError(f"axis {text!r} names no values; write KEY=VALUE,VALUE")
    names = tuple(name.strip() for name in left.split(":"))
    if len(set(names)) < len(names):
        raise ConfigError(f"axis {text!r} names a setting twice")
    steps = []
    for one in right.split(","):
        words = one.split(":")
        if len(words) != len(names):
            raise ConfigError(f"axis {text!r}: {one.strip()!r} has {len(words)} values for {len(names)} settings")
        steps.append(tuple(parse_setting(f"{name}={word}")[1] for name, word in zip(names, words, strict=True)))
    if len(set(steps)) < len(steps):
        raise ConfigError(f"axis {text!r} has a value twice")
    return Axis(names, tuple(steps))


def grid(axes: Sequence[Axis]) -> list[Settings]:
    """Settings of every combination of steps, the last axis changing fastest. Raises ConfigError for doublets."""
    names = [name for axis in axes for name in axis.names]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"setting {name!r} stands in two axes")
    return [
        {name: value for step in combination for name, value in step.items()}
        for combination in itertools.product(*(axis.steps() for axis in axes))
    ]


def one_at_a_time(axes: Sequence[Axis]) -> list[Settings]:
    """Settings of every step of every axis alone, all else left as it is."""
    return [step for axis in axes for step in axis.steps()]


PUBLISHED_SPACE = (
    "merge_tree.ways=2,4,8,16,32,64,128",
    "merge_tree.width:merge_tree.fifo_depth=1:8,2:8,4:12,8:24,16:48,32:96",
    "prefetch.lines:prefetch.line_elements=4096:12,2048:24,1024:48,512:96,256:192,2048:48,512:48",
    "lookahead.elements=1024,2048,4096,8192,16384,32768",
    "dram.channels=4,8,16,32",
    "multipliers.groups=1,2,4",
)
"""The design space of the SpArch paper: tree, merger, buffer shape, look-ahead; then memory and multipliers."""
