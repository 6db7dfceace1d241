"""The libraries by name: the words of ``--baselines``, and the rows that each stands for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from benchmarks.suitesparse.libraries.library import Library
from sim.errors import ConfigError, nearest

_ROWS = {
    "scipy": ("scipy_library:LIBRARY",),
    "numba": ("numba_library:DENSE", "numba_library:HASH"),
    "mkl": ("mkl_library:UNSORTED", "mkl_library:SORTED"),
    "torch": ("torch_library:LIBRARY",),
    "graphblas": ("graphblas_library:LIBRARY",),
    "armadillo": ("armadillo_library:LIBRARY",),
    "cusparse": ("cusparse_library:LIBRARY",),
}
NAMES = tuple(_ROWS)


def libraries(name: str) -> tuple[Library, ...]:
    """The rows behind a baseline's name. Raises ConfigError with the nearest name for one that there is not."""
    check_names((name,))
    return tuple(resolve(f"{__package__}.{where}") for where in _ROWS[name])


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """`names` without repetition, in order. Raises ConfigError for one that there is not."""
    kept = tuple(dict.fromkeys(names))
    for name in kept:
        if name not in _ROWS:
            raise ConfigError(f"unknown baseline {name!r}; choose from {', '.join(NAMES)}{nearest(name, NAMES)}")
    return kept


def resolve(where: str) -> Library:
    """The library at ``module:attribute``."""
    module, _, attribute = where.partition(":")
    library = getattr(importlib.import_module(module), attribute)
    if not isinstance(library, Library):
        raise TypeError(f"{where} is no Library")
    return library
