"""Pareto of a sweep: GFLOP/s against area and against energy; filled points are beaten by none in all three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures import style
from analysis.figures.panel import Panel
from analysis.sweep_table import setting_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Machines = Sequence[Mapping[str, Any]]


def frontier(sweep: Mapping[str, Any]) -> Figure:
    """The figure: two panels with one GFLOP/s axis."""
    machines = _machines(sweep)
    with style.look():
        figure = style.new_figure(230)
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, key, words in ((left, "area_mm2", "area, mm²"), (right, "energy_nj_per_flop", "energy, nJ/FLOP")):
            for machine in machines:
                fill, edge = (style.RED, style.RED) if machine["pareto"] else ("none", style.GREY)
                axes.plot(machine[key], machine["gflops"], "o", ms=5, mfc=fill, mec=edge, mew=1)
            axes.set_xlabel(words)
            axes.grid(True)
        fastest = max(machines, key=lambda machine: float(machine["gflops"]))
        right.annotate(
            "fastest",
            (fastest["energy_nj_per_flop"], fastest["gflops"]),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
        )
        left.set_ylim(0, 1.12 * fastest["gflops"])
        left.set_ylabel("GFLOP/s")
        left.plot([], [], "o", ms=5, color=style.RED, label="beaten by none")
        left.plot([], [], "o", ms=5, mfc="none", mec=style.GREY, label="beaten")
        figure.legend(loc="outside upper left", ncols=2)
    return figure


def frontier_panel(sweep: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    machines = _machines(sweep)
    best = [machine for machine in machines if machine["pareto"]]
    fastest = max(machines, key=lambda machine: float(machine["gflops"]))
    lean = min(machines, key=lambda machine: float(machine["energy_nj_per_flop"]))
    caption = (
        f"{len(best)} of {len(machines)} machines are beaten by none in speed, area and energy at once. Fastest: "
        f"{setting_words(fastest['settings'])}, {fastest['gflops']:.1f} GFLOP/s on {fastest['area_mm2']:.1f} mm². "
        f"Least energy: {setting_words(lean['settings'])}, {lean['energy_nj_per_flop']:.2f} nJ/FLOP."
    )
    alt = f"Two scatter charts of {len(machines)} machines, GFLOP/s against area and against energy. {caption}"
    labels = ("simulated", "calibrated")
    how = "one setting changed" if sweep.get("one_at_a_time") else "settings combined"
    return Panel("frontier", f"Speed against area and energy, {how}", frontier(sweep), caption, alt, labels)


def _machines(sweep: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in sweep["machines"] if one["gflops"] and one["energy_nj_per_flop"] and one["area_mm2"]]
