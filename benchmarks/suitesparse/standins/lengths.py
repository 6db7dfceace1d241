"""The lengths of all rows: exact sum, exact longest, given shortest, share of empty rows and standard deviation.

Lengths are quantiles of a two-parameter family, clipped to [low, longest] and rounded: ``pareto`` (generalised Pareto
from `low` up: heavy tail, exponential or flat by its exponent) or ``logistic`` (bell-shaped; one that is wider than
the clip range puts its mass on both ends). The two parameters are solved for the mean and the deviation; one row is
set to the longest, and single entries are then added or removed, evenly spread, until the sum is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.suitesparse.standins.draws import new_state, shuffle
from benchmarks.suitesparse.standins.recipe import LengthShape

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

_POINTS = 4096
_STEPS = 48
_STREAM = 1


def row_lengths(rows: int, total: int, longest: int, shape: LengthShape, seed: int) -> Int64s:
    """`rows` lengths in natural order that sum to `total`, the largest being `longest`."""
    filled = rows - round(rows * shape.empty)
    lengths = np.zeros(rows, dtype=np.int64)
    lengths[rows - filled :] = _quantiles(filled, rows, total, longest, shape)
    lengths[-1] = longest
    _repair(lengths[rows - filled : -1], total - longest, shape.low, longest)
    return _in_runs(lengths, shape.alike, seed)


def _quantiles(filled: int, rows: int, total: int, longest: int, shape: LengthShape) -> Int64s:
    """Ascending lengths of the non-empty rows, right in mean and deviation but for rounding."""
    curve = _CURVES[shape.family]
    edges = np.concatenate(([0.0], np.geomspace(1.0 / filled, 1.0, _POINTS)))
    middles, weights = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    mean = (total - longest) / (filled - 1)
    square = ((shape.std**2 + (total / rows) ** 2) * rows - longest**2) / (filled - 1)

    def lengths(tails: Float64s, spread: float, place: float) -> Float64s:
        raw = np.clip(curve(tails, spread, place, shape.low), shape.low, longest)
        return np.asarray(np.floor(np.round(raw, 6) + 0.5), dtype=np.float64)

    def place_for(spread: float) -> float:
        low, high = _place_range(shape.family, longest, spread)
        return _bisect(lambda place: float(weights @ lengths(middles, spread, place)) - mean, low, high)

    def excess(spread: float) -> float:
        return float(weights @ lengths(middles, spread, place_for(spread)) ** 2) - square

    spread = _bisect(excess, *_SPREADS[shape.family](longest))
    tails = (np.arange(filled, 0, -1) - 0.5) / filled
    return lengths(tails, spread, place_for(spread)).astype(np.int64)


def _pareto(tails: Float64s, spread: float, place: float, low: int) -> Float64s:
    if abs(spread) < 1e-9:
        return np.asarray(low - np.exp(place) * np.log(tails))
    return np.asarray(low + np.exp(place) * (tails**-spread - 1) / spread)


def _logistic(tails: Float64s, spread: float, place: float, low: int) -> Float64s:
    return np.asarray(place + spread * np.log((1 - tails * (1 - 1e-12)) / tails))


_CURVES: dict[str, Callable[..., Float64s]] = {"pareto": _pareto, "logistic": _logistic}
_SPREADS: dict[str, Callable[[int], tuple[float, float]]] = {
    "pareto": lambda longest: (-3.0, 3.0),
    "logistic": lambda longest: (1e-3, 4.0 * longest),
}


def _place_range(family: str, longest: int, spread: float) -> tuple[float, float]:
    if family == "pareto":
        return -20.0, 20.0
    return -longest - 40 * spread, 2 * longest + 40 * spread


def _bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Where the rising `function` changes sign; an end of the range if it does not."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _repair(lengths: Int64s, total: int, low: int, longest: int) -> None:
    """Add or take away single entries, evenly spread over the rows that allow it, until the sum is `total`."""
    while (missing := total - int(lengths.sum())) != 0:
        able = np.flatnonzero(lengths < longest) if missing > 0 else np.flatnonzero(lengths > low)
        if not able.size:
            raise ValueError(f"no lengths in {low}..{longest} sum to {total}: {missing} left over")
        count = min(abs(missing), able.size)
        chosen = able[np.arange(count) * able.size // count]
        lengths[chosen] += 1 if missing > 0 else -1


def _in_runs(ascending: Int64s, alike: int, seed: int) -> Int64s:
    """`ascending` cut into runs of `alike`, in random order."""
    starts = np.arange(0, ascending.size, alike, dtype=np.int64)
    shuffle(new_state(seed, _STREAM), starts)
    places = (starts[:, None] + np.arange(alike)).ravel()
    result: Any = ascending[places[places < ascending.size]]
    return np.asarray(result, dtype=np.int64)
