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
    from analysis.report import write_report
    from benchmarks.suitesparse.ablation import ablate
    from benchmarks.suitesparse.bench import bench
    from benchmarks.suitesparse.matrix import Matrix, load_matrix
    from benchmarks.suitesparse.runner import simulate
    from benchmarks.suitesparse.sweep import sweep
    from benchmarks.suitesparse.writers import write_matrix
    from sim.errors import HwloopError
    from sim.outerspace.config import OuterSpaceConfig
    from sim.result import SimulationResult
    from sim.sparch.config import SpArchConfig, load_config

__all__ = [
    "HwloopError",
    "Matrix",
    "OuterSpaceConfig",
    "SimulationResult",
    "SpArchConfig",
    "__version__",
    "ablate",
    "bench",
    "load_config",
    "load_matrix",
    "simulate",
    "sweep",
    "write_matrix",
    "write_report",
]

_MODULES = {
    "HwloopError": "sim.errors",
    "Matrix": "benchmarks.suitesparse.matrix",
    "OuterSpaceConfig": "sim.outerspace.config",
    "SimulationResult": "sim.result",
    "SpArchConfig": "sim.sparch.config",
    "ablate": "benchmarks.suitesparse.ablation",
    "bench": "benchmarks.suitesparse.bench",
    "load_config": "sim.sparch.config",
    "load_matrix": "benchmarks.suitesparse.matrix",
    "simulate": "benchmarks.suitesparse.runner",
    "sweep": "benchmarks.suitesparse.sweep",
    "write_matrix": "benchmarks.suitesparse.writers",
    "write_report": "analysis.report",
}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
