"""How often a product is repeated, and when a run counts as hindered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.suitesparse.libraries.energy import RaplMeter
from benchmarks.suitesparse.libraries.timing import Timing, hindered, repeat


@pytest.mark.parametrize(
    ("pause_s", "budget_s", "least", "most"), [(0.0, 10.0, 40, 40), (0.02, 0.001, 3, 3), (0.01, 0.08, 3, 8)]
)
def test_runs_until_the_budget_is_spent(pause_s: float, budget_s: float, least: int, most: int) -> None:
    calls: list[int] = []

    def multiply() -> int:
        calls.append(1)
        time.sleep(pause_s)
        return len(calls)

    timing, result = repeat(multiply, budget_s)
    assert least <= timing.runs <= most
    assert len(calls) == timing.runs + 1  # the warm-up is not timed
    assert result == len(calls)
    assert timing.best_s >= pause_s


def test_best_median_and_the_cpu_time_of_the_best() -> None:
    timing = Timing((0.4, 0.1, 0.2, 0.3), (4.0, 1.0, 2.0, 3.0))
    assert (timing.best_s, timing.median_s, timing.best_cpu_s, timing.runs) == (0.1, 0.25, 1.0, 4)


@pytest.mark.parametrize(
    ("wall_s", "cpu_s", "threads", "expected"),
    [
        (1.0, 1.0, 1, False),
        (1.14, 1.0, 1, False),
        (1.16, 1.0, 1, True),
        (0.5, 1.0, 2, False),
        (0.66, 1.0, 2, True),
        (0.2, 1.0, 8, True),
        (0.13, 1.0, 8, False),
    ],
)
def test_hindered_where_cpu_time_shows_missing_cores(wall_s: float, cpu_s: float, threads: int, expected: bool) -> None:
    assert hindered(wall_s, cpu_s, threads) is expected


def test_the_meter_is_read_around_the_runs_not_the_warm_up(tmp_path: Path) -> None:
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "name").write_text("package-0\n")
    counter = zone / "energy_uj"
    counter.write_text("0")

    def multiply() -> None:
        counter.write_text(str(int(counter.read_text()) + 2_000_000))

    timing, _ = repeat(multiply, 0.0, RaplMeter(tmp_path))
    assert timing.energy_j == 2.0 * timing.runs


def test_a_long_warm_up_counts_as_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    timing, _ = repeat(lambda: calls.append(1), budget_s=1e-9)
    assert (timing.runs, len(calls)) == (3, 4)
    calls.clear()
    monkeypatch.setattr("benchmarks.suitesparse.libraries.timing.LONG_S", 0.0)
    timing, _ = repeat(lambda: calls.append(1), budget_s=1e-9)
    assert (timing.runs, len(calls)) == (3, 3)
