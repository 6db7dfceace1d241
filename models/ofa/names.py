"""Once-for-All networks by name: max, mid, min, one choice for all slots, a file, or a published network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from models.ofa import resnet_space
from models.ofa.architecture import Architecture
from models.ofa.lowering import lower as lower_architecture
from models.ofa.resnet_space import ResNetArchitecture
from models.ofa.space import Space, space
from models.zoo.registry import Size, square
from sim.errors import InputError, nearest
from sim.network import Network

A = TypeVar("A", Architecture, ResNetArchitecture)
_RESNET = {"max": (2, 0.35, 1.0), "mid": (1, 0.25, 0.8), "min": (0, 0.2, 0.65)}
_UNIFORM = {"max": "k7e6d4", "mid": "k5e4d3", "min": "k3e3d2"}


def lower(name: str, arch: str, size: Size | None) -> Network:
    """A network of the family ``ofa``. Raises InputError naming what is wrong and the nearest valid thing."""
    side = square(size, name) if size else None
    family = name.removeprefix("ofa/")
    if family == "released":
        one, found = released(arch)
        return lower_architecture(one, _at(found, side))
    if family == "resnet50d":
        return resnet_space.lower(_at_resnet(_resnet(arch or "max"), side))
    return lower_architecture(space(family), _at(_mobile(space(family), arch or "max"), side))


def released_names() -> list[str]:
    """Names of the published specialised networks."""
    return list(_released())


def released(name: str) -> tuple[Space, Architecture]:
    """A published specialised network: its space and architecture. Raises InputError naming the nearest one."""
    record = _released().get(name)
    if record is None:
        raise InputError(f"no published network {name!r}{nearest(name, _released())}")
    return space(record["space"]), Architecture.of(record)


def _released() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("models.ofa") / "released.json").read_text(encoding="utf-8"))
    return found


def _mobile(one: Space, text: str) -> Architecture:
    if text.endswith(".json"):
        return _from_file(text, Architecture.of)
    choice = re.fullmatch(r"k(\d)e(\d)d(\d)", _UNIFORM.get(text, text))
    if choice is None:
        near = nearest(text, [*_UNIFORM, "k5e4d3"])
        raise InputError(
            f"{one.name}: no architecture {text!r}; max, mid, min, k5e4d3 and the like, or a .json file{near}"
        )
    return one.uniform(*(int(number) for number in choice.groups()))


def _resnet(text: str) -> ResNetArchitecture:
    if text.endswith(".json"):
        return _from_file(text, ResNetArchitecture.of)
    if text not in _RESNET:
        raise InputError(f"resnet50d: no architecture {text!r}; max, mid, min, or a .json file{nearest(text, _RESNET)}")
    return resnet_space.uniform(*_RESNET[text])


def _from_file(path: str, read: Callable[[dict[str, Any]], A]) -> A:
    try:
        return read(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"cannot read {path!r}: {error.strerror or error}") from None
    except KeyError as error:
        raise InputError(f"{path!r} has no key {error}") from None
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path!r} is no architecture: {error}") from None


def _at(arch: Architecture, side: int | None) -> Architecture:
    return Architecture(arch.ks, arch.e, arch.d, side) if side else arch


def _at_resnet(arch: ResNetArchitecture, side: int | None) -> ResNetArchitecture:
    return ResNetArchitecture(arch.d, arch.e, arch.w, side) if side else arch
