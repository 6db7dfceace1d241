"""Generators by name: a width (``ngf64``), ``full``, or channel numbers joined by underscores."""

from __future__ import annotations

import re

from models.gan.generators import ResNetGenerator, SpadeGenerator
from models.gan.munit import MunitGenerator
from models.zoo.registry import Size
from sim.errors import InputError
from sim.network import Network


def lower(name: str, arch: str, size: Size) -> Network:
    """A network of the family ``gan``. Raises InputError naming what is wrong and what would do."""
    what = name.removeprefix("gan/")
    if what in ("resnet_9blocks", "mobile_resnet"):
        legacy = arch.startswith("legacy:")
        channels, _ = _channels(name, arch.removeprefix("legacy:") or "ngf64", 8)
        return ResNetGenerator(channels, separable=what == "mobile_resnet", legacy=legacy).lower(*size)
    channels, full = _channels(name, arch or "full", 10 if what == "munit" else 8)
    if what == "munit":
        return MunitGenerator(channels, separable=not full).lower(*size)
    city = what == "spade"
    return SpadeGenerator(channels, separable=not full, semantic=36 if city else 184, more=city).lower(*size)


def _channels(name: str, text: str, count: int) -> tuple[tuple[int, ...], bool]:
    """Channel numbers, and whether this is the dense original."""
    if text == "full":
        return (64,) * count, True
    if re.fullmatch(r"ngf\d{1,4}", text) and int(text[3:]):
        return (int(text[3:]),) * count, False
    if re.fullmatch(r"\d{1,4}(_\d{1,4})+", text):
        return tuple(int(number) for number in text.split("_")), False
    example = "_".join(["32"] * count)
    raise InputError(f"{name}: no architecture {text!r}; nearest: ngf64, full, or {count} numbers such as {example}")
