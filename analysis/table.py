"""The summary of one result, about twenty lines: what, how long, which bound, where the cycles and the bytes went.

`summary` gives a rich renderable (the command line prints it, with colour on a terminal); `render_summary` plain text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import phases
from analysis.causes import busiest_layer
from analysis.plain_text import WIDTH, figure_table, plain
from analysis.record import (
    BOUNDS,
    OPERANDS,
    STATES,
    Record,
    energy_groups,
    ideal_by_operand,
    merge_layers,
    product_name,
    setting,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_ACCELERATORS = {"sparch": "SpArch", "outerspace": "OuterSPACE"}


def summary(record: Record) -> RenderableType:
    """The summary as a rich renderable."""
    from rich.console import Group
    from rich.text import Text

    head = Text("\n".join([_what(record), *_results(record), _bound(record)]))
    head.stylize("bold", 0, len(_what(record)))
    tail = [Text(line) for line in (_bytes_line(record), *_buffer(record), _energy(record))]
    flags = [Text(f"note: {flag}", style="yellow") for flag in record.get("flags") or ()]
    return Group(head, "", _unit_table(record), "", _traffic_table(record), *tail, *flags)


def render_summary(record: Record, width: int = WIDTH) -> str:
    """The summary as text without colour, ending in a line break."""
    return plain(summary(record), width=width)


def verified_text(record: Record) -> str:
    """``verified ...`` or ``not verified``, for people."""
    if not record["verified"]:
        return "not verified"
    error = record.get("max_relative_error")
    return "verified against SciPy" + ("" if error is None else f", largest relative error {error:.1e}")


def _what(record: Record) -> str:
    machine = _ACCELERATORS.get(record["accelerator"], record["accelerator"])
    return f"{product_name(record)} on {machine}, {record['model']} model"


def _results(record: Record) -> list[str]:
    clock = setting(record, "clock_hz", 1e9)
    return [
        f"{verified_text(record)}; {record['multiplications']:,} multiplications give {record['output_nnz']:,} entries",
        f"{record['cycles']:,} cycles = {_seconds(record['seconds'])} at {clock / 1e9:g} GHz, "
        f"{record['gflops']:.2f} GFLOP/s; {_passes(record)}",
    ]


def _passes(record: Record) -> str:
    rounds = record["merge_rounds"]
    if rounds is None:
        return phases.summary_line(record, _seconds)
    return f"{record['condensed_columns']:,} condensed columns in {rounds:,} merge round{'' if rounds == 1 else 's'}"


def _bound(record: Record) -> str:
    bounds = record["bounds_cycles"]
    tightest = max(BOUNDS, key=lambda name: bounds[name])
    others = ", ".join(f"{name} {bounds[name]:,}" for name in BOUNDS if name != tightest)
    if not bounds[tightest]:
        return "tightest bound: none, there is nothing to do"
    above = 100 * (record["cycles"] / bounds[tightest] - 1)
    return f"tightest bound: {tightest}, {bounds[tightest]:,} cycles; the run takes {above:.1f} % more ({others})"


def _unit_table(record: Record) -> Table:
    table = figure_table("unit, % of the cycles", STATES)
    layers, units = merge_layers(record), record["units"]
    for name in [*(unit for unit in units if unit not in layers), *([busiest_layer(record)] if layers else [])]:
        label = f"busiest merge layer: {name.rpartition('_')[2]} of {len(layers)}" if name in layers else name
        shares = [100 * units[name][state] / record["cycles"] if record["cycles"] else 0.0 for state in STATES]
        table.add_row(label.replace("_", " "), *(f"{share:.1f}" for share in shares))
    return table


def _traffic_table(record: Record) -> Table:
    table = figure_table("DRAM, MB", ("A read", "B read", "partials read", "partials written", "C written", "total"))
    moved, ideal = record["dram_bytes"], ideal_by_operand(record)
    used = [moved[name] for name in (*OPERANDS, "total")]
    least = [*(ideal[name] for name in OPERANDS), record["ideal_dram_bytes"]]
    table.add_row("moved", *(_megabytes(value) for value in used))
    table.add_row("ideal", *(_megabytes(value) for value in least))
    table.add_row("ratio", *(f"{a / b:.2f}" if b else "-" for a, b in zip(used, least, strict=True)))
    return table


def _bytes_line(record: Record) -> str:
    return (
        f"{_megabytes(record['channel_bytes'])} MB in whole bursts; "
        f"{100 * record['bandwidth_utilization']:.1f} % of the peak bandwidth used"
    )


def _buffer(record: Record) -> list[str]:
    prefetch = record["prefetch"]
    if prefetch is None:
        return []
    return [
        f"row buffer: hit rate {100 * prefetch['hit_rate']:.1f} % "
        f"({prefetch['read_elements']:,} of {prefetch['requested_elements']:,} requested elements of B read from DRAM)"
    ]


def _energy(record: Record) -> str:
    energy, flops = record["energy_j"], record["flops"]
    total = energy["total"]
    split = ", ".join(f"{name} {100 * energy[name] / total if total else 0:.0f} %" for name in energy_groups(record))
    each = f", {1e9 * total / flops:.2f} nJ/FLOP" if flops else ""
    return f"energy: {1e3 * total:.4g} mJ ({split}){each}; power {record['power_w']:.2f} W"


def _seconds(value: float) -> str:
    unit, scale = ("s", 1.0) if value >= 1 else ("ms", 1e3) if value >= 1e-4 else ("us", 1e6)
    return f"{value * scale:.4g} {unit}"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.{2 if value >= 1e7 else 4}f}"
