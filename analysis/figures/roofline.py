"""Roofline: what each matrix reaches against what its bytes and the multipliers allow.

Across: FLOP for each byte of the ideal machine (A and B read once, C written once). The slope is the bandwidth of the
simulated machine, the flat part two FLOP a multiplier and cycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.causes import peak_bytes_per_cycle
from analysis.figures import style
from analysis.figures.panel import Panel
from analysis.figures.rows import Row, kinds, rows
from analysis.paper import geometric
from analysis.published import published
from analysis.record import Record, setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def roofs(record: Record) -> tuple[float, float]:
    """Bandwidth in GB/s and peak of the multipliers in GFLOP/s, of the machine that was simulated."""
    clock = setting(record, "clock_hz", 1e9) / 1e9
    slots = setting(record, "multipliers.groups", 1) * setting(record, "multipliers.lanes", 1)
    return peak_bytes_per_cycle(record) * clock, 2.0 * slots * clock


def share_of_roof(row: Row) -> float:
    """GFLOP/s over the roof at the matrix's intensity."""
    bandwidth, compute = roofs(row.sparch)
    roof = min(bandwidth * row.intensity, compute)
    return float(row.sparch["gflops"] / roof) if roof else 0.0


def roofline(bench: Mapping[str, Any]) -> Figure:
    """The figure."""
    return _draw(bench)[0]


def _draw(bench: Mapping[str, Any]) -> tuple[Figure, int]:
    """The figure, and how many names found no room in it."""
    found = [row for row in rows(bench) if row.intensity > 0 and row.sparch["gflops"] > 0]
    with style.look():
        figure = style.new_figure(350)
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_yscale("log")
        _limits(axes, found)
        texts = _roof(axes, found[0].sparch)
        if not all(row.real for row in found):
            texts.append(
                axes.annotate("hollow: stand-in ~", (1, 0), (-3, 4), "axes fraction", "offset points", ha="right")
            )
        named = _points(axes, found)
        left_out = style.label_points(axes, named, _others(found), texts, fontsize=6.8, color=style.INK)
        axes.set_xlabel("FLOP for each byte that must move")
        axes.set_ylabel("GFLOP/s")
        axes.grid(True)
    return figure, len(left_out)


def roofline_panel(bench: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    found = [row for row in rows(bench) if row.intensity > 0 and row.sparch["gflops"] > 0]
    near, far = max(found, key=share_of_roof), min(found, key=share_of_roof)
    ours = geometric(row.sparch["gflops"] for row in found) or 0.0
    theirs = geometric(row.outerspace["gflops"] for row in found)
    versus = f", OuterSPACE {theirs:.1f}" if theirs else ""
    caption = (
        f"SpArch reaches {ours:.1f} GFLOP/s over these {len(found)} matrices (geometric mean){versus}. "
        f"{near.name} comes nearest to the roof, {share_of_roof(near):.0%} of it; {far.name} stays furthest below, "
        f"{share_of_roof(far):.0%}."
    )
    figure, unnamed = _draw(bench)
    if unnamed:
        caption += f" {unnamed} names found no room; the table of matrices has them."
    bandwidth, compute = roofs(found[0].sparch)
    alt = (
        f"Scatter on logarithmic axes: GFLOP/s against FLOP a byte, {len(found)} matrices, under a roof of "
        f"{bandwidth:g} GB/s and {compute:g} GFLOP/s. {caption}"
    )
    return Panel("roofline", "How near the roof", figure, caption, alt, kinds(found, "published", "calibrated"))


def _limits(axes: Axes, found: Sequence[Row]) -> None:
    across = [row.intensity for row in found] + [published()["total"]["roofline_flop_per_byte"].value]
    up = [row.sparch["gflops"] for row in found] + [row.outerspace["gflops"] for row in found]
    _, compute = roofs(found[0].sparch)
    axes.set_xlim(min(across) / 1.5, max(across) * 1.9)
    axes.set_ylim(min(value for value in up if value > 0) / 1.5, compute * 1.7)
    _ticks(axes.xaxis, (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10))
    _ticks(axes.yaxis, (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300))


def _ticks(axis: Any, ticks: Sequence[float]) -> None:
    low, high = axis.get_view_interval()
    style.plain_log(axis, [tick for tick in ticks if low < tick < high])


def _roof(axes: Axes, record: Record) -> list[Any]:
    """Draw the roof; the texts on it."""
    bandwidth, compute = roofs(record)
    low, high = axes.get_xlim()
    ridge = compute / bandwidth
    across = np.array([low, ridge, high] if low < ridge < high else [low, high])
    axes.plot(across, np.minimum(across * bandwidth, compute), color=style.INK, linewidth=1.6)
    texts: list[Any] = []
    bold: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "bottom", "fontweight": "bold"}
    if low < ridge:
        place = low**0.35 * min(ridge, high) ** 0.65
        texts.append(axes.annotate(f"{bandwidth:g} GB/s", (place, place * bandwidth), (-3, 3), **bold))
    if ridge < high:
        texts.append(axes.annotate(f"{compute:g} GFLOP/s, all multipliers", (high, compute), (-2, 4), **bold))
    return texts


def _points(axes: Axes, found: Sequence[Row]) -> list[tuple[float, float, str]]:
    """Draw all points; those to be named, what matters most first."""
    for row in found:
        fill = style.BLUE if row.real else style.PAPER
        axes.plot(row.intensity, row.sparch["gflops"], "o", ms=5, mfc=fill, mec=style.BLUE, mew=1.1, zorder=4)
    for x, y in _outerspace(found):
        axes.plot(x, y, "o", ms=4, color=style.GREY, zorder=3)
    named = []
    chosen = [row for row in found if row.real] or list(found)
    ours = geometric(row.intensity for row in chosen), geometric(row.sparch["gflops"] for row in chosen)
    if ours[0] and ours[1] and len(chosen) > 1:
        axes.plot(ours[0], ours[1], "*", ms=12, color=style.RED, mec=style.PAPER, zorder=6)
        named.append((ours[0], ours[1], f"our mean {ours[1]:.1f}"))
    paper = published()["total"]
    place = paper["roofline_flop_per_byte"].value, paper["gflops"].value
    axes.plot(*place, "D", ms=6, mfc=style.PAPER, mec=style.RED, mew=1.5, zorder=5)
    named.append((*place, f"published {place[1]:g}"))
    lowest = min(_outerspace(found), key=lambda point: point[1], default=None)
    if lowest:
        named.append((*lowest, "OuterSPACE (grey)"))
    return named + [(row.intensity, row.sparch["gflops"], row.name) for row in found]


def _outerspace(found: Sequence[Row]) -> list[tuple[float, float]]:
    return [(row.intensity, row.outerspace["gflops"]) for row in found if row.outerspace["gflops"]]


def _others(found: Sequence[Row]) -> list[tuple[float, float]]:
    """What names must keep off: the grey points and the roof."""
    bandwidth, compute = roofs(found[0].sparch)
    line = np.geomspace(0.01, 10, 400)
    return [*_outerspace(found), *((float(x), float(min(x * bandwidth, compute))) for x in line)]
