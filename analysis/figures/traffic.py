"""DRAM bytes by operand, each matrix against the ideal machine that moves A, B and C once and no partial matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis.figures import style
from analysis.figures.panel import Panel
from analysis.figures.rows import Row, kinds, rows
from analysis.paper import geometric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PARTS = (
    ("A", ("a_read",), style.SKY),
    ("B", ("b_read",), style.BLUE),
    ("partial matrices", ("partial_read", "partial_write"), style.RED),
    ("C", ("c_write",), style.GREEN),
)


def over_ideal(row: Row, operands: tuple[str, ...] = ("total",)) -> float:
    """SpArch's bytes of these operands over all bytes of the ideal machine."""
    return float(sum(row.sparch["dram_bytes"][name] for name in operands) / row.sparch["ideal_dram_bytes"])


def traffic(bench: Mapping[str, Any]) -> Figure:
    """The figure."""
    found = _found(bench)
    with style.look():
        figure = style.new_figure(95 + style.ROW * len(found))
        axes = figure.add_subplot()
        places, left = range(len(found)), [0.0] * len(found)
        for label, operands, colour in _PARTS:
            widths = [over_ideal(row, operands) for row in found]
            axes.barh(places, widths, 0.76, left, color=colour, label=label, edgecolor=style.PAPER, linewidth=0.5)
            left = [before + width for before, width in zip(left, widths, strict=True)]
        for place, row in enumerate(found):
            if row.dram_saving:
                axes.plot(over_ideal(row) * row.dram_saving, place, "D", ms=4.5, mfc=style.PAPER, mec=style.INK, mew=1)
        axes.plot([], [], "D", ms=4.5, mfc=style.PAPER, mec=style.INK, mew=1, label="OuterSPACE, all", linestyle="none")
        axes.axvline(1, color=style.INK, linewidth=1.2)
        axes.annotate("ideal", (1, -0.5), (0, 2), textcoords="offset points", ha="center", fontweight="bold")
        style.name_rows(axes, [row.name for row in found])
        axes.set_xlim(0, None)
        axes.set_xlabel("DRAM bytes over the ideal machine's")
        axes.grid(True, axis="x")
        figure.legend(loc="outside upper left", ncols=3)
    return figure


def traffic_panel(bench: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    found = _found(bench)
    ours = geometric(over_ideal(row) for row in found) or 0.0
    theirs = geometric(row.dram_saving and over_ideal(row) * row.dram_saving for row in found)
    partials = sum(over_ideal(row, ("partial_read", "partial_write")) / over_ideal(row) for row in found) / len(found)
    worst = max(found, key=over_ideal)
    versus = f", OuterSPACE {theirs:.1f} times" if theirs else ""
    caption = (
        f"SpArch moves {ours:.2f} times the ideal bytes (geometric mean){versus}; partial matrices are {partials:.0%} "
        f"of what it moves. Furthest from the ideal: {worst.name}, {over_ideal(worst):.1f} times."
    )
    alt = f"Stacked bars of DRAM bytes by operand for {len(found)} matrices, the ideal machine at 1. {caption}"
    return Panel("traffic", "Where the DRAM bytes go", traffic(bench), caption, alt, kinds(found))


def _found(bench: Mapping[str, Any]) -> list[Row]:
    return [row for row in rows(bench) if row.sparch["ideal_dram_bytes"]]
