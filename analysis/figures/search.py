"""Accuracy against latency: for each device the front of what was searched, and the network found for each budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.figures import style
from analysis.figures.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 2
_HEIGHT = 165
LOSSES, SCORES = ("valid_loss", "kid", "frechet", "l1"), ("psnr_db", "ssim")
"""Names of scores that are no accuracy: the smaller the better, the larger the better."""


def search_figure(record: Mapping[str, Any]) -> Figure:
    """The figure: a panel for each device, all with one accuracy axis."""
    devices = [one["name"] for one in record["devices"]]
    columns = min(_COLUMNS, len(devices))
    rows = -(-len(devices) // columns)
    with style.look():
        figure = style.new_figure(40 + _HEIGHT * rows)
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(devices):
                axes.set_visible(False)
                continue
            _panel(axes, record, devices[place])
            axes.set_title(devices[place])
            if place % columns == 0:
                axes.set_ylabel(_ylabel(record))
            if place >= len(devices) - columns:
                axes.set_xlabel("predicted latency, ms")
        first = grid.flat[0]
        first.plot([], [], "-", color=style.GREY, lw=1.2, label="best of all that were scored")
        first.plot([], [], "o", color=style.RED, ms=5, label="found for a budget, 90 % interval")
        first.plot([], [], "--", color=style.MUTED, lw=0.8, label="budget")
        figure.legend(loc="outside upper left", ncols=2)
    return figure


def _panel(axes: Axes, record: Mapping[str, Any], device: str) -> None:
    axes.grid(True)
    found = [one for one in record["searches"] if one["best"] is not None and device in one["devices"]]
    front = _envelope([point for one in found for point in _points(one, device)])
    axes.plot([x for x, _ in front], [y for _, y in front], "-", color=style.GREY, lw=1.2, drawstyle="steps-post")
    for one in found:
        best = one["best"]["predicted"]
        cost = next(row for row in best["costs"] if row["device"] == device)
        x, y = 1e3 * cost["latency_s"], _score(best)
        axes.plot([1e3 * cost["latency_low_s"], 1e3 * cost["latency_high_s"]], [y, y], color=style.RED, lw=1)
        axes.plot(x, y, "o", color=style.RED, ms=5, zorder=3)
        for limit in one["constraint"]:
            if limit["device"] == device and limit["column"].startswith("latency"):
                axes.axvline(1e3 * limit["limit"], color=style.MUTED, lw=0.8, ls="--", zorder=0)


def _score(predicted: Mapping[str, Any]) -> float:
    """Larger is better: accuracy in per cent, or another score, of which losses count negative."""
    if "accuracy" in predicted:
        return 100 * float(predicted["accuracy"])
    name = next(key for key in predicted if key not in ("measures", "costs"))
    return -float(predicted[name]) if name in LOSSES else float(predicted[name])


def _ylabel(record: Mapping[str, Any]) -> str:
    what = record["objective"].get("what")
    return f"minus {what}" if what in LOSSES else what if what in SCORES else "predicted accuracy, %"


def _points(one: Mapping[str, Any], device: str) -> Sequence[tuple[float, float]]:
    points = []
    for row in one["front"]:
        for measure in row["predicted"]["measures"]:
            if measure["device"] == device and measure["column"] == "latency_s":
                points.append((1e3 * measure["value"], _score(row["predicted"])))
    return points


def _envelope(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Those that no faster point is as accurate as, by latency."""
    kept: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or y > kept[-1][1]:
            kept.append((x, y))
    return kept


def write_figure(record: Mapping[str, Any], path: Path) -> None:
    """The figure as an SVG file; the same record gives the same bytes."""
    from sim.files import atomic_path

    figure = search_figure(record)
    with style.look(), atomic_path(path) as fresh:
        import matplotlib

        matplotlib.rcParams["svg.hashsalt"] = "search"
        figure.savefig(fresh, format="svg", facecolor=style.PAPER, metadata={"Date": None})


def search_panel(record: Mapping[str, Any]) -> Panel:
    """The figure with its words."""
    found = [one for one in record["searches"] if one["best"] is not None]
    best = max(found, key=lambda one: float(one["best"]["predicted"]["accuracy"]))
    predicted = best["best"]["predicted"]
    label = record["objective"]["label"]
    caption = (
        f"{len(found)} networks of {record['space']['name']}, one for each device and budget. Most accurate: "
        f"{100 * predicted['accuracy']:.2f} % for {best['device']}, {best['budget']}. Accuracy predictor: {label}."
    )
    alt = f"Predicted accuracy against predicted latency for {len(record['devices'])} devices. {caption}"
    kinds = ("calibrated", "stand-in") if label == "placeholder" else ("calibrated", "predicted")
    return Panel("search", "Networks found for each device and budget", search_figure(record), caption, alt, kinds)
