"""A benchmark run as tables: each matrix on both accelerators, its fastest library, averages, the paper beside us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.paper import library_names, paper_rows, usable
from analysis.plain_text import figure_table, number, plain

AVERAGED = (
    "gflops",
    "bandwidth_utilization",
    "hit_rate",
    "dram_saving",
    "speedup_outerspace_simulated",
    "energy_ratio",
)
_HEADINGS = ("GFLOP/s", "bandwidth use", "hit rate", "DRAM saving", "speed-up", "energy ratio")


def render_bench(record: Mapping[str, Any]) -> str:
    """The record of `hwloop bench` as text. Savings and speed-up are SpArch's over OuterSPACE, both simulated."""
    parts: list[Any] = [_matrices(record), ""]
    if any(row["libraries"] for row in record["matrices"]):
        parts += [_libraries(record), "", *_disagreements(record)]
    return plain(*parts, _paper(record), "names that end in ~ are stand-ins, fitted to published statistics")


def fastest_library(row: Mapping[str, Any]) -> str | None:
    """Name of the library that took least time on a matrix, among those that agree with SciPy."""
    times = {name: one["best_s"] for name, one in row["libraries"].items() if usable(one)}
    return min(times, key=lambda name: times[name]) if times else None


def _matrices(record: Mapping[str, Any]) -> Any:
    table = figure_table("matrix", _HEADINGS)
    for row in record["matrices"]:
        table.add_row(row["name"], *_cells(row))
    averages, spread = record["averages"], record["averages"]["all_range"]
    if averages["real"] and averages["real"]["count"] < averages["all"]["count"]:
        table.add_row(f"mean of the {averages['real']['count']} real", *_cells(averages["real"]))
    table.add_row(f"mean of all {averages['all']['count']}", *_cells(averages["all"]))
    if any(row["locality"] for row in record["matrices"]):
        bounds = [spread.get(name) for name in AVERAGED]
        table.add_row("its range by locality", *(f"{b[0]:.2f}–{b[1]:.2f}" if b else "–" for b in bounds))
    return table


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [number(row[name]) for name in AVERAGED]


def _libraries(record: Mapping[str, Any]) -> Any:
    names = library_names(record["matrices"])
    table = figure_table("best time, ms", (*names, "fastest", "SpArch (simulated)"))
    for row in record["matrices"]:
        cells = [_milliseconds(row["libraries"].get(name)) for name in names]
        table.add_row(row["name"], *cells, fastest_library(row) or "–", number(row["sparch"]["seconds"] * 1e3))
    return table


def _milliseconds(row: Mapping[str, Any] | None) -> str:
    if row is None or row["status"] != "measured":
        return "not measured"
    mark = "" if row["agrees"] else " WRONG"
    return number(row["best_s"] * 1e3, 1) + ("*" if row["hindered"] else "") + mark


def _disagreements(record: Mapping[str, Any]) -> list[str]:
    lines = [
        f"WRONG: {name} on {row['name']} disagrees with SciPy: {one['reason']}"
        for row in record["matrices"]
        for name, one in row["libraries"].items()
        if one["status"] == "measured" and not one["agrees"]
    ]
    reasons = {
        f"not measured: {name}: {one['reason']}"
        for row in record["matrices"]
        for name, one in row["libraries"].items()
        if one["status"] != "measured"
    }
    starred = any(one.get("hindered") for row in record["matrices"] for one in row["libraries"].values())
    notes = ["* did not get its cores; the true time is lower"] if starred else []
    return [*lines, *sorted(reasons), *notes, ""] if lines or reasons or notes else []


def _paper(record: Mapping[str, Any]) -> Any:
    table = figure_table("SpArch's paper and this run", ("published", "ours", "ratio", "ours is"))
    for row in paper_rows(record):
        table.add_row(
            row["name"], number(row["published"], 3), number(row["ours"], 3), number(row["ratio"]), row["kind"]
        )
    return table
