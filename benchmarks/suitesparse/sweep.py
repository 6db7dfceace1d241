"""Design-space sweeps: every matrix on every machine of a grid, in parallel, each point computed once.

A point is kept in the cache by the worker that computed it, so a sweep that was killed goes on where it was, and a
worker that is lost loses only the point it was at. The record has the figures of each point with the key of its full
result, and for each machine the geometric means over the matrices; `pareto` marks the machines that no other beats in
throughput, area and energy at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.suitesparse.point import Point, job, point, run_job
from sim.cache import ResultCache
from sim.errors import ConfigError
from sim.execution import run_tasks
from sim.version import __version__

SCHEMA = "hwloop.sweep/1"
Settings = Mapping[str, Any]
Progress = Callable[[str, int, int], None]


def sweep(
    matrices: Sequence[str],
    machines: Sequence[Settings],
    *,
    base: Any = None,
    seed: int | None = None,
    verify: bool = False,
    workers: int = 1,
    cluster: str | None = None,
    cache: ResultCache | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Simulate A·A for each of `matrices` on SpArch with each of `machines` (dotted settings over `base`).

    Returns the record of `hwloop sweep`. Raises ConfigError and InputError before anything runs: a setting that does
    not fit, a matrix that is not there.
    """
    from sim.sparch.config import load_config

    if not matrices or not machines:
        raise ConfigError("a sweep needs at least one matrix and one machine")
    cache = cache or ResultCache()
    configs = [load_config(settings=settings, base=base) for settings in machines]
    points = [point(name, config, seed=seed, verify=verify) for config in configs for name in matrices]
    keys = [one.key() for one in points]
    results, cached = run_points(points, workers=workers, cluster=cluster, cache=cache, progress=progress)
    rows = [
        {"machine": place // len(matrices), "key": key, **figures(result)}
        for place, (key, result) in enumerate(zip(keys, results, strict=True))
    ]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "seed": seed,
        "matrices": list(matrices),
        "machines": _machines(machines, configs, rows),
        "points": rows,
        "computed": len(points) - cached,
        "cached": cached,
    }


def run_points(
    points: Sequence[Point],
    *,
    workers: int,
    cluster: str | None,
    cache: ResultCache,
    progress: Progress,
    stage: str = "points",
) -> tuple[list[dict[str, Any]], int]:
    """Results of all points, in their order, and how many of them were in the cache. A point named twice runs once.

    The last ones are begun first: lists of matrices name the largest last, and long work should not begin at the end.
    """
    places: dict[Point, list[int]] = {}
    for place, one in enumerate(points):
        places.setdefault(one, []).append(place)
    order = list(reversed(places))
    results: list[dict[str, Any]] = [{} for _ in points]
    done = cached = 0
    progress(stage, 0, len(points))
    for index, (result, was_there) in run_tasks(
        run_job, [job(one, cache) for one in order], workers=workers, cluster=cluster
    ):
        for place in places[order[index]]:
            results[place] = result
            done, cached = done + 1, cached + was_there
        progress(stage, done, len(points))
    return results, cached


def figures(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a sweep keeps of one result."""
    flops, seconds = result["flops"], result["seconds"]
    return {
        "matrix": result["matrix"]["name"],
        "nnz": result["matrix"]["nnz"],
        "multiplications": result["multiplications"],
        "output_nnz": result["output_nnz"],
        "cycles": result["cycles"],
        "seconds": seconds,
        "gflops": result["gflops"],
        "dram_bytes": result["dram_bytes"]["total"],
        "ideal_dram_bytes": result["ideal_dram_bytes"],
        "hit_rate": result["prefetch"]["hit_rate"],
        "bandwidth_utilization": result["bandwidth_utilization"],
        "energy_nj_per_flop": result["energy_j"]["total"] / flops * 1e9 if flops else None,
        "area_mm2": result["area_mm2"]["total"],
        "scipy_s": result["wall_s"]["scipy"],
        "simulate_s": result["wall_s"]["simulate"],
        "flags": list(result["flags"]),
    }


def _machines(
    machines: Sequence[Settings], configs: Sequence[Any], rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    found = []
    for place, (settings, config) in enumerate(zip(machines, configs, strict=True)):
        mine = [row for row in rows if row["machine"] == place]
        found.append(
            {
                "settings": dict(settings),
                "config": config.model_dump(mode="json"),
                "gflops": geometric_mean([row["gflops"] for row in mine]),
                "energy_nj_per_flop": geometric_mean([row["energy_nj_per_flop"] for row in mine]),
                "area_mm2": mine[0]["area_mm2"],
                "dram_over_ideal": geometric_mean(
                    [row["dram_bytes"] / row["ideal_dram_bytes"] if row["ideal_dram_bytes"] else None for row in mine]
                ),
                "hit_rate": sum(row["hit_rate"] for row in mine) / len(mine),
            }
        )
    front = pareto([(-(m["gflops"] or 0), m["area_mm2"], m["energy_nj_per_flop"] or math.inf) for m in found])
    return [{**machine, "pareto": on_front} for machine, on_front in zip(found, front, strict=True)]


def geometric_mean(values: Sequence[float | None]) -> float | None:
    """Of the values that there are and that are above zero; None without any."""
    logs = [math.log(value) for value in values if value]
    return math.exp(sum(logs) / len(logs)) if logs else None


def pareto(costs: Sequence[tuple[float, ...]]) -> list[bool]:
    """For each cost vector (less is better), whether no other is as good in all parts and better in one."""

    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return all(x <= y for x, y in zip(one, other, strict=True)) and one != other

    return [not any(beats(other, mine) for other in costs) for mine in costs]
