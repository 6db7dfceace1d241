"""The two calibrated constants of OuterSPACE's timing: what they are, what they rest on, and how they are found.

    minimise  sum over the five published run times of (simulated / reported - 1)^2

over whole numbers of `request_cycles` and `task_cycles`, everything else as published. The machine is far from its
bandwidth on these matrices (3.7 to 9.3 times), so its time is nearly linear in both: Gauss-Newton steps with measured
differences settle at once. Real matrices are a prediction from there on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import ConfigError
from sim.sparch.operand import Operand

CONSTANTS = ("request_cycles", "task_cycles")
_START = (300, 1000)
_ROUNDS = 8
_STEP = 1


@dataclass(frozen=True)
class Point:
    """A published run time: of A x A, with A uniform at random (n x n), and what the shipped constants give for it."""

    n: int
    density: float
    seed: int
    reported_ns: float
    simulated_ns: float

    @property
    def recipe(self) -> str:
        """The generator's name of the matrix."""
        return f"uniform:n={self.n},density={self.density},seed={self.seed}"

    @property
    def error(self) -> float:
        """Relative error of the simulated time."""
        return self.simulated_ns / self.reported_ns - 1


@dataclass(frozen=True)
class Timing:
    """The shipped constants with their calibration."""

    request_cycles: int
    task_cycles: int
    date: str
    source: str
    max_error: float
    points: tuple[Point, ...]

    @staticmethod
    def load() -> Timing:
        """The packaged timing.toml."""
        return _packaged()


@lru_cache(maxsize=1)
def _packaged() -> Timing:
    data: dict[str, Any] = tomllib.loads(Path(__file__).with_name("timing.toml").read_text(encoding="utf-8"))
    about, points = data["calibration"], tuple(Point(**point) for point in data["points"])
    return Timing(
        **data["constants"], date=about["date"], source=about["source"], max_error=about["max_error"], points=points
    )


def calibrate(matrices: Sequence[Any], reported_ns: Sequence[float]) -> tuple[dict[str, int], list[float]]:
    """The constants with which A x A of `matrices` takes `reported_ns`, nearly, and the times that they give, in ns.

    matrices: anything that SciPy turns into CSR. Raises ConfigError for fewer than two times or unequal lengths.
    """
    if len(matrices) != len(reported_ns) or len(matrices) < len(CONSTANTS):
        raise ConfigError(f"calibration needs one time a matrix and two at least, not {len(reported_ns)}")
    operands = [Operand.of(matrix) for matrix in matrices]
    lengths = [_output_lengths(operand) for operand in operands]
    reported = np.array(reported_ns, dtype=float)

    def times(constants: Sequence[int]) -> Any:
        return np.array([_time_ns(a, out, constants) for a, out in zip(operands, lengths, strict=True)])

    found = _START
    for _ in range(_ROUNDS):
        now = times(found)
        steps = [tuple(value + _STEP * (i == j) for j, value in enumerate(found)) for i in range(len(found))]
        slopes = np.stack([(times(step) - now) / _STEP / reported for step in steps], axis=1)
        change = np.linalg.lstsq(slopes, 1 - now / reported, rcond=None)[0]
        better = tuple(max(round(value + delta), 0) for value, delta in zip(found, change.tolist(), strict=True))
        if better == found:
            break
        found = better
    return dict(zip(CONSTANTS, found, strict=True)), times(found).tolist()


def _output_lengths(a: Operand) -> Any:
    from sim.outerspace.product import multiply, row_lengths

    return row_lengths(multiply(a, a), a.rows)


def _time_ns(a: Operand, out: Any, constants: Sequence[int]) -> float:
    from sim.outerspace.config import load_config
    from sim.outerspace.machine import run_events
    from sim.outerspace.work import plan_phases

    settings = {f"latency.{name}": value for name, value in zip(CONSTANTS, constants, strict=True)}
    config = load_config(settings=settings)
    return 1e9 * run_events(plan_phases(a, a, out, config), config).cycles / config.clock_hz
