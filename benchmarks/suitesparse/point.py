"""One simulated point: a matrix, an accelerator and its whole configuration; computed once, then found in the cache.

A point holds text and numbers only, so that it travels to another process or machine, and its key is the hash of what
its figures follow from: sources of the simulators, content of the matrix, configuration, model and seed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sim.errors import ConfigError, InputError

if TYPE_CHECKING:
    from benchmarks.suitesparse.matrix import Matrix
    from sim.cache import ResultCache
    from sim.result import SimulationResult

_SHARED = (
    "sim.events",
    "sim.hbm",
    "sim.jit",
    "sim.result",
    "sim.audit",
    "sim.verify",
    "sim.row_compare",
    "sim.version",
)
_ACCELERATORS = {"sparch": ("sim.sparch",), "outerspace": ("sim.outerspace", "sim.sparch")}


MAKERS = ("benchmarks.suitesparse.generators", "benchmarks.suitesparse.standins")
"""Sources that matrices which are no files follow from."""


def simulator_fingerprint(accelerator: str) -> str:
    """Hash of the sources that the figures of `accelerator` follow from."""
    from sim.cache import code_fingerprint

    return code_fingerprint(*_ACCELERATORS[accelerator], *_SHARED)


@dataclass(frozen=True)
class Point:
    """matrix: what `load_matrix` takes. config: the expanded configuration as JSON text (see `point`)."""

    matrix: str
    config: str
    accelerator: str = "sparch"
    model: Literal["event", "cycle"] = "event"
    seed: int | None = None
    verify: bool = True

    def key(self) -> str:
        """Name of the point's result in a `ResultCache`."""
        from sim.cache import fingerprint

        content = content_fingerprint(self.matrix, self.seed)
        machine = (self.accelerator, json.loads(self.config), self.model, self.seed, self.verify)
        return fingerprint("simulate", simulator_fingerprint(self.accelerator), self.matrix, content, *machine)


def point(matrix: str, config: Any, **rest: Any) -> Point:
    """A point on the machine `config`, a validated configuration of either accelerator."""
    return Point(matrix, config.model_dump_json(), **rest)


def content_fingerprint(spec: str, seed: int | None = None) -> str:
    """Hash of the content behind `spec`: the bytes of a file, else the text of a generator and its sources.

    Raises InputError for a name without a copy on this machine, and where the file cannot be read.
    """
    from benchmarks.suitesparse import catalogue, locate, readers
    from sim.cache import code_fingerprint, fingerprint

    path: Path | None = Path(spec)
    if catalogue.find(spec) is not None:
        path = locate.find_in_data_folders(spec)
        if path is None and locate.cached_file(spec).is_file():
            path = locate.cached_file(spec)
        if path is None:
            raise InputError(f"no copy of {spec!r} on this machine; try: hwloop matrices get {spec}")
    elif spec.endswith(readers.SUFFIXES) or os.path.exists(spec):
        path = Path(spec)
    else:
        path = locate.find_in_data_folders(spec)
    if path is None:
        return fingerprint(spec, seed, code_fingerprint(*MAKERS))
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read matrix {str(path)!r}: {error.strerror or error}") from None


def simulate_point(one: Point, cache: ResultCache) -> tuple[dict[str, Any], bool]:
    """The result record of a point as plain values, and whether it was in the cache.

    Raises what `hwloop simulate` raises.
    """
    return cache.get_or_compute(one.key(), lambda: simulate_matrix(one).to_dict())


@dataclass(frozen=True)
class Job:
    """A point to be computed where an executor puts it. code: fingerprint of the simulators that the caller has."""

    point: Point
    cache: str
    code: str


def job(one: Point, cache: ResultCache) -> Job:
    """The job for `one`, its result kept in `cache`."""
    return Job(one, str(cache.folder), simulator_fingerprint(one.accelerator))


def run_job(one: Job) -> tuple[dict[str, Any], bool]:
    """`simulate_point` in a worker. Raises ConfigError where the worker has other simulators than the caller."""
    from sim.cache import ResultCache

    require_same_sources(one.point.accelerator, one.code)
    return simulate_point(one.point, ResultCache(one.cache))


def require_same_sources(accelerator: str, code: str) -> None:
    """Raises ConfigError unless this process has the simulator whose fingerprint is `code`."""
    if simulator_fingerprint(accelerator) != code:
        raise ConfigError("a worker runs another version of hwloop than this process; install the same on both")


def simulate_matrix(one: Point, product: Any = None) -> SimulationResult:
    """Simulate a point, whether or not it is in a cache. product: of a run on the other accelerator (OuterSPACE)."""
    matrix = _load(one.matrix, one.seed)
    named: dict[str, Any] = {"verify": one.verify, "name": matrix.name, "sha256": matrix.sha256, "seed": one.seed}
    tree = json.loads(one.config)
    if one.accelerator == "outerspace":
        from sim.outerspace.config import OuterSpaceConfig
        from sim.outerspace.simulation import simulate as simulate_outerspace

        return simulate_outerspace(matrix.csr, config=OuterSpaceConfig.model_validate(tree), product=product, **named)
    from sim.sparch.config import validate_config
    from sim.sparch.simulation import simulate

    return simulate(matrix.csr, config=validate_config(tree), model=one.model, **named)


@functools.lru_cache(maxsize=1)
def _load(spec: str, seed: int | None) -> Matrix:
    """Neighbouring points share their matrix."""
    from benchmarks.suitesparse.matrix import load_matrix

    return load_matrix(spec, seed=seed)
