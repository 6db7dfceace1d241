"""Families of networks that can be searched, by name: each brings its spaces, its predictor and its words.

A family is a module with a function ``family() -> Family``; it is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

from models.search.constraint import Target
from models.search.delivery import Delivery
from models.search.objective import Objective
from models.search.space import SearchSpace
from sim.errors import ConfigError, nearest


class Family(Protocol):
    """What a search needs to know of a family."""

    @property
    def name(self) -> str:
        """As the command line names it."""
        ...

    @property
    def default_space(self) -> str:
        """The space that is searched where none is named."""
        ...

    def objective(self, space: str, predictor: str | None) -> Objective[Any]:
        """What scores networks of `space`: a file, or the predictor that ships. Raises InputError, ConfigError."""
        ...

    def space(self, name: str, resolutions: Sequence[int], objective: Objective[Any]) -> SearchSpace[Any]:
        """The space, at the resolutions that are named or, where none are, those that the objective knows."""
        ...

    def delivery(self, space: str, supernet: str | None, data: str | None) -> Delivery:
        """What makes networks of winners. supernet, data: weights and inputs other than those of the space. Raises
        InputError, ConfigError."""
        ...

    def published(self, targets: Sequence[Target]) -> dict[str, Any]:
        """What published networks of the family, and their rivals, cost on each device. Raises ConfigError."""
        ...


FAMILIES = {
    "gan": "models.gan.search",
    "lite-transformer": "models.lite_transformer.search",
    "ofa": "models.ofa.family",
}
"""Name of a family: the module that knows it."""


def family(name: str) -> Family:
    """A family by its name. Raises ConfigError naming the nearest one."""
    if name not in FAMILIES:
        raise ConfigError(f"no family {name!r} to search{nearest(name, FAMILIES) or '; nearest: ' + min(FAMILIES)}")
    found: Family = importlib.import_module(FAMILIES[name]).family()
    return found
