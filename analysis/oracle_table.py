"""Devices, predictions and accuracy as tables: milliseconds, millijoules and per cent, one line for each row.

The records are those of `hwloop devices`, `hwloop predict` and `hwloop validate`; what is unknown is a dash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.plain_text import figure_table, number, plain

if TYPE_CHECKING:
    from rich.table import Table

SHOWN_NETWORKS = 30
SHOWN_OPERATORS = 15
_WIDE = 132


def render_devices(record: Mapping[str, Any]) -> str:
    """The record of `hwloop devices` as text."""
    headings = ("how known", "networks", "MAPE %", "within 10 %", "energy MAPE %")
    table = figure_table("device", headings)
    table.add_column("what it is, and the sets that it was fitted on", overflow="fold")
    for device in record["devices"]:
        fitted = device["fitted_on"]
        sets = "; ".join(one["set"] for one in fitted)
        first = fitted[0] if fitted else {}
        table.add_row(
            device["name"],
            device["label"],
            f"{sum(one['networks'] for one in fitted):,}",
            number(first.get("mape")),
            _percent(first.get("within_10")),
            number(first.get("energy_mape")),
            f"{device['description'] or device['name']} ({sets or 'nothing'})",
        )
    notes = "Errors are of rows that were left out of their fit. How known: " + "; ".join(
        f"{label}: {words}" for label, words in _LABELS.items() if label in {one["label"] for one in record["devices"]}
    )
    return plain(table, "", notes, width=_WIDE)


_LABELS = {
    "calibrated": "fitted on measurements",
    "anchored": "a handful of measurements scale it, it is not fitted",
    "published": "from published figures, nothing measured here",
    "measured": "measured by 'hwloop profile'",
    "adapted": "another device's profile, adapted with few measurements",
}


def render_prediction(record: Mapping[str, Any]) -> str:
    """The record of `hwloop predict` as text: networks with their 90 % intervals, then operators where listed."""
    networks = record["networks"]
    shown = networks[:SHOWN_NETWORKS]
    parts: list[Any] = [_networks(_where(record), shown)]
    if len(networks) > len(shown):
        parts.append(f"… and {len(networks) - len(shown):,} more; --json has all")
    for network in shown:
        if "operators" in network:
            parts += ["", _operators(network)]
    flags = _flags(networks)
    return plain(*parts, *([""] if flags else []), *flags, width=_WIDE)


def _where(record: Mapping[str, Any]) -> str:
    how = record["context"]
    batch = f"batch {how['batch_size']}, " if how["batch_size"] > 1 else ""
    return f"{record['device']}, {batch}{how['dtype']}"


def _networks(device: str, networks: Sequence[Mapping[str, Any]]) -> Table:
    table = figure_table(f"on {device}", ("ms", "90 % interval", "mJ", "90 % interval", "peak MB", "MMACs", "M params"))
    for one in networks:
        table.add_row(
            one["network"],
            _scaled(one["latency_s"], 1e3),
            _interval(one["latency_low_s"], one["latency_high_s"]),
            _scaled(one["energy_j"], 1e3),
            _interval(one["energy_low_j"], one["energy_high_j"]),
            _scaled(one["peak_memory_bytes"], 1e-6),
            _scaled(one["macs"], 1e-6),
            _scaled(one["params"], 1e-6),
        )
    return table


def _operators(network: Mapping[str, Any]) -> Table:
    listed = network["operators"]
    total = sum(one["latency_s"] for one in listed) or 1.0
    table = figure_table(f"operators of {network['network']}", ("runs", "ms", "% of time", "mJ", "DRAM MB", "MMACs"))
    for one in listed[:SHOWN_OPERATORS]:
        table.add_row(one["operator"], f"{one['count']:,}", *_operator_figures([one], total))
    rest = listed[SHOWN_OPERATORS:]
    if rest:
        runs = f"{sum(one['count'] for one in rest):,}"
        table.add_row(f"{len(rest)} others", runs, *_operator_figures(rest, total))
    return table


def _operator_figures(listed: Sequence[Mapping[str, Any]], total: float) -> tuple[str, ...]:
    seconds = sum(one["latency_s"] for one in listed)
    known = all(one["energy_j"] is not None for one in listed)
    energy = sum(one["energy_j"] for one in listed) if known else None
    moved, macs = (sum(one[name] for one in listed) for name in ("dram_bytes", "macs"))
    return (
        _scaled(seconds, 1e3),
        f"{100 * seconds / total:.1f}",
        _scaled(energy, 1e3),
        _scaled(moved, 1e-6),
        _scaled(macs, 1e-6),
    )


def _flags(networks: Sequence[Mapping[str, Any]]) -> list[str]:
    found: dict[str, list[str]] = {}
    for network in networks:
        for flag in network["flags"]:
            found.setdefault(flag, []).append(network["network"])
    lines = []
    for flag, names in found.items():
        whose = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
        lines.append(f"note: {flag}" if len(names) == len(networks) else f"note: {whose}: {flag}")
    return lines


def render_profile(record: Mapping[str, Any]) -> str:
    """The record of `hwloop profile` as text: networks that were not fitted, predicted against measured."""
    table = figure_table(
        f"on {record['device']['name']}", ("predicted ms", "90 % interval", "measured ms", "error %", "runs")
    )
    for one in record["networks"]:
        table.add_row(
            one["network"] + (" (hindered)" if one["hindered"] else ""),
            _scaled(one["predicted_s"], 1e3),
            _interval(one["predicted_low_s"], one["predicted_high_s"]),
            _scaled(one["measured_s"], 1e3),
            f"{100 * one['error']:+.1f}",
            f"{one['runs']:,}",
        )
    tried, fitted, errors = record["experiments"], record["device"]["fitted_on"][0], record["errors"]
    lines = [
        f"{record['device']['description']}",
        f"fitted on {tried['networks']:,} random small networks ({tried['operators']:,} operators, "
        f"{tried['hindered']:,} networks hindered by other programs), MAPE {number(fitted['mape'])} % where left out",
    ]
    if errors:
        worst = f"largest {100 * errors['largest']:.1f} %"
        lines.append(f"networks not fitted: median error {100 * errors['median']:.1f} %, {worst}")
    lines.append(f"{record['wall_s']:.0f} s in all")
    shown: list[Any] = [table, ""] if record["networks"] else []
    return plain(*shown, *lines, width=_WIDE)


def render_validation(record: Mapping[str, Any]) -> str:
    """The record of `hwloop validate` as text. MAPE of the naive predictors stands beside."""
    headings = ("n", "MAPE %", "median %", "≤ 5 %", "≤ 10 %", "Spearman", "coverage")
    table = figure_table("check / set, device", (*headings, "MACs only", "linear", "const. power", "meets"))
    for row in record["rows"]:
        beside = row["baselines"]
        table.add_row(
            _whose(row),
            f"{row['n']:,}",
            number(row["mape"]),
            number(row["median_ape"]),
            _percent(row["within_5"]),
            _percent(row["within_10"]),
            number(row["spearman"], 4),
            _percent(row["coverage_90"]),
            *(number(beside.get(name), 1) for name in ("macs_only", "linear_counts", "constant_power")),
            row.get("meets") or "–",
        )
    notes = ["MACs only, linear in operator counts, constant power: MAPE in % of naive predictors on the same rows."]
    found = record.get("intervals")
    if found:
        notes.append(
            f"Coverage lies in the 95 % binomial band around 0.90 in {found['in_band']} of {found['asked']} rows; "
            f"{found['expected']:.1f} ± {found['spread']:.1f} would with intervals without any fault."
        )
    return plain(table, "", *notes, width=_WIDE + 28)


def _whose(row: Mapping[str, Any]) -> str:
    names = [row["set"]] if row["check"] in (row["set"], "") else [row["check"], row["set"]]
    return f"{' / '.join(names)}, {row['device']}"


def _scaled(value: float | None, scale: float) -> str:
    return "–" if value is None else f"{value * scale:,.4g}" if abs(value * scale) < 1e4 else f"{value * scale:,.0f}"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{_scaled(low, 1e3)} to {_scaled(high, 1e3)}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
