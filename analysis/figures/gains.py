"""Speed and energy of SpArch over OuterSPACE, both simulated, beside the published averages.

The published speed-up is over OuterSPACE's published mean; so is the diamond in the rows of averages, while the bars
are over the machine as it is simulated here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures import style
from analysis.figures.panel import Panel
from analysis.figures.rows import Row, averages, kinds, listing, rows
from analysis.published import Published, published

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Bars = Sequence[tuple[str, float, str]]


def gains(bench: Mapping[str, Any]) -> Figure:
    """The figure: bars of each matrix and of the averages, the published average as a line."""
    found = _found(bench)
    means = averages(bench)
    with style.look():
        figure = style.new_figure(75 + style.ROW * (len(found) + len(means)))
        left, right = figure.subplots(1, 2, sharey=True)
        paper = published()
        speed = [(row.name, row.speedup or 0.0, style.BLUE if row.real else style.PALE) for row in found]
        saved = [(row.name, row.energy_ratio or 0.0, style.BLUE if row.real else style.PALE) for row in found]
        speed += [(name, mean["speedup_outerspace_simulated"] or 0.0, style.RED) for name, mean in means]
        saved += [(name, mean["energy_ratio"] or 0.0, style.RED) for name, mean in means]
        _bars(left, "times as fast", speed, paper["speedup"]["outerspace"])
        _bars(right, "times less energy", saved, paper["total"]["energy_ratio"])
        for place, (_, mean) in enumerate(means, start=len(found)):
            if mean["speedup_outerspace"]:
                left.plot(
                    mean["speedup_outerspace"], place, "D", ms=5, mfc=style.PAPER, mec=style.INK, mew=1.2, zorder=5
                )
        style.name_rows(left, [name for name, _, _ in speed])
        right.spines["left"].set_visible(False)
        right.tick_params(axis="y", length=0)
        for tick in left.get_yticklabels()[len(found) :]:
            tick.set_fontweight("bold")
    return figure


def gains_panel(bench: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    found, paper = _found(bench), published()
    said = [
        f"{name.removeprefix('average, ')}: {mean['speedup_outerspace_simulated']:.1f} times as fast "
        f"({mean['speedup_outerspace']:.1f}, the diamond, over OuterSPACE's published mean), "
        f"{mean['energy_ratio']:.1f} times less energy"
        for name, mean in averages(bench)
        if mean["speedup_outerspace_simulated"] and mean["speedup_outerspace"] and mean["energy_ratio"]
    ]
    ahead = sum((row.speedup or 0) > 1 for row in found)
    caption = (
        f"SpArch is faster than OuterSPACE on {ahead} of {len(found)} matrices. Geometric means, {'; '.join(said)}. "
        f"Published: {paper['speedup']['outerspace'].value:g} and {paper['total']['energy_ratio'].value:g}. "
        "OuterSPACE's simulated time and energy are calibrated."
    )
    alt = f"Two groups of bars, speed-up and energy saving over OuterSPACE, for {listing([r.name for r in found])}. "
    labels = kinds(found, "calibrated", "published")
    return Panel("gains", "Against OuterSPACE", gains(bench), caption, alt + caption, labels)


def _bars(axes: Axes, title: str, bars: _Bars, paper: Published) -> None:
    values = [value for _, value, _ in bars]
    axes.barh(range(len(bars)), values, 0.72, color=[colour for _, _, colour in bars])
    axes.axvline(paper.value, color=style.INK, linewidth=1, linestyle=(0, (4, 2)))
    box = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.6}
    for place, value in enumerate(values):
        axes.annotate(
            f"{value:.1f}", (value, place), (3, 0), textcoords="offset points", va="center", fontsize=7, bbox=box
        )
    axes.annotate(
        f"published {paper.value:g}",
        (paper.value, -0.6),
        (0, 2),
        textcoords="offset points",
        ha="center",
        fontsize=7.5,
    )
    axes.set_xlim(0, 1.18 * max([*values, paper.value]))
    axes.set_xlabel(title)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.grid(True, axis="x")


def _found(bench: Mapping[str, Any]) -> list[Row]:
    return [row for row in rows(bench) if row.speedup and row.energy_ratio]
