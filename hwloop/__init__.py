"""hwloop from Python: the same names as on the command line, keyword-only, value objects back.

    import hwloop
    result = hwloop.simulate("wiki-Vote", settings={"merge_tree.ways": 32})
    print(result.cycles, result.verified)

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.version import __version__

if TYPE_CHECKING:
    from benchmarks.suitesparse.matrix import Matrix, load_matrix
    from benchmarks.suitesparse.runner import simulate
    from benchmarks.suitesparse.writers import write_matrix
    from sim.errors import HwloopError
    from sim.result import SimulationResult
    from sim.sparch.config import SpArchConfig, load_config

__all__ = [
    "HwloopError",
    "Matrix",
    "SimulationResult",
    "SpArchConfig",
    "__version__",
    "load_config",
    "load_matrix",
    "simulate",
    "write_matrix",
]

_MODULES = {
    "HwloopError": "sim.errors",
    "Matrix": "benchmarks.suitesparse.matrix",
    "SimulationResult": "sim.result",
    "SpArchConfig": "sim.sparch.config",
    "load_config": "sim.sparch.config",
    "load_matrix": "benchmarks.suitesparse.matrix",
    "simulate": "benchmarks.suitesparse.runner",
    "write_matrix": "benchmarks.suitesparse.writers",
}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
