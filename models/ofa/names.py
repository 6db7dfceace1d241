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
RESNET = "resnet50d"
_RESNET = {"max": (2, 0.35, 1.0), "mid": (1, 0.25, 0.8), "min": (0, 0.2, 0.65)}
_PLACES = {"max": -1, "mid": 1, "min": 0}


def lower(name: str, arch: str, size: Size | None) -> Network:
    """A network of the family ``ofa``. Raises InputError naming what is wrong and the nearest valid thing."""
    side = square(size, name) if size else None
    family = name.removeprefix("ofa/")
    if family == RESNET:
        return resnet_space.lower(resnet_architecture(arch, side))
    return lower_architecture(*architecture(family, arch, side))


def architecture(family: str, text: str, side: int | None = None) -> tuple[Space, Architecture]:
    """A space and the architecture that `text` says: max, mid, min, k5e4d3, a .json file; a name if of ``released``.

    side: resolution, else that of the file or the largest of the space. Nothing means max. Raises InputError naming the
    nearest valid thing.
    """
    one, found = released(text) if family == "released" else (space(family), _mobile(space(family), text or "max"))
    return one, Architecture(found.ks, found.e, found.d, side or found.r)


def resnet_architecture(text: str, side: int | None = None) -> ResNetArchitecture:
    """The same for ``resnet50d``: max, mid, min, or a .json file."""
    found = _resnet(text or "max")
    return ResNetArchitecture(found.d, found.e, found.w, side or found.r)


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
    if text in _PLACES:
        return one.uniform(*(choices[_PLACES[text]] for choices in (one.kernels, one.expansions, one.depths)))
    choice = re.fullmatch(r"k(\d)e(\d)d(\d)", text)
    if choice is None:
        near = nearest(text, [*_PLACES, "k5e4d3"])
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
