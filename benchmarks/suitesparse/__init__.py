"""Matrices by path, by name and by recipe: the 20 benchmark matrices, their readers, generators and download.

`load_matrix` is the one door: it takes what a user types and gives a checked `Matrix`.
Everything is imported on first use, so that naming this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.suitesparse.catalogue import CatalogueEntry, entry
    from benchmarks.suitesparse.fetch import fetch_matrix
    from benchmarks.suitesparse.matrix import Matrix, load_matrix

__all__ = ["CatalogueEntry", "Matrix", "entry", "fetch_matrix", "load_matrix"]

_FUNCTIONS = {"load_matrix": "matrix", "Matrix": "matrix", "entry": "catalogue", "CatalogueEntry": "catalogue"}
_FUNCTIONS |= {"fetch_matrix": "fetch"}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
