"""The four steps of SpArch as a waterfall of DRAM bytes, from OuterSPACE to the whole machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.figures import style
from analysis.figures.panel import Panel
from analysis.paper import geometric
from analysis.published import published

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def relative(ablation: Mapping[str, Any]) -> tuple[list[str], list[list[float]]]:
    """Names of the steps, and for each matrix the DRAM bytes of each step over OuterSPACE's."""
    names = [step["name"] for step in ablation["matrices"][0]["steps"]]
    matrices = [
        [step["dram_bytes"] / row["outerspace_dram_bytes"] for step in row["steps"]]
        for row in ablation["matrices"]
        if row["outerspace_dram_bytes"]
    ]
    return names, matrices


def levels(ablation: Mapping[str, Any]) -> list[float]:
    """Geometric means of `relative` over the matrices, OuterSPACE's 1 first."""
    names, matrices = relative(ablation)
    return [1.0, *(geometric(row[place] for row in matrices) or 1.0 for place in range(len(names)))]


def published_levels(names: Sequence[str]) -> list[float] | None:
    """Published DRAM bytes over OuterSPACE's after each step, or None where a step has no published factor."""
    factors = published()["dram_steps"]
    if any(name not in factors for name in names):
        return None
    return [1.0, *(1 / np.cumprod([factors[name].value for name in names])).tolist()]


def steps(ablation: Mapping[str, Any]) -> Figure:
    """The figure."""
    names, matrices = relative(ablation)
    ours, theirs = levels(ablation), published_levels(names)
    with style.look():
        figure = style.new_figure(300)
        axes = figure.add_subplot()
        axes.set_yscale("log")
        _waterfall(axes, ours)
        rng = np.linspace(-0.24, 0.24, max(2, len(matrices)))
        for row, shift in zip(matrices, rng, strict=False):
            axes.plot(np.arange(1, len(row) + 1) + shift, row, "o", ms=2.6, color=style.MUTED, alpha=0.8, zorder=4)
        if theirs:
            _published(axes, theirs)
        everything = [value for row in matrices for value in row] + ours + (theirs or [])
        low, high = min(everything), max(everything)
        axes.set_ylim(low / 1.9, high * 1.5)
        ticks = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
        style.plain_log(axes.yaxis, [tick for tick in ticks if low / 1.9 < tick < high * 1.5])
        for place in range(1, len(ours)):
            _factor(axes, place, ours, theirs)
        axes.set_xticks(range(len(ours)), ["Outer-\nSPACE", *(_tick(name) for name in names)], fontsize=7.5)
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.5, len(ours) - 0.5)
        axes.set_ylabel("DRAM bytes, OuterSPACE = 1")
        axes.grid(True, axis="y")
    return figure


def steps_panel(ablation: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    names, matrices = relative(ablation)
    ours, theirs = levels(ablation), published_levels(names)
    gains = {name: ours[place] / ours[place + 1] for place, name in enumerate(names)}
    best = max(gains, key=lambda name: gains[name])
    beside = f" (published {1 / theirs[-1]:.1f} times)" if theirs else ""
    first = f"moves {1 / gains[names[0]]:.1f} times the bytes of OuterSPACE"
    if gains[names[0]] >= 1:
        first = f"moves {gains[names[0]]:.1f} times fewer bytes than OuterSPACE"
    caption = (
        f"The {names[0]} alone {first}; “{best}” takes away most, a factor of {gains[best]:.1f}; "
        f"with all parts SpArch moves {1 / ours[-1]:.1f} times less{beside}. "
        f"Geometric means of {len(matrices)} matrices."
    )
    alt = f"Waterfall on a logarithmic scale of DRAM bytes over OuterSPACE's, one bar a step. {caption}"
    labels = ["simulated", "published"]
    if any(str(row["name"]).endswith("~") for row in ablation["matrices"]):
        labels.append("stand-in")
    return Panel("steps", "What each part saves", steps(ablation), caption, alt, tuple(labels))


def _waterfall(axes: Axes, ours: Sequence[float]) -> None:
    axes.plot([-0.36, 0.36], [1, 1], color=style.INK, linewidth=3)
    for place in range(1, len(ours)):
        before, after = ours[place - 1], ours[place]
        colour = style.ORANGE if after > before else style.BLUE
        axes.bar(place, after - before, 0.72, bottom=before, color=colour, alpha=0.85)
        axes.plot([place - 0.36, place + 0.36], [after, after], color=style.INK, linewidth=2, zorder=3)
        axes.plot([place - 1 + 0.36, place - 0.36], [before, before], color=style.MUTED, linewidth=0.8)


def _published(axes: Axes, theirs: Sequence[float]) -> None:
    axes.plot(
        range(1, len(theirs)), theirs[1:], "D", ms=6, mfc=style.PAPER, mec=style.RED, mew=1.5, zorder=5, clip_on=False
    )
    axes.plot([], [], "D", ms=6, mfc=style.PAPER, mec=style.RED, mew=1.5, label="published")
    axes.plot([], [], "o", ms=2.6, color=style.MUTED, label="one matrix")
    axes.legend(loc="upper right", ncols=2, borderaxespad=0)


def _tick(name: str) -> str:
    return name if name.startswith("+") else name.replace(" ", "\n", 1)


def _factor(axes: Axes, place: int, ours: Sequence[float], theirs: Sequence[float] | None) -> None:
    """The factor of a step at the foot of its column, with the published one below."""

    def words(series: Sequence[float]) -> str:
        gain = series[place - 1] / series[place]
        return f"÷ {gain:.2g}" if gain >= 1 else f"× {1 / gain:.2g}"

    low = axes.get_ylim()[0]
    text = {"ha": "center", "textcoords": "offset points"}
    axes.annotate(words(ours), (place, low), (0, 14), fontweight="bold", fontsize=10, **text)  # type: ignore[arg-type]
    if theirs:
        axes.annotate(f"publ. {words(theirs)}", (place, low), (0, 3), fontsize=7, color=style.MUTED, **text)  # type: ignore[arg-type]
