"""How long one product takes: best and median wall time of several runs, and the processor time beside it.

After a warm-up the product is repeated until about `budget_s` seconds are spent, at least 3 and at most 40 times; a
warm-up of over a second counts as the first of them, since best and median of three hide what one cold run adds. On a
machine that others use too, the best run is the figure; the processor time says whether even that run was hindered.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.suitesparse.libraries.energy import RaplMeter

MIN_RUNS = 3
MAX_RUNS = 40
LONG_S = 1.0
"""A warm-up that takes longer counts as a run."""


@dataclass(frozen=True)
class Timing:
    """Wall and process CPU seconds of each run, in order; `energy_j`: of all runs together, where it was metered."""

    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    energy_j: float | None = None

    @property
    def runs(self) -> int:
        """Number of timed runs."""
        return len(self.wall_s)

    @property
    def best_s(self) -> float:
        """Wall time of the fastest run."""
        return min(self.wall_s)

    @property
    def median_s(self) -> float:
        """Median wall time."""
        return statistics.median(self.wall_s)

    @property
    def best_cpu_s(self) -> float:
        """Process CPU time, all threads, of the run with the best wall time."""
        return self.cpu_s[self.wall_s.index(self.best_s)]


def hindered(wall_s: float, cpu_s: float, threads: int) -> bool:
    """Whether a run did not keep the cores that it was given, so that its true time is lower.

    One thread: wall > 1.15 x CPU time. More: wall > (1.3 / threads) x CPU time, which is 0.65 for two. A library that
    works alone for part of the product looks the same from outside.
    """
    allowed = 1.15 if threads == 1 else 1.3 / threads
    return wall_s > allowed * cpu_s


def repeat(
    multiply: Callable[[], Any], budget_s: float, meter: RaplMeter | None = None, max_runs: int = MAX_RUNS
) -> tuple[Timing, Any]:
    """Times of `multiply` and its last result. One result is alive at a time. meter: read before and after the runs."""
    wall: list[float] = []
    cpu: list[float] = []
    result: Any = None
    before = meter.read() if meter else None
    warm = False
    while len(wall) < MIN_RUNS or (len(wall) < max_runs and sum(wall) < budget_s):
        del result
        cpu_begin, begin = time.process_time(), time.perf_counter()
        result = multiply()
        took = time.perf_counter() - begin
        if warm or took > LONG_S:
            wall.append(took)
            cpu.append(time.process_time() - cpu_begin)
        elif meter:  # the first compiles, allocates, starts threads
            before = meter.read()
        warm = True
    energy_j = meter.joules(before, meter.read()) if meter else None
    return Timing(tuple(wall), tuple(cpu), energy_j), result
