"""Deterministic stand-ins for benchmark matrices that cannot be reached; their names end in ``~``.

Each is fitted to published figures of its original and to nothing else: rows, entries and longest row exactly,
multiplications of A·A within 3 %, nnz(C) within 6 %, mean column span of a row within 10 %, similarity of
neighbouring rows within 0.05. No simulator was run on a stand-in to choose its parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.suitesparse.standins.build import Check, check, make_standin
    from benchmarks.suitesparse.standins.recipe import StandinSpec, find_standin, standin, standin_names

__all__ = ["Check", "StandinSpec", "check", "find_standin", "make_standin", "standin", "standin_names"]

_MODULES = {"check": "build", "make_standin": "build", "Check": "build"}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES.get(name, 'recipe')}"), name)
