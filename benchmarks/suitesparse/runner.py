"""`simulate` for what a user types: a path, a catalogue name, a generator, or a matrix in memory.

The names are those of the command line, which only parses and prints.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from sim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from sim.outerspace.config import OuterSpaceConfig
    from sim.result import SimulationResult
    from sim.sparch.config import SpArchConfig

ACCELERATORS = ("sparch", "outerspace")


def simulate(
    a: Any,
    b: Any = None,
    *,
    accelerator: str = "sparch",
    model: Literal["event", "cycle"] = "event",
    config_file: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    verify: bool = True,
    trace: bool = False,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> SimulationResult:
    """Simulate a · b on an accelerator; without `b`, a · a where a is square and else a · aᵀ.

    a, b: a path (.mtx, .mtx.gz, .npz), a catalogue name, a generator (``rmat:n=16384,edges=8,seed=1``), a `Matrix`, or
    anything that SciPy turns into CSR. settings: dotted names, ``{"merge_tree.ways": 32}``; they win over
    `config_file` (TOML). seed: of a generator that names none, and of the random schedule. verify: compare with SciPy.
    trace: keep the time line as ``result.trace``. progress: told a stage, steps done and in total.
    model: OuterSPACE has ``event`` only.
    Raises InputError, ConfigError or WorkloadError for what cannot be used, InvariantError for a fault of hwloop.
    """
    config = _config(accelerator, config_file, settings or {}, seed)
    _check_model(accelerator, model, trace)
    begin = time.perf_counter()
    left = _load(a, "matrix", seed)
    right = None
    if b is not None:
        right = left if _same_source(a, b) else _load(b, "matrix B", seed)
    told: dict[str, Any] = {
        "verify": verify,
        "name": left["name"],
        "sha256": left["sha256"],
        "b_name": right["name"] if right else "matrix B",
        "b_sha256": right["sha256"] if right else None,
        "seed": seed,
        "load_s": time.perf_counter() - begin,
        "trace": trace,
        "progress": progress,
    }
    operands = left["matrix"], right["matrix"] if right else None
    if accelerator == "outerspace":
        from sim.outerspace.simulation import simulate as simulate_outerspace

        return simulate_outerspace(*operands, config=cast("OuterSpaceConfig", config), **told)
    from sim.sparch.simulation import simulate as simulate_sparch

    return simulate_sparch(*operands, config=cast("SpArchConfig", config), model=model, **told)


def check_accelerator(name: str) -> None:
    """Raises ConfigError for an accelerator that there is not."""
    if name not in ACCELERATORS:
        raise ConfigError(
            f"unknown accelerator {name!r}; choose from {', '.join(ACCELERATORS)}{nearest(name, ACCELERATORS)}"
        )


def _check_model(accelerator: str, model: str, trace: bool) -> None:
    if accelerator == "outerspace":
        if model != "event":
            raise ConfigError(f"accelerator 'outerspace' has no model {model!r}; nearest: event")
        return
    from sim.sparch.simulation import check_model

    check_model(model, trace)


def _config(
    accelerator: str, file: str | os.PathLike[str] | None, settings: Mapping[str, Any], seed: int | None
) -> SpArchConfig | OuterSpaceConfig:
    check_accelerator(accelerator)
    path = os.fspath(file) if file is not None else None
    if accelerator == "outerspace":
        from sim.outerspace import config as outerspace

        return outerspace.load_config(path, settings)
    from sim.sparch.config import load_config

    config = load_config(path, settings)
    if seed is not None and config.schedule.policy == "random" and "schedule.seed" not in settings:
        config = load_config(settings={"schedule.seed": seed}, base=config)
    return config


def _load(source: Any, name: str, seed: int | None) -> dict[str, Any]:
    """The matrix behind `source`, its name and the hash of its content (None for a matrix in memory)."""
    from benchmarks.suitesparse.matrix import Matrix, load_matrix

    if isinstance(source, str | os.PathLike):
        source = load_matrix(os.fspath(source), seed=seed)
    if isinstance(source, Matrix):
        return {"matrix": source.csr, "name": source.name, "sha256": source.sha256}
    return {"matrix": source, "name": name, "sha256": None}


def _same_source(a: Any, b: Any) -> bool:
    return a is b or (isinstance(a, str) and isinstance(b, str) and a == b)
