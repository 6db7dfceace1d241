"""Measuring on a clock that the test holds: medians, disturbed runs, parts, threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sim.errors import ConfigError
from sim.mobile_cost import host_measure
from sim.mobile_cost.host_measure import FEWEST_RUNS, measure_calls, measure_module, measure_rounds


class Clock:
    """Time that passes only when a call says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def call(self, seconds: Iterator[float]) -> Callable[[], list[float]]:
        def run() -> list[float]:
            took = next(seconds)
            self.now += took
            return [took / 4, 3 * took / 4]

        return run


def always(*seconds: float) -> Iterator[float]:
    while True:
        yield from seconds


@pytest.fixture(autouse=True)
def _no_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_measure, "_switches", lambda: 0)


def test_the_median_of_the_runs_and_its_parts() -> None:
    clock = Clock()
    found = measure_calls(clock.call(always(0.010, 0.0101, 0.0102)), threads=2, budget_s=1.0, clock=clock)
    assert found.latency_s == pytest.approx(0.0101)
    assert found.fastest_s == pytest.approx(0.010)
    assert list(found.parts_s) == pytest.approx([0.0101 / 4, 0.0101 * 3 / 4])
    assert not found.hindered
    assert clock.now == pytest.approx(1.0, abs=0.05)


def test_a_run_longer_than_the_budget_is_still_timed() -> None:
    clock = Clock()
    assert measure_calls(clock.call(always(5.0)), threads=2, budget_s=1.0, clock=clock).runs == FEWEST_RUNS


def test_calls_take_turns() -> None:
    clock, order = Clock(), list[str]()

    def call(name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            clock.now += seconds

        return run

    found = measure_rounds([call("a", 0.1), call("b", 0.3)], threads=2, budget_s=2.0, clock=clock)
    assert [one.latency_s for one in found] == pytest.approx([0.1, 0.3])
    assert "".join(order) == "ab" * (len(order) // 2)


def test_runs_that_were_put_aside_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, switches = Clock(), 0

    def run() -> None:
        nonlocal switches
        long = round(clock.now * 1000) % 3 == 0
        clock.now += 0.016 if long else 0.010
        switches += long

    monkeypatch.setattr(host_measure, "_switches", lambda: switches)
    found = measure_calls(run, threads=2, budget_s=1.0, clock=clock)
    assert found.latency_s == pytest.approx(0.010)
    assert not found.hindered


def test_what_is_always_disturbed_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(host_measure, "_switches", lambda: clock.now)
    found = measure_calls(clock.call(always(0.01)), threads=2, budget_s=0.3, clock=clock)
    assert found.hindered
    assert found.latency_s == pytest.approx(0.01)


def test_wide_spread_is_hindered() -> None:
    clock = Clock()
    assert measure_calls(clock.call(always(0.01, 0.02, 0.03)), threads=2, budget_s=0.3, clock=clock).hindered


def test_on_one_thread_time_without_cpu_is_a_disturbance() -> None:
    clock = Clock()  # wall time that no CPU was used in
    assert measure_calls(clock.call(always(0.01)), threads=1, budget_s=0.3, clock=clock).hindered


def test_a_module_is_measured_and_left_as_it_was() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Dropout())
    module.train()
    before = torch.get_num_threads()
    found = measure_module(module, torch.rand(4, 64), threads=1, budget_s=0.05)
    assert 0 < found.fastest_s <= found.latency_s < 1.0
    assert found.runs >= FEWEST_RUNS
    assert module.training
    assert torch.get_num_threads() == before
    with pytest.raises(ConfigError, match="threads are at least 1, got 0"):
        measure_module(module, torch.rand(4, 64), threads=0)
