"""The four steps of SpArch as a table: DRAM bytes and cycles of each matrix and step, and what each step gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.plain_text import figure_table, number, plain
from analysis.published import published


def render_ablation(record: Mapping[str, Any]) -> str:
    """The record of `hwloop ablate` as text."""
    steps = [step["name"] for step in record["matrices"][0]["steps"]]
    moved = figure_table("DRAM, MB", ("OuterSPACE", *steps))
    cycles = figure_table("cycles", steps)
    for row in record["matrices"]:
        figures = [row["outerspace_dram_bytes"], *(step["dram_bytes"] for step in row["steps"])]
        moved.add_row(row["name"], *(f"{value / 1e6:,.2f}" for value in figures))
        cycles.add_row(row["name"], *(f"{step['cycles']:,}" for step in row["steps"]))
    return plain(moved, "", cycles, "", _gains(record, steps))


def _gains(record: Mapping[str, Any], steps: list[str]) -> Any:
    averages, paper = record["averages"], published()
    table = figure_table("gain of the step (geometric mean)", ("DRAM", "published", "speed", "published"))
    for name in steps:
        table.add_row(
            name + (" (against OuterSPACE)" if name == steps[0] else ""),
            *_pair(averages["dram_gain"].get(name), paper["dram_steps"].get(name)),
            *_pair(averages["cycles_gain"].get(name), paper["cycle_steps"].get(name)),
        )
    return table


def _pair(ours: float | None, theirs: Any) -> tuple[str, str]:
    return number(ours), number(theirs.value if theirs else None)
