"""A search as a table: one line for each device and budget, with what the best network is predicted to do.

Records are those of `hwloop search`. Accuracies are predictions of the predictor that is named below the table; what
was measured of delivered networks stands in lines of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.plain_text import figure_table, number, plain

_WIDE = 132


def render_search(record: Mapping[str, Any]) -> str:
    """The record of `hwloop search` as text."""
    headings = (_what(record), "90 % interval", "ms", "90 % interval", "mJ", "MMACs", "M params", "reachable ms", "s")
    table = figure_table("device, budget", headings)
    notes = []
    for one in record["searches"]:
        name = f"{one['device']}, {one['budget']}"
        if one["best"] is None:
            table.add_row(name, *["–"] * 7, _reachable(one), "–")
            notes.append(f"{name}: {one['refused'] or 'no network keeps the bounds'}")
            continue
        predicted = one["best"]["predicted"]
        for place, cost in enumerate(predicted["costs"]):
            table.add_row(
                name if not place else f"  on {cost['device']}",
                *(_score(predicted) if not place else ("", "")),
                *_figures(cost),
                _reachable(one, cost["device"]),
                number(one["wall_s"], 1) if not place else "",
            )
    return plain(table, "", *_notes(record), *_measured(record), *notes, width=_WIDE)


def _measured(record: Mapping[str, Any]) -> list[str]:
    """A line for each network that was delivered."""
    lines = []
    for one in record["searches"]:
        found = one["best"] and one["best"]["measured"]
        if found:
            cost = one["best"]["predicted"]["costs"][0]
            parts = [_quality(found)] if "data" in found else []
            if found["latency_s"] is not None:
                parts.append(f"{_scaled(found['latency_s'], 1e3)} ms here, {_scaled(cost['latency_s'], 1e3)} predicted")
            what = "measured" if parts else "made"
            lines.append(f"{what}, {one['device']}, {one['budget']}: {'; '.join([*parts, found['folder']])}")
    return lines


def _quality(found: Mapping[str, Any]) -> str:
    """What the test images say; the quality of text is what `finals` measures."""
    if "accuracy" in found:
        said = f"{100 * found['accuracy']:.2f} %"
    else:
        values = {name: one["value"] for name, one in found["measures"].items()}
        shown = (f"{name.removesuffix('_db').upper()} {value:.3g}" for name, value in values.items())
        said = ", ".join(shown) or "nothing"
    return f"{said} of {found['data']['test_images']:,} test images of {found['data']['name']}"


def _figures(cost: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _scaled(cost["latency_s"], 1e3),
        _span(cost["latency_low_s"], cost["latency_high_s"], 1e3),
        _scaled(cost["energy_j"], 1e3),
        _scaled(cost["macs"], 1e-6),
        _scaled(cost["params"], 1e-6),
    )


def _notes(record: Mapping[str, Any]) -> list[str]:
    objective, space = record["objective"], record["space"]
    unseen = objective.get("unseen") or {}
    error = f", RMSE {100 * unseen['rmse']:.2f} points on {unseen['n']:.0f} unseen networks" if "rmse" in unseen else ""
    if "spearman" in unseen:
        error = f", rank correlation {unseen['spearman']:.2f} on {unseen['networks']} unseen networks"
    source = "accuracy predictor" if _what(record) == "accuracy %" else "score"
    lines = [
        f"{space['name']}, {space['size']:.3g} networks; {record['method']}, seed {record['seed']}, "
        f"{record['evaluations']:,} networks scored. Everything in the table is predicted.",
        f"{source}: {objective['label']}{error}",
    ]
    if objective["label"] == "placeholder":
        lines.append("note: this predictor is a placeholder: its accuracies mean nothing")
    flags = {
        flag
        for one in record["searches"]
        if one["best"]
        for cost in one["best"]["predicted"]["costs"]
        for flag in cost["flags"]
    }
    return lines + [f"note: {flag}" for flag in sorted(flags)]


def render_demo(record: Mapping[str, Any]) -> str:
    """The record of `hwloop demo ofa` as text: the winner, predicted beside measured."""
    one = record["search"]
    best, measured = one["best"], one["best"]["measured"]
    predicted, data = best["predicted"], best["measured"]["data"]
    cost = predicted["costs"][0]
    table = figure_table("the winner on this machine", ("predicted", "90 % interval", "measured"))
    latency = (_scaled(cost["latency_s"], 1e3), _span(cost["latency_low_s"], cost["latency_high_s"], 1e3))
    table.add_row("latency, ms", *latency, _scaled(measured["latency_s"], 1e3))
    accuracy = (_percent(predicted["accuracy"]), _span(predicted["accuracy_low"], predicted["accuracy_high"], 100))
    subset = record["subset"]
    if data["test_images"] > subset["images"]:
        name = f"accuracy, % of {data['test_images']:,} test images"
        table.add_row(name, *accuracy, _percent(measured["accuracy"]))
        accuracy = ("", "")
    table.add_row(f"accuracy, % of the {subset['images']:,} that ship", *accuracy, _percent(subset["accuracy"]))
    arch = best["arch"]
    lines = [
        f"searched: {record['evaluations']:,} networks under {_scaled(_limit(one), 1e3)} ms, {one['budget']} "
        f"({_reachable(one)} ms), in {one['wall_s']:.1f} s",
        f"winner: {cost['macs'] / 1e6:.2f} M MACs, {cost['params'] / 1e3:,.0f} k parameters, {arch['r']} pixels, "
        f"depths {arch['d']}, kernels {arch['ks']}, expansions {arch['e']} (slots beyond a depth say nothing)",
        f"files: {measured['folder']}; onnxruntime differs by {measured['onnx_largest_difference']:.1e}",
        f"profile: {record['profile']['file']}; all of it took {record['wall_s']:.0f} s",
    ]
    if measured["latency"]["hindered"]:
        lines.append("note: other programs were in the way of the latency measurement")
    return plain(table, "", *lines, width=_WIDE)


def _limit(one: Mapping[str, Any]) -> float:
    return float(one["constraint"][0]["limit"])


def render_published(record: Mapping[str, Any]) -> str:
    """The record of `hwloop search --published` as text."""
    parts: list[Any] = []
    for device in record["devices"]:
        headings = ("published top-1 %", "ms", "90 % interval", "MMACs", "times slower", "in the paper")
        table = figure_table(f"on {device['device']}", headings)
        for row in device["networks"]:
            table.add_row(
                row["network"].removeprefix("ofa/"),
                number(row["published_top1_percent"], 1),
                _scaled(row["latency_s"], 1e3),
                _span(row["latency_low_s"], row["latency_high_s"], 1e3),
                _scaled(row["macs"], 1e-6),
                f"{number(row['slower'])} ({number(row['slower_low'])} to {number(row['slower_high'])})"
                if row["slower"] is not None
                else "–",
                f"{row['published_slower']:g}×" if row["published_slower"] is not None else "–",
            )
        parts += [table, ""]
    return plain(*parts, *record["notes"], width=_WIDE)


def _reachable(one: Mapping[str, Any], device: str | None = None) -> str:
    for reach in one["reachable"]:
        if reach["column"].startswith("latency") and reach["device"] == (device or one["devices"][0]):
            return _span(reach["low"], reach["high"], 1e3)
    return "–"


def _what(record: Mapping[str, Any]) -> str:
    """What networks are scored by: accuracy, or what the objective is called."""
    scored = next((one["best"]["predicted"] for one in record["searches"] if one["best"] is not None), {"accuracy": 0})
    return "accuracy %" if "accuracy" in scored else str(record["objective"]["what"])


def _score(predicted: Mapping[str, Any]) -> tuple[str, str]:
    """The score and its interval, where it has one."""
    if "accuracy" in predicted:
        return _percent(predicted["accuracy"]), _span(predicted["accuracy_low"], predicted["accuracy_high"], 100)
    return f"{next(value for key, value in predicted.items() if key not in ('measures', 'costs')):.4f}", "–"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


def _scaled(value: float | None, scale: float) -> str:
    return "–" if value is None else f"{value * scale:,.4g}"


def _span(low: float | None, high: float | None, scale: float) -> str:
    return "–" if low is None or high is None else f"{_scaled(low, scale)} to {_scaled(high, scale)}"
