"""Several figures brought to their goals by one parameter each: one at a time on its range, and in turn.

Each parameter is solved by regula falsi (Illinois) with the others held, which needs no more of a figure than that it
moves one way along the range. The settings that came nearest to all goals together are kept.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

_SWEEPS = 6
_STEPS = 14

Settings = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Range:
    """The values of a parameter along a scale from 0 to 1."""

    low: float
    high: float
    scale: str = "linear"
    whole: bool = False

    def value(self, x: float) -> float:
        """The value at `x`, rounded to what the file keeps."""
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** x
        else:
            value = self.low + (self.high - self.low) * (x**3 if self.scale == "cubic" else x)
        return round(value) if self.whole else float(f"{value:.6g}")

    def position(self, value: float) -> float:
        """The inverse of `value`."""
        if self.scale == "log":
            return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        x = (value - self.low) / (self.high - self.low)
        return min(max(x, 0.0), 1.0) ** (1 / 3 if self.scale == "cubic" else 1)


@dataclasses.dataclass(frozen=True)
class Goal:
    """A figure's target, how close is close enough (relative to the target unless `absolute`), and its parameter."""

    target: float
    close: float
    knob: str
    range: Range
    absolute: bool = False

    def error(self, got: float) -> float:
        """Signed distance from the target in units of `close`."""
        return (got - self.target) / (self.close * (1.0 if self.absolute else self.target))


def turn_knobs(
    start: Mapping[str, Any], goals: Mapping[str, Goal], evaluate: Callable[[Settings], Mapping[str, float]]
) -> Settings:
    """`start` with the parameters of `goals` turned until `evaluate` gives figures close to all targets.

    Where that cannot be, the settings seen that came nearest (sum of errors).
    """
    settings = dict(start)
    seen: dict[tuple[Any, ...], Mapping[str, float]] = {}

    def figures_of(trial: Settings) -> Mapping[str, float]:
        key = tuple(trial.values())
        if key not in seen:
            seen[key] = evaluate(trial)
        return seen[key]

    def errors(figures: Mapping[str, float]) -> list[float]:
        return [abs(goal.error(figures[feature])) for feature, goal in goals.items()]

    for _ in range(_SWEEPS):
        if all(one <= 1 for one in errors(figures_of(settings))):
            return settings
        for feature, goal in goals.items():

            def error(x: float, feature: str = feature, goal: Goal = goal) -> float:
                return goal.error(figures_of({**settings, goal.knob: goal.range.value(x)})[feature])

            settings[goal.knob] = goal.range.value(root(error, goal.range.position(settings[goal.knob])))
    nearest = min(seen, key=lambda key: (sum(errors(seen[key])), key))
    return dict(zip(start, nearest, strict=True))


def root(error: Callable[[float], float], start: float, close: float = 0.5) -> float:
    """Where `error` is zero on [0, 1], or the end that comes nearest: a bracket around `start`, then Illinois steps."""
    best = (abs(at_start := error(start)), start)
    if best[0] <= close:
        return start
    low, high, at_low, at_high = start, start, at_start, at_start
    width = 0.05
    while at_low * at_high > 0 and (low > 0.0 or high < 1.0):
        if low > 0.0:
            low = max(low - width, 0.0)
            at_low = error(low)
        if at_low * at_high > 0 and high < 1.0:
            high = min(high + width, 1.0)
            at_high = error(high)
        width *= 2
        best = min(best, (abs(at_low), low), (abs(at_high), high))
    if at_low * at_high > 0:
        return best[1]
    for _ in range(_STEPS):
        x = (low * at_high - high * at_low) / (at_high - at_low)
        at = error(x)
        best = min(best, (abs(at), x))
        if best[0] <= close or abs(high - low) < 1e-6:
            break
        if at * at_high < 0:
            low, at_low = high, at_high
        else:
            at_low /= 2
        high, at_high = x, at
    return best[1]
