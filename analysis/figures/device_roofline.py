"""Roofline of a device: what each class of kernels of the networks reaches under the ceilings that its profile prices.

Across: multiply-accumulates for each byte that the kernels read and write. Up: billions of them a second of modelled
time. The area of a point is the class's share of its network's time. Kernels without multiply-accumulates have no
place, and below 0.2 % of the time none is shown; the caption says what share is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.figures import style
from analysis.figures.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAMILIES = {
    "conv_1x1": ("1×1 convolution", style.BLUE),
    "conv_kxk": ("k×k convolution", style.RED),
    "conv_stem": ("k×k convolution", style.RED),
    "conv_transpose": ("k×k convolution", style.RED),
    "conv_grouped": ("grouped convolution", style.PINK),
    "depthwise": ("depthwise", style.GREEN),
    "depthwise_strided": ("depthwise", style.GREEN),
    "linear": ("linear", style.ORANGE),
    "matmul": ("attention", style.SKY),
    "attention": ("attention", style.SKY),
    "sequence_conv": ("depthwise", style.GREEN),
}
"""Kernel class: what it is called here, its colour."""
_LARGEST_POINTS = 900.0
_SHOWN_SHARE = 0.002
_NAMED_SHARE = 0.02
_MOST_NETWORKS = 8


@dataclass(frozen=True)
class Point:
    """A class of kernels of one network. share: of the network's time."""

    network: str
    family: str
    macs_per_byte: float
    gmacs_per_s: float
    share: float


def points(prediction: Mapping[str, Any]) -> list[Point]:
    """The points of a record of ``hwloop predict --breakdown``, largest share first; classes without MACs left out."""
    found = []
    for network in prediction["networks"]:
        listed = network["operators"]
        total = sum(one["latency_s"] for one in listed)
        sums: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
        for one in listed:
            name = FAMILIES.get(one["kernel_class"], ("other", style.GREY))[0]
            values = np.array([one["macs"], one["dram_bytes"], one["latency_s"]], float)
            sums[name] = sums.get(name, np.zeros(3)) + values
        found += [
            Point(network["network"], name, macs / moved, macs / seconds / 1e9, seconds / total)
            for name, (macs, moved, seconds) in sums.items()
            if macs > 0 and moved > 0 and seconds > _SHOWN_SHARE * total
        ]
    return sorted(found, key=lambda point: -point.share)


def device_roofline(prediction: Mapping[str, Any]) -> Panel:
    """The figure with its words. Raises InputError: no operators in the record, none with MACs, too many networks."""
    found = _checked(prediction)
    names = [one["network"] for one in prediction["networks"]]
    top = found[0]
    roof = _roof(prediction["ceilings"], top.macs_per_byte)
    caption = f"{top.family} of {top.network} takes {top.share:.0%} of its time at {top.gmacs_per_s:.3g} GMAC/s"
    caption += f", {top.gmacs_per_s / roof:.0%} of the ceiling there." if roof else "."
    placed = {name: sum(one.share for one in found if one.network == name) for name in names}
    hidden = ", ".join(f"{max(1 - placed[name], 0):.0%} of {name}" for name in names)
    caption += f" Not shown, mostly kernels without MACs: {hidden}."
    alt = (
        f"Scatter on logarithmic axes: GMAC/s against MACs a byte, {len(found)} classes of kernels of {len(names)} "
        f"networks on {prediction['device']}. {caption}"
    )
    return Panel("device-roofline", _title(prediction), _draw(prediction, found), caption, alt, (prediction["label"],))


def write_figure(prediction: Mapping[str, Any], path: str | Path) -> Panel:
    """Write the figure as .svg or .png: same record, same bytes. Raises InputError: another suffix, no operators."""
    from sim.files import atomic_path

    suffix = figure_suffix(path)
    panel = device_roofline(prediction)
    with style.look(), atomic_path(path) as fresh:
        import matplotlib

        matplotlib.rcParams["svg.hashsalt"] = panel.name
        without = {"Date": None} if suffix == "svg" else {"Software": None}
        panel.figure.savefig(fresh, format=suffix, facecolor=style.PAPER, metadata=without, dpi=200)
    return panel


def figure_suffix(path: str | Path) -> str:
    """``svg`` or ``png``. Raises InputError."""
    from sim.errors import InputError

    suffix = Path(path).suffix.lower()
    if suffix not in (".svg", ".png"):
        raise InputError(f"a figure is a .svg or .png file, got {str(path)!r}; nearest: {Path(path).stem}.svg")
    return suffix[1:]


def _checked(prediction: Mapping[str, Any]) -> list[Point]:
    from sim.errors import InputError

    networks = prediction["networks"]
    if any("operators" not in one for one in networks):
        raise InputError("the prediction lists no operators; nearest: hwloop predict … --breakdown")
    if len(networks) > _MOST_NETWORKS:
        raise InputError(f"a roofline holds {_MOST_NETWORKS} networks at most, got {len(networks)}")
    found = points(prediction)
    if not found:
        raise InputError("no operator of these networks multiplies, so there is no roofline of them")
    return found


def _title(prediction: Mapping[str, Any]) -> str:
    size = prediction["context"]["batch_size"]
    return f"on {prediction['device']}" + (f", batch {size}" if size > 1 else "")


def _roof(ceilings: Mapping[str, float | None], macs_per_byte: float) -> float | None:
    """GMAC/s that the ceilings allow at an intensity."""
    limits = [one * factor for one, factor in zip(_limits(ceilings), (1.0, macs_per_byte), strict=True) if one]
    return min(limits) if limits else None


def _limits(ceilings: Mapping[str, float | None]) -> tuple[float | None, float | None]:
    """GMAC/s and GB/s."""
    both = (ceilings["macs_per_s"], ceilings["bytes_per_s"])
    return both[0] and both[0] / 1e9, both[1] and both[1] / 1e9


def _draw(prediction: Mapping[str, Any], found: Sequence[Point]) -> Figure:
    networks = [one["network"] for one in prediction["networks"]]
    with style.look():
        figure = style.new_figure(300 + 12 * len(networks))
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_yscale("log")
        texts, line = _ceilings(axes, prediction["ceilings"], found)
        colours = dict(FAMILIES.values())
        for one in found:
            axes.scatter(
                one.macs_per_byte,
                one.gmacs_per_s,
                s=_area(one),
                marker=style.MARKERS[networks.index(one.network)],
                color=colours.get(one.family, style.GREY),
                edgecolor=style.PAPER,
                linewidth=0.8,
                zorder=4,
            )
        if len(networks) > 1:
            for place, name in enumerate(networks):
                axes.plot([], [], style.MARKERS[place], color=style.MUTED, ms=5, label=name)
            figure.legend(loc="outside lower left", ncols=1 if max(map(len, networks)) > 20 else 2)
        axes.set_title(_title(prediction))
        axes.set_xlabel("multiply-accumulates for each byte moved")
        axes.set_ylabel("GMAC/s (area: share of the time)")
        axes.grid(True)
        _name(axes, found, texts, line)
    return figure


def _name(axes: Axes, found: Sequence[Point], texts: list[Any], roof: Sequence[tuple[float, float]]) -> None:
    """Each class by its name, and its share where there is one network, beside its largest point."""
    several = len({one.network for one in found}) > 1
    largest = {one.family: one for one in reversed(found)}
    named = [
        (one.macs_per_byte, one.gmacs_per_s, one.family + ("" if several else f" {one.share:.0%}"))
        for one in sorted(largest.values(), key=lambda one: -one.share)
        if one.share >= _NAMED_SHARE
    ]
    around = [place for one in found for place in _rim(axes, one)]
    style.label_points(axes, named, [*around, *roof], texts, fontsize=8, fontweight="bold", color=style.INK)


def _area(point: Point) -> float:
    return max(_LARGEST_POINTS * point.share, 14.0)


def _rim(axes: Axes, point: Point) -> list[tuple[float, float]]:
    """Places on and inside the edge of a point, which names must keep off."""
    figure: Any = axes.get_figure()
    figure.draw_without_rendering()
    centre = axes.transData.transform((point.macs_per_byte, point.gmacs_per_s))
    angles = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)
    rings = [share * np.sqrt(_area(point)) / 2.0 * figure.dpi / 72 for share in (0.6, 1.0)]
    places = [centre + radius * np.array([np.cos(angle), np.sin(angle)]) for radius in rings for angle in angles]
    return [(float(x), float(y)) for x, y in axes.transData.inverted().transform(places)]


def _ceilings(
    axes: Axes, ceilings: Mapping[str, float | None], found: Sequence[Point]
) -> tuple[list[Any], list[tuple[float, float]]]:
    """Draw what the device allows and set the limits of the axes; the texts on it, and places along it."""
    peak, bandwidth = _limits(ceilings)
    across = [one.macs_per_byte for one in found]
    up = [one.gmacs_per_s for one in found] + ([peak] if peak else [])
    low, high = min(across) / 4, max(across) * 6
    axes.set_xlim(low, high)
    axes.set_ylim(min(up) / 4, max(up) * 3)
    for axis in (axes.xaxis, axes.yaxis):
        style.plain_log(axis)
    x = np.geomspace(low, high, 300)
    roof = [_roof(ceilings, float(one)) for one in x]
    line = [(float(place), height) for place, height in zip(x, roof, strict=True) if height is not None]
    if not line:
        return [], []
    axes.plot(*zip(*line, strict=True), color=style.INK, linewidth=1.6)
    texts: list[Any] = []
    bold: dict[str, Any] = {"textcoords": "offset points", "fontweight": "bold"}
    if peak:
        texts.append(axes.annotate(f"{_figures(peak)} GMAC/s", (high, peak), (-2, 3), ha="right", va="bottom", **bold))
    if bandwidth and (not peak or low * bandwidth < peak):
        place = max(low, min(up) / 4 / bandwidth) * 1.15
        slope = (place, place * bandwidth)
        texts.append(axes.annotate(f"{_figures(bandwidth)} GB/s", slope, (7, 0), ha="left", va="center", **bold))
    return texts, line


def _figures(value: float) -> str:
    return f"{float(f'{value:.3g}'):,g}"
