"""SpArch, simulated, against libraries that were really run: how many times as fast as each, for each matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures import style
from analysis.figures.panel import Panel
from analysis.figures.rows import Row, kinds, library_label, rows
from analysis.paper import geometric

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def faster_than(row: Row, library: str) -> float:
    """Best measured seconds of the library over the simulated seconds of SpArch."""
    return float(row.libraries[library]["best_s"] / row.sparch["seconds"])


def library_names(found: Sequence[Row]) -> dict[str, str]:
    """Label of each library row that was measured on some matrix, by its name."""
    return {name: library_label(one) for row in found for name, one in row.libraries.items()}


def libraries(bench: Mapping[str, Any]) -> Figure:
    """The figure: a mark for each library and matrix, that of the fastest filled and named."""
    found = _found(bench)
    labels = library_names(found)
    with style.look():
        figure = style.new_figure(70 + 13 * (-(-len(labels) // 2)) + style.ROW * len(found))
        axes = figure.add_subplot()
        axes.set_xscale("log")
        for place, row in enumerate(found):
            best = row.fastest
            for name in row.libraries:
                _mark(axes, faster_than(row, name), place, list(labels).index(name), filled=name == best)
        for number, label in enumerate(labels.values()):
            _mark(axes, None, None, number, filled=True, label=label)
        axes.axvline(1, color=style.INK, linewidth=1)
        style.name_rows(axes, [row.name for row in found])
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, 0.7), max(high, 1.5))
        style.plain_log(axes.xaxis)
        axes.set_xlabel("SpArch is so many times as fast (filled: the fastest library)")
        axes.grid(True)
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper left", ncols=2 if len(labels) > 1 else 1)
    return figure


def libraries_panel(bench: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    found = _found(bench)
    labels = library_names(found)
    best = [name for row in found if (name := row.fastest)]
    most = max(dict.fromkeys(best), key=best.count, default=None)
    closest = geometric(faster_than(row, name) for row in found if (name := row.fastest))
    means = {
        label: mean
        for name, label in labels.items()
        if (mean := geometric(faster_than(row, name) for row in found if name in row.libraries))
    }
    low, high = (pick(means, key=lambda label: means[label]) for pick in (min, max))
    ends = f"from {_times(means[low])} times {low} to {_times(means[high])} times {high}"
    marks = [one for row in found for one in row.libraries.values()]
    late = sum(bool(one.get("hindered")) for one in marks)
    caption = (
        (f"{labels[most]} is the fastest library on {best.count(most)} of {len(found)} matrices. " if most else "")
        + (f"SpArch (simulated) is {_times(closest)} times as fast as the fastest of each matrix. " if closest else "")
        + f"Over all matrices of each library: {ends} (geometric means)."
        + (f" {late} of {len(marks)} times are too long: the library did not get its cores." if late else "")
    )
    alt = f"Dots on a logarithmic scale: speed of SpArch over {len(labels)} libraries, {len(found)} matrices. {caption}"
    return Panel("libraries", "Against libraries", libraries(bench), caption, alt, ("measured", *kinds(found)))


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _mark(axes: Any, x: float | None, y: float | None, number: int, filled: bool, label: str | None = None) -> None:
    colour = style.SERIES[number % len(style.SERIES)]
    axes.plot(
        [] if x is None else [x],
        [] if y is None else [y],
        style.MARKERS[number % len(style.MARKERS)],
        ms=5.5,
        mfc=colour if filled else "none",
        mec=colour,
        mew=1.1,
        label=label,
        zorder=4 if filled else 3,
    )


def _found(bench: Mapping[str, Any]) -> list[Row]:
    return [row for row in rows(bench) if row.libraries and row.sparch["seconds"]]
