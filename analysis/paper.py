"""The paper beside us: each published figure, ours, their ratio, and what kind of figure ours is.

Kinds: *predicted* follows from the machine alone; *chosen* hangs on a default that was chosen after the results on the
real eight had been seen (`dram.gap_cycles`); *calibrated* was fitted to a published total, so that its absolute value
says nothing; *measured* ran on this machine; *implied* is ours against a baseline that the published ratios imply, not
against a run of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.published import Published, published
from sim.outerspace.published import PUBLISHED_GFLOPS

Row = dict[str, Any]
CHOSEN = "hangs on dram.gap_cycles, chosen after the real eight had been seen without it"


def paper_rows(bench: Mapping[str, Any], ablation: Mapping[str, Any] | None = None) -> list[Row]:
    """Rows {name, published, published_source, ours, ratio, kind, note} from the records of `bench` and `ablate`."""
    rows = [*_totals(bench), *_outerspace(bench), *_implied(bench), *_measured(bench)]
    return rows + (_steps(ablation) if ablation else [])


def _row(name: str, paper: Published | None, ours: float | None, kind: str, note: str = "") -> Row:
    return {
        "name": name,
        "published": paper.value if paper else None,
        "published_source": paper.source if paper else None,
        "ours": ours,
        "ratio": ours / paper.value if paper and ours is not None else None,
        "kind": kind,
        "note": note,
    }


def _totals(bench: Mapping[str, Any]) -> list[Row]:
    paper, ours = published()["total"], bench["averages"]["all"]
    note = _coverage(bench)
    chosen = f"{note}; {CHOSEN}"
    roof = bench.get("roofline") or {}
    statistics = "from the published statistics of all twenty"
    return [
        _row("roofline, FLOP/B", paper["roofline_flop_per_byte"], roof.get("flop_per_byte"), "predicted", statistics),
        _row("roofline, GFLOP/s", paper["roofline_gflops"], roof.get("gflops"), "predicted", statistics),
        _row("throughput, GFLOP/s", paper["gflops"], ours["gflops"], "chosen", chosen),
        _row(
            "bandwidth use",
            paper["bandwidth_utilization"],
            ours["bandwidth_utilization"],
            "chosen",
            f"{note}; {CHOSEN}",
        ),
        _row("row buffer hit rate", paper["hit_rate"], ours["hit_rate"], "predicted", note),
        _row("DRAM bytes, OuterSPACE / SpArch", paper["dram_saving"], ours["dram_saving"], "predicted", note),
        _row("energy, nJ/FLOP", paper["energy_nj_per_flop"], energy_per_flop(bench["matrices"]), "calibrated", note),
    ]


def _outerspace(bench: Mapping[str, Any]) -> list[Row]:
    speed, energy, total = (published()[name] for name in ("speedup", "energy_saving", "total"))
    ours, rows = bench["averages"]["all"], bench["matrices"]
    gflops = geometric([row["outerspace"]["gflops"] for row in rows])
    use = [row["outerspace"]["bandwidth_utilization"] for row in rows]
    throughput = Published(PUBLISHED_GFLOPS, "recalled; OuterSPACE's abstract says 2.9")
    timed = "OuterSPACE's time is calibrated on five published run times, which mean 0.3 to 1.2 GFLOP/s"
    over_mean = f"over OuterSPACE's published mean of {PUBLISHED_GFLOPS:g} GFLOP/s, as the paper's is"
    return [
        _row("OuterSPACE throughput, GFLOP/s", throughput, gflops, "calibrated", timed),
        _row(
            "OuterSPACE bandwidth use",
            total["outerspace_bandwidth_utilization"],
            sum(use) / len(use) if use else None,
            "calibrated",
            timed,
        ),
        _row("speed-up over OuterSPACE", speed["outerspace"], ours["speedup_outerspace"], "implied", over_mean),
        _row(
            "speed-up over OuterSPACE as simulated here",
            speed["outerspace"],
            ours["speedup_outerspace_simulated"],
            "calibrated",
            timed,
        ),
        _row(
            "energy saving over OuterSPACE",
            total["energy_ratio"],
            ours["energy_ratio"],
            "calibrated",
            "both machines' energies are calibrated to published totals; the abstract says "
            f"{energy['outerspace'].value:g}",
        ),
    ]


def _implied(bench: Mapping[str, Any]) -> list[Row]:
    """Software rows against the throughput that the paper's own ratios imply for its baselines."""
    speed, energy, total = (published()[name] for name in ("speedup", "energy_saving", "total"))
    ours = bench["averages"]["all"]["gflops"]
    each = energy_per_flop(bench["matrices"])
    rows = []
    for name, paper in speed.items():
        if name == "outerspace":
            continue
        implied = total["gflops"].value / paper.value
        note = f"against the {implied:.3g} GFLOP/s that the paper's ratio implies, not a run of it"
        rows.append(_row(f"speed-up over {name}", paper, ours / implied if ours else None, "implied", note))
        implied_nj = total["energy_nj_per_flop"].value * energy[name].value
        note = f"against the {implied_nj:.3g} nJ/FLOP that the paper's ratio implies; ours is calibrated"
        saving = implied_nj / each if each else None
        rows.append(_row(f"energy saving over {name}", energy[name], saving, "implied", note))
    return rows


def _measured(bench: Mapping[str, Any]) -> list[Row]:
    """Speed-up of the simulated SpArch over each library as it ran here, on the matrices where it agreed."""
    paper = published()["speedup"]
    rows = []
    for name in library_names(bench["matrices"]):
        ratios = [
            row["libraries"][name]["best_s"] / row["sparch"]["seconds"]
            for row in bench["matrices"]
            if usable(row["libraries"].get(name)) and row["sparch"]["seconds"]
        ]
        one = next(row["libraries"][name] for row in bench["matrices"] if name in row["libraries"])
        theirs = paper.get(one.get("baseline") or "")
        note = f"{len(ratios)} of {len(bench['matrices'])} matrices; published on another machine"
        label = f"speed-up over {one['label']}, {one['threads']} thread{'s' if one['threads'] > 1 else ''}"
        rows.append(_row(label, theirs, geometric(ratios), "measured" if ratios else "not measured", note))
    return rows


def _steps(ablation: Mapping[str, Any]) -> list[Row]:
    dram, cycles = published()["dram_steps"], published()["cycle_steps"]
    gains = ablation["averages"]
    note = f"{len(ablation['matrices'])} matrices"
    return [
        *(
            _row(f"DRAM gain, {name}", dram.get(name), ours, "predicted", note)
            for name, ours in gains["dram_gain"].items()
        ),
        *(
            _row(f"speed gain, {name}", cycles.get(name), ours, "predicted", note)
            for name, ours in gains["cycles_gain"].items()
        ),
    ]


def library_names(matrices: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of all library rows, in order of appearance."""
    return list(dict.fromkeys(name for row in matrices for name in row["libraries"]))


def usable(row: Mapping[str, Any] | None) -> bool:
    """Whether a library row was measured and agrees with SciPy."""
    return bool(row) and row["status"] == "measured" and bool(row["agrees"])  # type: ignore[index]


def energy_per_flop(matrices: Sequence[Mapping[str, Any]], accelerator: str = "sparch") -> float | None:
    """Geometric mean over the matrices, in nJ."""
    results = [row[accelerator] for row in matrices]
    return geometric([one["energy_j"]["total"] / one["flops"] * 1e9 for one in results if one["flops"]])


def geometric(values: Iterable[float | None]) -> float | None:
    """Geometric mean of the values above zero; None without any."""
    logs = [math.log(value) for value in values if value]
    return math.exp(sum(logs) / len(logs)) if logs else None


def _coverage(bench: Mapping[str, Any]) -> str:
    real = sum(row["real"] for row in bench["matrices"])
    absent = len(bench["matrices"]) - real
    return f"{real} real matrices" + (f" and {absent} stand-ins (~)" if absent else "")
