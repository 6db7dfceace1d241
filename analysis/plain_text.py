"""Tables as text: one look for all commands, and rich renderables without a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

WIDTH = 110


def figure_table(first: str, headings: Iterable[str]) -> Table:
    """An empty table: a column of names, then columns of figures, without lines."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def plain(*renderables: RenderableType, width: int = WIDTH) -> str:
    """The renderables as text without colour, one below the other, ending in a line break."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, highlight=False)
    console.print(*renderables, sep="\n")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def number(value: float | None, digits: int = 2) -> str:
    """`value` with `digits` behind the point, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"
