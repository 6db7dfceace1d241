"""Scaling on R-MAT graphs: GFLOP/s of SpArch, and how many times SciPy's measured time it saves, against nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis.figures import style
from analysis.figures.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GRAPH = re.compile(r"rmat:n=(\d+),edges=(\d+)\b")
Lines = dict[int, dict[int, Mapping[str, Any]]]


def is_scaling_study(sweep: Mapping[str, Any]) -> bool:
    """Whether a sweep is of one machine on R-MAT graphs alone."""
    return len(sweep["machines"]) == 1 and all(_GRAPH.match(point["matrix"]) for point in sweep["points"])


def graphs(sweep: Mapping[str, Any]) -> Lines:
    """The points by edges a node, then by nodes."""
    found: Lines = {}
    for point in sweep["points"]:
        match = _GRAPH.match(point["matrix"])
        if match:
            found.setdefault(int(match[2]), {})[int(match[1])] = point
    return {edges: dict(sorted(line.items())) for edges, line in sorted(found.items())}


def scipy_ratio(point: Mapping[str, Any]) -> float | None:
    """SciPy's measured seconds over SpArch's simulated ones."""
    return point["scipy_s"] / point["seconds"] if point.get("scipy_s") and point["seconds"] else None


def scaling(sweep: Mapping[str, Any]) -> Figure:
    """The figure: a line for each number of edges a node."""
    lines = graphs(sweep)
    measured = any(scipy_ratio(point) for line in lines.values() for point in line.values())
    with style.look():
        figure = style.new_figure(230)
        panels = figure.subplots(1, 2 if measured else 1, squeeze=False)[0]
        _lines(panels[0], {edges: {n: p["gflops"] for n, p in line.items()} for edges, line in lines.items()})
        panels[0].set_title("GFLOP/s")
        if measured:
            times = {edges: {n: scipy_ratio(point) for n, point in line.items()} for edges, line in lines.items()}
            _lines(panels[1], times)
            panels[1].set_title("times SciPy's speed")
    return figure


def scaling_panel(sweep: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    points = [point for line in graphs(sweep).values() for point in line.values()]
    slow, fast = min(points, key=lambda p: float(p["gflops"])), max(points, key=lambda p: float(p["gflops"]))
    caption = (
        f"From {slow['gflops']:.1f} GFLOP/s ({_words(slow)}) to {fast['gflops']:.1f} ({_words(fast)}), over "
        f"{len(points)} graphs."
    )
    ratios = [ratio for point in points if (ratio := scipy_ratio(point))]
    if ratios:
        caption += f" SpArch (simulated) is {min(ratios):,.0f} to {max(ratios):,.0f} times as fast as SciPy (measured)."
    alt = f"Line charts against the number of nodes, one line for each number of edges a node. {caption}"
    labels = ("simulated", "measured") if ratios else ("simulated",)
    return Panel("scaling", "Growing power-law graphs", scaling(sweep), caption, alt, labels)


def _words(point: Mapping[str, Any]) -> str:
    match = _GRAPH.match(point["matrix"])
    assert match is not None
    return f"{int(match[1]):,} nodes, {match[2]} edges each"


def _lines(axes: Axes, lines: Mapping[int, Mapping[int, float | None]]) -> None:
    axes.set_xscale("log")
    nodes = sorted({n for line in lines.values() for n in line})
    for number, (edges, line) in enumerate(lines.items()):
        known = {n: value for n, value in line.items() if value}
        if not known:
            continue
        colour = style.SERIES[number % len(style.SERIES)]
        axes.plot(
            list(known), list(known.values()), style.MARKERS[number % 10] + "-", color=colour, ms=4.5, linewidth=1.4
        )
        last = max(known)
        axes.annotate(
            f"{edges} edges" if edges == min(lines) else f"{edges}",
            (last, known[last]),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            fontweight="bold",
        )
    style.plain_log(axes.xaxis, nodes)
    axes.set_xticks(nodes, [f"{n / 1000:g}k" for n in nodes])
    axes.set_xlim(nodes[0] / 1.2, nodes[-1] * 2.2)
    axes.set_ylim(0, None)
    axes.set_xlabel("nodes")
    axes.grid(True, axis="y")
