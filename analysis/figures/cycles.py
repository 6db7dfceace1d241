"""Where the cycles went: states of the multipliers and of the busiest layer of the merge tree, for each matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis.causes import busiest_layer
from analysis.figures import style
from analysis.figures.panel import Panel
from analysis.figures.rows import Row, kinds, rows
from analysis.record import STATES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = dict(zip(STATES, (style.BLUE, style.SKY, style.RED, style.ORANGE, style.GRID), strict=True))
_WORDS = {
    "busy": "working",
    "starved": "waits for input",
    "blocked": "next unit is full",
    "memory": "waits for DRAM",
    "idle": "finished",
}


def shares(row: Row, unit: str) -> dict[str, float]:
    """Share of the run in each state; they add up to 1. unit: ``multipliers`` or ``merge``."""
    name = busiest_layer(row.sparch) if unit == "merge" else unit
    states = row.sparch["units"].get(name, {})
    return {state: states.get(state, 0) / row.sparch["cycles"] for state in STATES}


def cycles(bench: Mapping[str, Any]) -> Figure:
    """The figure."""
    found = _found(bench)
    with style.look():
        from matplotlib.patches import Patch

        figure = style.new_figure(88 + style.ROW * len(found))
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, unit, title in ((left, "multipliers", "Multipliers"), (right, "merge", "Busiest merge layer")):
            before = [0.0] * len(found)
            for state in STATES:
                widths = [100 * shares(row, unit)[state] for row in found]
                axes.barh(
                    range(len(found)), widths, 0.8, before, color=_COLOURS[state], edgecolor=style.PAPER, linewidth=0.5
                )
                before = [one + width for one, width in zip(before, widths, strict=True)]
            axes.set_title(title)
            axes.set_xlim(0, 100)
            axes.set_xticks([0, 50, 100], ["0", "50", "100 %"])
            axes.spines["left"].set_visible(False)
        style.name_rows(left, [row.name for row in found])
        right.tick_params(axis="y", length=0)
        patches = [Patch(color=_COLOURS[state], label=_WORDS[state]) for state in STATES]
        figure.legend(handles=patches, loc="outside upper left", ncols=3)
    return figure


def cycles_panel(bench: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    found = _found(bench)
    mean = {state: sum(shares(row, "multipliers")[state] for row in found) / len(found) for state in STATES}
    lost = max((state for state in STATES if state != "busy"), key=lambda state: mean[state])
    low = min(found, key=lambda row: shares(row, "multipliers")["busy"])
    caption = (
        f"The multipliers work for {mean['busy']:.0%} of the cycles on average; most of the rest is “{_WORDS[lost]}”, "
        f"{mean[lost]:.0%}. They work least on {low.name}, {shares(low, 'multipliers')['busy']:.0%}."
    )
    alt = f"Stacked bars of unit states in percent of the cycles, {len(found)} matrices. {caption}"
    return Panel("cycles", "Where the cycles went", cycles(bench), caption, alt, kinds(found))


def _found(bench: Mapping[str, Any]) -> list[Row]:
    return [row for row in rows(bench) if row.sparch["cycles"]]
