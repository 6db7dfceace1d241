"""Records for the tests of figures and report: small products, really simulated; OuterSPACE and libraries made up.

The OuterSPACE figures follow from SpArch's by the byte formula and an assumed bandwidth: plausible, no result.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

NAMES = ("poisson3d:n=9", "rmat:n=1500,edges=5,seed=1", "banded:n=3000,width=4")
LIBRARIES = ("scipy", "numba-hash", "torch")


@functools.cache
def _simulated(name: str) -> dict[str, Any]:
    import hwloop

    return hwloop.simulate(name).to_dict()


def outerspace_like(sparch: dict[str, Any]) -> dict[str, Any]:
    """A record of the shape that OuterSPACE gives, which passes its audit."""
    made = copy.deepcopy(sparch)
    partial, stored = 12 * made["multiplications"], 12 * made["matrix"]["nnz"]
    parts = {"a_read": stored, "b_read": stored, "partial_read": partial, "partial_write": partial}
    parts["c_write"] = 12 * made["output_nnz"]
    total = sum(parts.values())
    cycles = int(total / 128 / 0.483 * 1.5)
    made |= {"accelerator": "outerspace", "cycles": cycles, "seconds": cycles / 1.5e9, "model": "event"}
    made |= dict.fromkeys(("condensed_columns", "merge_rounds", "first_round_ways", "prefetch"))
    made["gflops"] = made["flops"] / made["seconds"] / 1e9
    made["dram_bytes"] = {**parts, "total": total}
    made |= {"channel_bytes": total, "bandwidth_utilization": 0.483}
    made["bounds_cycles"] = {"bandwidth": total // 128, "multiply": 0, "merge": 0}
    made["units"] = {"multiply_pes": {"busy": cycles, "starved": 0, "blocked": 0, "memory": 0, "idle": 0}}
    made["energy_j"] = {"compute": 5 * made["flops"] * 1e-9, "sram": 0.0, "dram": 0.0, "crossbar": 0.0}
    made["energy_j"]["total"] = made["energy_j"]["compute"]
    return made


def library_rows(sparch: dict[str, Any], factor: float = 1.0) -> dict[str, Any]:
    """Made-up measurements, and one row that was not measured."""
    found: dict[str, Any] = {}
    for place, name in enumerate(LIBRARIES):
        best = sparch["seconds"] * (12 + 25 * ((place + sparch["output_nnz"]) % 3)) * factor
        found[name] = {
            "library": name,
            "baseline": name,
            "hindered": False,
            "label": f"{name} CSR",
            "version": "1.2",
            "threads": 2,
            "sorted_output": place != 1,
            "best_s": best,
            "median_s": 1.1 * best,
            "runs": 5,
            "cpu_s": 1.7 * best,
            "gflops": sparch["flops"] / best / 1e9,
            "agrees": True,
            "max_relative_error": 1e-15,
            "energy": {
                "kind": "modelled, not measured",
                "low_j": best * 5,
                "high_j": best * 30,
                "assumption": "5..30 W",
            },
            "status": "measured",
            "reason": None,
        }
    found["cusparse"] = {
        "library": "cusparse",
        "baseline": "cusparse",
        "label": "cuSPARSE",
        "version": None,
        "threads": 1,
        "sorted_output": True,
        "status": "not measured",
        "reason": "no CUDA device",
    }
    return found


def bench_record(matrices: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """A bench record of `matrices` (SpArch results by name; ``~`` behind a name: a stand-in), else of `NAMES`."""
    from benchmarks.suitesparse.bench import averages, figures

    given = matrices or {name: _simulated(text) for name, text in zip(("one", "two", "three~"), NAMES, strict=True)}
    rows = []
    for name, result in given.items():
        sparch = copy.deepcopy(result)
        sparch["matrix"]["name"] = name
        entry = {"name": name, "real": not name.endswith("~"), "libraries": library_rows(sparch), "locality": None}
        entry |= {key: sparch["matrix"][key] for key in ("rows", "cols", "nnz")}
        other = outerspace_like(sparch)
        rows.append({**entry, **figures(sparch, other), "sparch": sparch, "outerspace": other})
        if not entry["real"]:
            low, high = ({**figures(sparch, other), "gflops": share * sparch["gflops"]} for share in (0.9, 1.1))
            rows[-1]["locality"] = {"low": low, "high": high}
    machine = {"cpu": "made-up processor", "cores": 2, "memory_bytes": 8_000_000_000, "date": "2026-01-01"}
    recorded = [{**row, "matrix": "one"} for row in library_rows(rows[0]["sparch"], 0.5).values()]
    return {
        "schema": "hwloop.bench/1",
        "version": "0.1.0",
        "seed": 0,
        "date_utc": "2026-01-01T00:00:00Z",
        "code": {"sparch": "ab" * 8, "outerspace": "cd" * 8, "standins": "ef" * 8},
        "machine": machine,
        "suite": "sparch20" if matrices else None,
        "matrices": rows,
        "averages": averages(rows),
        "recorded": [{"machine": {**machine, "cpu": "another processor"}, "rows": recorded}],
    }


REAL = ("ca-CondMat", "cage12", "email-Enron", "facebook", "m133-b3", "p2p-Gnutella31", "poisson3Da", "wiki-Vote")
OTHERS = ("2cubes_sphere", "amazon0312", "cit-Patents", "cop20k_A", "filter3D", "mario002", "offshore", "patents_main")
OTHERS += ("roadNet-CA", "scircuit", "web-Google", "webbase-1M")


def suite_record() -> dict[str, Any]:
    """A bench record with the names of the twenty matrices; their figures are those of `NAMES` in turn."""
    names = (*REAL, *(f"{name}~" for name in OTHERS))
    return bench_record({name: _simulated(NAMES[place % 3]) for place, name in enumerate(names)})


@functools.cache
def _study(what: str) -> dict[str, Any]:
    import tempfile
    from pathlib import Path

    from benchmarks.suitesparse.ablation import ablate
    from benchmarks.suitesparse.axis import grid, one_at_a_time, parse_axis
    from benchmarks.suitesparse.sweep import sweep
    from sim.cache import ResultCache

    with tempfile.TemporaryDirectory() as folder:
        cache = ResultCache(Path(folder))
        if what == "ablation":
            return ablate(NAMES[:2], cache=cache)
        if what == "rmat":
            names = [f"rmat:n={nodes},edges={edges},seed=1" for edges in (2, 4) for nodes in (500, 1000, 2000)]
            return {**sweep(names, [{}], verify=True, cache=cache), "axes": [], "one_at_a_time": False}
        texts = ["merge_tree.ways=4,16,64", "prefetch.lines:prefetch.line_elements=512:96,1024:48,512:48"]
        axes = [
            parse_axis(text) for text in (texts if what == "sweep" else ["merge_tree.ways=4,64", "dram.channels=4,16"])
        ]
        machines = one_at_a_time(axes) if what == "sweep" else grid(axes)
        record = sweep(NAMES[1:2], machines, cache=cache)
        record["axes"] = [{"names": list(one.names), "values": [list(v) for v in one.values]} for one in axes]
        return {**record, "one_at_a_time": what == "sweep"}


def study_record(what: str) -> dict[str, Any]:
    """The record of a small ``ablation``, ``sweep`` (one at a time), ``grid`` or ``rmat`` study."""
    return copy.deepcopy(_study(what))
