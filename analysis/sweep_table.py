"""A sweep as a table: one line for each machine, geometric means over the matrices, the Pareto front marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.plain_text import figure_table, number, plain


def render_sweep(record: Mapping[str, Any]) -> str:
    """The record of `hwloop sweep` as text."""
    tables: list[Any] = [_machines(record)]
    if len(record["machines"]) == 1:
        tables = [_points(record)]
    done = f"{record['computed']} points computed, {record['cached']} were there"
    flagged = sum(bool(point["flags"]) for point in record["points"])
    notes = [f"{flagged} points carry a flag: use the cycle model for them"] if flagged else []
    return plain(*tables, "", done, *notes)


def setting_words(settings: Mapping[str, Any]) -> str:
    """``ways=32, width=8``: the last part of each name is enough for a label."""
    return ", ".join(f"{name.rpartition('.')[2]}={value}" for name, value in settings.items()) or "default"


def _machines(record: Mapping[str, Any]) -> Any:
    table = figure_table(
        f"machine ({len(record['matrices'])} matrices)",
        ("GFLOP/s", "nJ/FLOP", "mm²", "DRAM / ideal", "hit rate", "Pareto"),
    )
    for machine in record["machines"]:
        table.add_row(
            setting_words(machine["settings"]),
            number(machine["gflops"]),
            number(machine["energy_nj_per_flop"], 3),
            number(machine["area_mm2"]),
            number(machine["dram_over_ideal"]),
            number(machine["hit_rate"], 3),
            "yes" if machine["pareto"] else "",
        )
    return table


def _points(record: Mapping[str, Any]) -> Any:
    table = figure_table("matrix", ("nnz", "multiplications", "GFLOP/s", "DRAM / ideal", "hit rate", "SciPy / SpArch"))
    for point in record["points"]:
        ideal, seconds, scipy_s = point["ideal_dram_bytes"], point["seconds"], point["scipy_s"]
        table.add_row(
            point["matrix"],
            f"{point['nnz']:,}",
            f"{point['multiplications']:,}",
            number(point["gflops"]),
            number(point["dram_bytes"] / ideal if ideal else None),
            number(point["hit_rate"], 3),
            number(scipy_s / seconds if scipy_s and seconds else None, 1),
        )
    return table
