"""The record of a pruned text model on SpArch as Markdown: a row a layer, then the density sweep of a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def on_sparch_table(record: Mapping[str, Any]) -> str:
    """Both tables and the notes."""
    layers, total = record["layers"], record["per_sentence"]
    dense = list(total["dense"])
    order = {"weights_first": "W·X", "activations_first": "Xᵀ·Wᵀ"}
    head = ["layer", "out × in", "tokens", "weights left", "activations", "order", "cycles", "µJ", "DRAM kB"]
    rows = [
        [
            one["layer"],
            f"{one['outputs']} × {one['inputs']}",
            f"{one['tokens']:g}",
            _percent(one["weight_density"]),
            _percent(one["activation_density"]),
            order[one["order"]],
            *_figures(one),
            *(_break_even(one, name) for name in dense),
        ]
        for one in layers
    ]
    rows.append(["**one sentence**", "", "", "", "", "", *_figures(total), *[""] * len(dense)])
    parts = [*_table([*head, *(f"break-even: {name}" for name in dense)], rows), ""]
    swept = [["as compressed", *_figures(total), *(_times(total, total["dense"][name]) for name in dense)]]
    swept += [
        [_percent(one["density"]), *_figures(one), *(_times(one, total["dense"][name]) for name in dense)]
        for one in total["sweep"]
    ]
    faster = [f"times faster than {name}" for name in dense]
    parts += _table(["weights left", "cycles", "µJ", "DRAM kB", *faster], swept)
    return "\n".join([*parts, "", *(f"- {note}" for note in record["notes"]), ""])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _figures(one: Mapping[str, Any]) -> list[str]:
    return [f"{one['cycles']:,.0f}", f"{1e6 * one['energy_j']:.3g}", f"{1e-3 * one['dram_bytes']:.3g}"]


def _times(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    return f"{other['latency_s'] / one['seconds']:.3g}"


def _break_even(one: Mapping[str, Any], name: str) -> str:
    if name not in one["break_even"]:
        return ""
    found = one["break_even"][name]
    least = min(row["density"] for row in one["sweep"])
    return f"below {_percent(least)}" if found is None else "unpruned" if found == 1 else _percent(found)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
