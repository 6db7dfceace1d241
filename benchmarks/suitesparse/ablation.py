"""The four steps of SpArch: pipelined merge alone, then condensing, Huffman scheduler and row prefetcher on top.

What a machine "without" a part does is not said in the paper; here:

* without the prefetcher, each row of B is read again for every element of A that asks for it;
* without the Huffman scheduler, a round merges a random choice of all pending inputs (seeded): the one of three
  readings that comes near the published step (FIFO and sequential accumulation lie far off);
* without condensing, the columns of A itself are the inputs; a column reads its row of B once, as an outer product.

Each step's gain is the ratio of the figure before it and with it; the first is compared with OuterSPACE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.suitesparse.point import Point, point
from benchmarks.suitesparse.sweep import geometric_mean, run_points
from sim.cache import ResultCache
from sim.errors import ConfigError
from sim.version import __version__

SCHEMA = "hwloop.ablation/1"

STEPS: Mapping[str, Mapping[str, Any]] = {
    "pipelined merge": {"condensing": False, "schedule.policy": "random", "prefetch.policy": "none"},
    "+ condensing": {"condensing": True, "schedule.policy": "random", "prefetch.policy": "none"},
    "+ Huffman": {"condensing": True, "schedule.policy": "huffman", "prefetch.policy": "none"},
    "+ prefetcher": {"condensing": True, "schedule.policy": "huffman", "prefetch.policy": "lookahead"},
}
"""Settings of each step, over the machine that is studied."""


def step_points(matrix: str, *, base: Any = None, seed: int = 0) -> list[Point]:
    """The points of the four steps for one matrix; `seed` is that of the random schedule and of generators."""
    from sim.sparch.config import load_config

    return [
        point(matrix, load_config(settings={**settings, "schedule.seed": seed}, base=base), seed=seed, verify=False)
        for settings in STEPS.values()
    ]


def ablate(
    matrices: Sequence[str],
    *,
    base: Any = None,
    seed: int = 0,
    workers: int = 1,
    cluster: str | None = None,
    cache: ResultCache | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> dict[str, Any]:
    """The record of `hwloop ablate`: DRAM bytes and cycles of each step and matrix, geometric means of the gains."""
    if not matrices:
        raise ConfigError("an ablation needs at least one matrix")
    points = [one for name in matrices for one in step_points(name, base=base, seed=seed)]
    results, _ = run_points(
        points, workers=workers, cluster=cluster, cache=cache or ResultCache(), progress=progress, stage="steps"
    )
    width = len(STEPS)
    rows = [ablation_row(results[place : place + width]) for place in range(0, len(results), width)]
    return {"schema": SCHEMA, "version": __version__, "seed": seed, "matrices": rows, "averages": averages(rows)}


def ablation_row(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One matrix of the record, from the results of its four steps. outerspace_dram_bytes: by the formula."""
    first = results[0]
    stored = first["matrix"]["nnz"] + (first["matrix"].get("b") or first["matrix"])["nnz"]
    return {
        "name": first["matrix"]["name"],
        "outerspace_dram_bytes": 12 * (stored + 2 * first["multiplications"] + first["output_nnz"]),
        "steps": [
            {
                "name": name,
                "dram_bytes": result["dram_bytes"]["total"],
                "cycles": result["cycles"],
                "seconds": result["seconds"],
                "merge_rounds": result["merge_rounds"],
            }
            for name, result in zip(STEPS, results, strict=True)
        ],
    }


def averages(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Geometric means over the matrices of what each step gains in DRAM bytes and in cycles.

    The first step's gain in bytes is against OuterSPACE (below 1: worse).
    """
    names = list(STEPS)
    dram = {
        names[0]: geometric_mean([row["outerspace_dram_bytes"] / row["steps"][0]["dram_bytes"] for row in rows]),
        **{name: _gain(rows, "dram_bytes", place) for place, name in enumerate(names) if place},
    }
    return {"dram_gain": dram, "cycles_gain": {name: _gain(rows, "cycles", n) for n, name in enumerate(names) if n}}


def _gain(rows: Sequence[Mapping[str, Any]], figure: str, step: int) -> float | None:
    return geometric_mean([row["steps"][step - 1][figure] / row["steps"][step][figure] for row in rows])
