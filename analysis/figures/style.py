"""One look for all figures: colours that colour-blind readers tell apart, sizes for a phone, labels without overlap.

Figures are drawn in the light colours of `COLOURS`; `svg` turns each into a CSS variable, so the page may show the dark
twin instead. Hues are those of Okabe and Ito. All figures are `WIDTH` points wide, about the width of a phone, so
letters stay readable there and grow with the page elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 352
ROW = 13.5
"""Points of height for one matrix in a figure of rows."""

COLOURS = {
    "ink": ("#1b1f24", "#e6e8eb"),
    "muted": ("#58626d", "#a3adb8"),
    "grid": ("#dde1e6", "#363d46"),
    "paper": ("#fefefe", "#15191e"),
    "blue": ("#0072b2", "#3f93d6"),
    "pale": ("#a3cde5", "#2c5f80"),
    "orange": ("#e69f00", "#f0b63c"),
    "green": ("#009e73", "#35c69b"),
    "red": ("#d55e00", "#ff8d4f"),
    "sky": ("#56b4e9", "#a5dcf7"),
    "pink": ("#cc79a7", "#e3a1c6"),
    "grey": ("#a9b1ba", "#66707b"),
}
"""Name of a colour: its light and its dark form."""

INK, MUTED, GRID, PAPER, BLUE, PALE, ORANGE, GREEN, RED, SKY, PINK, GREY = (light for light, _ in COLOURS.values())
SERIES = (BLUE, RED, GREEN, PINK, ORANGE, SKY, INK)
MARKERS = "osD^vPX<>*"

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.0,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "hatch.linewidth": 0.6,
}


@contextmanager
def look() -> Iterator[None]:
    """The settings of matplotlib under which a figure is drawn and written; those of the caller come back."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)  # type: ignore[arg-type]  # its stub wants literal keys
        yield


def new_figure(height: float) -> Figure:
    """An empty figure, `WIDTH` by `height` points, that no window knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
    FigureCanvasAgg(figure)  # measures text
    return figure


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """A row for each name, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def plain_log(axis: Any, ticks: Sequence[float] | None = None) -> None:
    """A logarithmic axis with plain numbers: ``0.5 1 2``, not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
    if ticks is not None:
        axis.set_ticks(ticks)
        axis.set_ticks([], minor=True)
    else:
        axis.set_major_locator(LogLocator(10, subs=(1.0,)))


def label_points(
    axes: Axes,
    points: Sequence[tuple[float, float, str]],
    obstacles: Sequence[tuple[float, float]] = (),
    texts: Sequence[Any] = (),
    **text: Any,
) -> list[str]:
    """Write each name beside its point (x, y, name) where it meets no other name, no point, obstacle or one of `texts`.

    A name further from its point gets a thin line. Returns the names for which there was no room.
    """
    figure: Any = axes.get_figure()
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    where = axes.transData.transform
    marks = [where(place) for place in (*((x, y) for x, y, _ in points), *obstacles)]
    taken: list[Any] = [one.get_window_extent(renderer) for one in texts]
    left_out = []
    for x, y, name in points:
        label = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", **text)
        label.set_in_layout(False)
        if not _settle(label, where((x, y)), renderer, frame, taken, marks):
            label.remove()
            left_out.append(name)
    return left_out


_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.7), (-0.8, 0.7), (0.8, -0.7), (-0.8, -0.7))


def _settle(label: Any, point: Any, renderer: Any, frame: Any, taken: list[Any], marks: Sequence[Any]) -> bool:
    """Move `label` to the first free place around its point and note its box in `taken`."""
    for distance in (5.0, 9.0, 15.0, 22.0, 30.0):
        for across, up in _DIRECTIONS:
            label.set_position((across * distance, up * distance))
            label.set_horizontalalignment("left" if across > 0 else "right" if across < 0 else "center")
            label.set_verticalalignment("bottom" if up > 0 else "top" if up < 0 else "center")
            box = label.get_window_extent(renderer).padded(0.6)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 + 2 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if not inside or any(box.overlaps(other) for other in taken):
                continue
            if any(box.padded(3).contains(*mark) for mark in marks if tuple(mark) != tuple(point)):
                continue
            taken.append(box)
            if distance > 9:
                end = (point[0] + across * distance, point[1] + up * distance)
                _leader(label.axes, point, end)
            return True
    return False


def _leader(axes: Axes, begin: Any, end: Any) -> None:
    (x0, y0), (x1, y1) = axes.transData.inverted().transform([begin, end])
    (line,) = axes.plot([x0, x1], [y0, y1], color=MUTED, linewidth=0.5, zorder=1)
    line.set_in_layout(False)
