"""A matrix on both accelerators, the product computed once: the unit of work of a benchmark run.

Each of the two results is kept in the cache under its own key, the same that a sweep or an ablation would use.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.suitesparse.point import Point, point, require_same_sources, simulate_matrix

if TYPE_CHECKING:
    from sim.cache import ResultCache


@dataclass(frozen=True)
class Pair:
    """A matrix on SpArch and on OuterSPACE. code: fingerprints of the simulators that the caller has."""

    sparch: Point
    outerspace: Point
    cache: str
    code: tuple[str, str]


def pair(matrix: str, cache: ResultCache, *, base: Any = None, seed: int | None = None, verify: bool = True) -> Pair:
    """`matrix` on the SpArch machine `base` (by default the published one) and on the published OuterSPACE."""
    from benchmarks.suitesparse.point import simulator_fingerprint
    from sim.outerspace.config import OuterSpaceConfig
    from sim.sparch.config import SpArchConfig

    sparch = point(matrix, base or SpArchConfig(), seed=seed, verify=verify)
    outerspace = point(matrix, OuterSpaceConfig(), accelerator="outerspace", seed=seed, verify=False)
    codes = (simulator_fingerprint("sparch"), simulator_fingerprint("outerspace"))
    return Pair(sparch, outerspace, str(cache.folder), codes)


def run_pair(one: Pair) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Both results as plain values, and how many of them were in the cache. Runs in a worker."""
    from sim.cache import ResultCache

    for each, code in zip((one.sparch, one.outerspace), one.code, strict=True):
        require_same_sources(each.accelerator, code)
    cache = ResultCache(one.cache)
    keys = one.sparch.key(), one.outerspace.key()
    sparch, outerspace = cache.get(keys[0]), cache.get(keys[1])
    cached = (sparch is not None) + (outerspace is not None)
    product = None
    if sparch is None:
        begin = time.perf_counter()
        result = simulate_matrix(one.sparch)
        sparch, product = result.to_dict(), result.product_rows
        cache.put(keys[0], sparch, time.perf_counter() - begin)
    if outerspace is None:
        begin = time.perf_counter()
        outerspace = simulate_matrix(one.outerspace, product=product).to_dict()
        cache.put(keys[1], outerspace, time.perf_counter() - begin)
    return sparch, outerspace, cached


def elsewhere(one: Pair, matrix: str) -> Pair:
    """The same machines on another matrix, unverified: for variants whose figures only bound an average."""
    return replace(
        one,
        sparch=replace(one.sparch, matrix=matrix, verify=False),
        outerspace=replace(one.outerspace, matrix=matrix),
    )
