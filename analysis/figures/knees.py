"""Design space one setting at a time: where more of it stops paying.

The knee is the first value from which every further step gains under 10 % in GFLOP/s. Settings that change together
and do not all grow are cut into curves: those that share the published last value, and those of one capacity.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.figures import style
from analysis.figures.panel import Panel
from analysis.figures.rows import listing
from analysis.published import published

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAIN = 0.10


@dataclass(frozen=True)
class Curve:
    """A title; for each value its label and GFLOP/s. chosen: place of the published choice."""

    title: str
    labels: tuple[str, ...]
    gflops: tuple[float, ...]
    chosen: int | None

    @property
    def knee(self) -> int | None:
        """Place of the knee; None where the last step still gains `GAIN`."""
        return knee(self.gflops)


def knee(values: Sequence[float]) -> int | None:
    """Place of the first value from which every further step gains under `GAIN`; None where the last step does not."""
    found = None
    for place in range(len(values) - 2, -1, -1):
        if values[place + 1] >= (1 + GAIN) * values[place]:
            break
        found = place
    return found


def curves(sweep: Mapping[str, Any]) -> list[Curve]:
    """The curves of a record whose axes were varied one at a time."""
    found, begin = [], 0
    for axis in sweep["axes"]:
        machines = sweep["machines"][begin : begin + len(axis["values"])]
        begin += len(machines)
        points = [
            (tuple(values), machine["gflops"])
            for values, machine in zip(axis["values"], machines, strict=True)
            if machine["gflops"]
        ]
        found += _axis_curves(list(axis["names"]), points)
    return [curve for curve in found if len(curve.gflops) > 1]


def _axis_curves(names: list[str], points: list[tuple[tuple[Any, ...], float]]) -> list[Curve]:
    words = [_short(name) for name in names]
    if len(names) == 1 or _all_grow(points):
        return [_curve(_title(names[0]), names[:1], [(values[:1], rate) for values, rate in points])]
    chosen = _chosen(names)
    if len(names) != 2 or chosen is None:
        return [_curve(" × ".join(words), names, points)]
    same_line = sorted(point for point in points if point[0][1] == chosen[1])
    same_size = [point for point in points if math.prod(point[0]) == math.prod(chosen)]
    return [
        _curve(f"{_title(names[0])} (of {chosen[1]:g})", names[:1], [(values[:1], rate) for values, rate in same_line]),
        _curve(f"{words[0]} × {words[1]}, one size", names, same_size),
    ]


def _all_grow(points: Sequence[tuple[tuple[Any, ...], float]]) -> bool:
    pairs = itertools.pairwise(points)
    return all(one <= other for first, second in pairs for one, other in zip(first[0], second[0], strict=True))


def _curve(title: str, names: Sequence[str], points: Sequence[tuple[tuple[Any, ...], float]]) -> Curve:
    places = [place for place, (values, _) in enumerate(points) if values == _chosen(names)]
    labels = tuple("×".join(_number(value) for value in values) for values, _ in points)
    return Curve(title, labels, tuple(rate for _, rate in points), places[0] if places else None)


def _chosen(names: Sequence[str]) -> tuple[float, ...] | None:
    chosen = published()["chosen"]
    return tuple(chosen[name].value for name in names) if all(name in chosen for name in names) else None


def knees(sweep: Mapping[str, Any]) -> Figure:
    """The figure: one small panel for each curve."""
    found = curves(sweep)
    lines = -(-len(found) // 2)
    with style.look():
        figure = style.new_figure(24 + 128 * lines)
        grid = figure.subplots(lines, 2, squeeze=False, sharey=True)
        top = max(rate for curve in found for rate in curve.gflops)
        for axes, curve in zip(grid.flat, found, strict=False):
            _panel(axes, curve, top)
        for axes in grid.flat[len(found) :]:
            axes.set_visible(False)
        for row in grid:
            row[0].set_ylabel("GFLOP/s")
    return figure


def knees_panel(sweep: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    found = curves(sweep)
    bends = [f"{curve.title} = {curve.labels[curve.knee]}" for curve in found if curve.knee is not None]
    chosen = [curve for curve in found if curve.chosen is not None]
    hit = [curve.title for curve in chosen if curve.knee is not None and curve.knee == curve.chosen]
    rising = [curve.title for curve in found if curve.knee is None]
    caption = f"Gains fall under {GAIN:.0%} a step from {'; '.join(bends)}. " if bends else ""
    if rising:
        caption += f"Still gaining at the end: {listing(rising)}. "
    if chosen:
        where = f" ({listing(hit)})" if hit else ""
        caption += f"The published choice is at the bend in {len(hit)} of {len(chosen)}{where}."
    count = len(sweep["matrices"])
    alt = f"{len(found)} small line charts of GFLOP/s against one setting each, mean of {count} matrices. {caption}"
    labels = ["simulated", "published"]
    if any(str(row["matrix"]).endswith("~") for row in sweep["points"]):
        labels.append("stand-in")
    return Panel("knees", "Where more stops paying", knees(sweep), caption.strip(), alt, tuple(labels))


def _panel(axes: Axes, curve: Curve, top: float) -> None:
    places = range(len(curve.gflops))
    bend = curve.knee
    if bend is not None:
        axes.axvspan(bend, len(curve.gflops) - 0.6, color=style.GRID, alpha=0.55, linewidth=0)
        near_end = bend > 0.6 * len(curve.gflops)
        axes.annotate(
            f"< {GAIN:.0%} a step" if not near_end else f"< {GAIN:.0%}",
            (bend, 0),
            (2, 3),
            textcoords="offset points",
            fontsize=6.8,
            color=style.MUTED,
        )
    axes.plot(places, curve.gflops, "o-", color=style.BLUE, ms=3.5, linewidth=1.4)
    if curve.chosen is not None:
        rate = curve.gflops[curve.chosen]
        axes.plot(curve.chosen, rate, "o", ms=9, mfc="none", mec=style.RED, mew=1.6)
        axes.annotate(
            "published",
            (curve.chosen, rate),
            (0, 7),
            textcoords="offset points",
            ha="right" if curve.chosen > 0.7 * len(curve.gflops) else "center",
            fontsize=7,
            color=style.INK,
        )
    turned = len(curve.labels) > 4 or max(map(len, curve.labels)) > 5
    axes.set_xticks(places, curve.labels, rotation=45 if turned else 0, ha="right" if turned else "center", fontsize=7)
    if turned:
        for tick in axes.get_xticklabels():
            tick.set_rotation_mode("anchor")
    axes.set_xlim(-0.4, len(curve.gflops) - 0.6)
    axes.set_ylim(0, 1.25 * top)
    axes.set_title(curve.title, fontsize=8.5)
    axes.grid(True, axis="y")


def _title(name: str) -> str:
    """The name of a setting in words: ``merge tree ways``."""
    return (
        name.replace(".", " ")
        .replace("_", " ")
        .replace("prefetch", "buffer")
        .replace("lookahead", "look-ahead")
        .replace("dram", "DRAM")
        .replace("multipliers", "multiplier")
    )


def _short(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ")


def _number(value: Any) -> str:
    if isinstance(value, int | float) and value >= 1024 and value % 1024 == 0:
        return f"{value // 1024:g}k"
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
