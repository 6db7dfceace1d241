"""Two results side by side: the difference, split into parts that add up to it.

Cycles are split by the causes of `causes.split_cycles`, which charges each cycle of a run once; DRAM bytes by operand,
energy by group, the cycles of each unit by state. Settings and operands that differ are listed. Differences are always
second minus first. The two runs need not be of the same matrix or accelerator: where their clocks differ, cycles say
little, and the text gives seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.causes import split_cycles
from analysis.phases import CAUSE_NAMES as PHASE_CAUSE_NAMES
from analysis.record import BOUNDS, OPERANDS, STATES, Record, energy_groups, flatten, product_name, setting

SCHEMA = "hwloop.comparison/1"
_FIGURES = ("gflops", "seconds", "power_w", "bandwidth_utilization", "merge_rounds", "multiplications", "output_nnz")

CAUSE_NAMES = {
    "compulsory": "A, B and C moved once",
    "b_rereads": "re-reads of B rows",
    "partials": "partial matrices",
    "padding": "padding to bursts",
    "arithmetic": "multiplications",
    "lost_slots": "empty multiplier slots",
    "merge_tree": "merge tree",
    "rounds": "latency, start and end of rounds",
    **PHASE_CAUSE_NAMES,
}


def compare(first: Record, second: Record) -> dict[str, Any]:
    """The difference of two records as plain values (schema ``hwloop.comparison/1``).

    Each of `cycles`, `seconds`, `dram_bytes`, `energy_j` is {first, second, difference, parts}; the differences in
    `parts` add up to `difference`. `units` holds the difference of each unit's states, which adds up to that of the
    cycles.
    """
    causes = split_cycles(first).cycles, split_cycles(second).cycles
    names = [name for name in CAUSE_NAMES if name in causes[0] or name in causes[1]]
    seconds = _in_seconds(first, causes[0]), _in_seconds(second, causes[1])
    hits = [(record["prefetch"] or {}).get("hit_rate") for record in (first, second)]
    return {
        "schema": SCHEMA,
        "first": _identity(first),
        "second": _identity(second),
        "cycles": _split(first["cycles"], second["cycles"], *causes, names),
        "seconds": _split(first["seconds"], second["seconds"], *seconds, names),
        "bounds_cycles": _parts(first["bounds_cycles"], second["bounds_cycles"], BOUNDS),
        "units": _units(first["units"], second["units"]),
        "dram_bytes": _table(first["dram_bytes"], second["dram_bytes"], OPERANDS),
        "channel_bytes": _difference(first["channel_bytes"], second["channel_bytes"]),
        "hit_rate": _difference(*hits),
        "energy_j": _table(first["energy_j"], second["energy_j"], energy_groups(first, second)),
        "figures": {name: _difference(first[name], second[name]) for name in _FIGURES},
        "settings": _changed(flatten(first["config"]), flatten(second["config"])),
        "operands": _changed(_operands(first), _operands(second)),
    }


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """The comparison as text; parts that do not differ are left out."""
    one, two = comparison["first"], comparison["second"]
    lines = [f"first:  {one['product']} on {one['accelerator']}, {one['model']} model"]
    lines.append(f"second: {two['product']} on {two['accelerator']}, {two['model']} model")
    changed = {**comparison["operands"], **comparison["settings"]}
    if one["accelerator"] != two["accelerator"]:  # what only one of the machines has says nothing
        changed = {name: pair for name, pair in changed.items() if None not in pair.values()}
    differing = [f"  {name}: {value['first']} -> {value['second']}" for name, value in changed.items()]
    lines += ["what differs:", *differing] if differing else ["operands and settings are the same"]
    clock = comparison["settings"].get("clock_hz")
    if clock:
        lines += _block("time ms", comparison["seconds"], CAUSE_NAMES, "{:,.5f}", 1e-3)
    else:
        lines += _block("cycles", comparison["cycles"], CAUSE_NAMES, "{:,.0f}", 1.0)
    lines += _block("DRAM MB", comparison["dram_bytes"], {}, "{:,.3f}", 1e6)
    lines += _block("energy mJ", comparison["energy_j"], {}, "{:,.5f}", 1e-3)
    if not clock:
        lines += _bounds(comparison["bounds_cycles"]) + _stalls(comparison["units"])
    hit, rate = comparison["hit_rate"], comparison["figures"]["gflops"]
    hits = "" if hit["difference"] is None else f"hit rate {hit['first']:.1%} -> {hit['second']:.1%}; "
    lines.append(f"{hits}GFLOP/s {_arrow(rate, '{:.2f}')}")
    return "\n".join(lines)


def _identity(record: Record) -> dict[str, Any]:
    return {
        "product": product_name(record),
        **{key: record[key] for key in ("accelerator", "model", "version", "verified")},
        "flags": list(record.get("flags") or ()),
    }


def _operands(record: Record) -> dict[str, Any]:
    flat = flatten({"matrix": record["matrix"], "accelerator": record["accelerator"], "model": record["model"]})
    return {name: value for name, value in flat.items() if not name.endswith("sha256") or value}


def _in_seconds(record: Record, cycles: Mapping[str, float]) -> dict[str, float]:
    clock = float(setting(record, "clock_hz", 1e9))
    return {name: value / clock for name, value in cycles.items()}


def _difference(first: float | None, second: float | None) -> dict[str, float | None]:
    """A figure that one of the machines does not have is None there, and so is the difference."""
    difference = None if first is None or second is None else second - first
    return {"first": first, "second": second, "difference": difference}


def _parts(first: Mapping[str, Any], second: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Differences by name; a part that one of the two does not have counts as 0."""
    return {name: _difference(first.get(name) or 0, second.get(name) or 0) for name in names}


def _split(
    total_first: float, total_second: float, first: Mapping[str, Any], second: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    return {**_difference(total_first, total_second), "parts": _parts(first, second, names)}


def _table(first: Mapping[str, Any], second: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return _split(first["total"], second["total"], first, second, names)


def _units(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Second minus first for each state of the units that both have."""
    both = [unit for unit in first if unit in second]
    return {unit: {state: second[unit][state] - first[unit][state] for state in STATES} for unit in both}


def _changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    names = [*first, *(name for name in second if name not in first)]
    pairs = {name: {"first": first.get(name), "second": second.get(name)} for name in names}
    return {name: pair for name, pair in pairs.items() if pair["first"] != pair["second"]}


def _arrow(pair: Mapping[str, float], form: str, scale: float = 1.0) -> str:
    return f"{form.format(pair['first'] / scale)} -> {form.format(pair['second'] / scale)}"


def _block(title: str, split: Mapping[str, Any], names: Mapping[str, str], form: str, scale: float) -> list[str]:
    total = split["difference"]
    ratio = f", {split['second'] / split['first']:.2f} x" if split["first"] else ""
    signed = form.replace(":", ":+")
    lines = [f"{title}: {_arrow(split, form, scale)} ({signed.format(total / scale)}{ratio}), of which"]
    parts = sorted(split["parts"].items(), key=lambda part: -abs(part[1]["difference"]))
    shown = [(name, part) for name, part in parts if abs(part["difference"]) > 1e-6 * max(abs(total), 1e-12)]
    if not shown:
        return [f"{title}: {form.format(split['first'] / scale)} in both"]
    for name, part in shown:
        lines.append(
            f"  {names.get(name, name.replace('_', ' ')):<34}{signed.format(part['difference'] / scale):>16}"
            f"   ({_arrow(part, form, scale)})"
        )
    return lines


def _bounds(bounds: Mapping[str, Any]) -> list[str]:
    shown = [f"{name} {_arrow(pair, '{:,.0f}')}" for name, pair in bounds.items()]
    return [f"bounds, cycles: {'; '.join(shown)}"]


def _stalls(units: Mapping[str, Mapping[str, float]]) -> list[str]:
    rows = [(unit, states) for unit, states in units.items() if any(states.values())]
    if not rows:
        return []
    lines = [f"{'units, cycles':<20}" + "".join(f"{state:>14}" for state in STATES)]
    return lines + [f"  {unit:<18}" + "".join(f"{states[state]:>+14,.0f}" for state in STATES) for unit, states in rows]
