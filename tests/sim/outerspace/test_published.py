"""What is published of OuterSPACE: bytes, run times, energy, area. Figures marked calibrated are no prediction."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.suitesparse.matrix import load_matrix
from sim.errors import ConfigError
from sim.outerspace import simulate
from sim.outerspace.calibration import Timing, calibrate
from sim.outerspace.energy import GROUPS, EnergyTable
from sim.outerspace.energy import calibrate as calibrate_energy
from sim.result import SimulationResult

BARS = {"wiki-Vote": 5.60, "p2p-Gnutella31": 2.29, "ca-CondMat": 4.00, "poisson3Da": 7.40, "email-Enron": 4.30}
EIGHT = (*BARS, "facebook", "cage12", "m133-b3")
REPORTED_NS = (7.61e6, 3.65e6, 2.53e6, 1.79e6, 1.72e6)


def run(name: str) -> SimulationResult:
    """A benchmark matrix times itself."""
    matrix = load_matrix(name)
    return simulate(matrix.csr, name=name, verify=False)


@pytest.mark.parametrize("name", ["wiki-Vote", "p2p-Gnutella31", "ca-CondMat", "poisson3Da"])
def test_reported_bars(name: str, shared_data: Path) -> None:
    result = run(name)
    assert result.dram_bytes.total / result.ideal_dram_bytes == pytest.approx(BARS[name], rel=0.03)


@pytest.mark.slow
def test_reported_bar_of_the_largest(shared_data: Path) -> None:
    result = run("email-Enron")
    assert result.dram_bytes.total / result.ideal_dram_bytes == pytest.approx(BARS["email-Enron"], rel=0.03)


def test_shipped_calibration_says_what_it_reached() -> None:
    timing = Timing.load()
    assert tuple(point.reported_ns for point in timing.points) == REPORTED_NS
    assert max(abs(point.error) for point in timing.points) == pytest.approx(timing.max_error, abs=5e-4)
    assert timing.max_error < 0.1
    assert timing.date


def test_calibration_finds_the_constants_of_the_model_itself() -> None:
    """Times made with known constants give these constants back."""
    from sim.outerspace.calibration import _output_lengths, _time_ns
    from sim.sparch.operand import Operand

    matrices = [
        load_matrix(f"uniform:n={n},density={d},seed=1").csr for n, d in ((600, 0.03), (2000, 0.003), (4000, 3e-4))
    ]
    operands = [Operand.of(matrix) for matrix in matrices]
    times = [_time_ns(one, _output_lengths(one), (200, 2000)) for one in operands]
    constants, _ = calibrate(matrices, times)
    assert constants == {"request_cycles": 200, "task_cycles": 2000}
    with pytest.raises(ConfigError, match="one time a matrix"):
        calibrate(matrices, times[:2])


def test_published_energy_split_adds_up() -> None:
    table = EnergyTable.load()
    assert math.fsum(group.published_nj_per_flop for group in table.groups.values()) == pytest.approx(4.95)
    assert tuple(table.groups) == GROUPS
    assert all(action.group in GROUPS for action in table.actions.values())


def test_dram_energy_is_the_published_power_at_the_published_use() -> None:
    """The rule of SpArch's table, at 48.3 % of 128 GB/s."""
    watts = 128 / 42.6
    byte = EnergyTable.load().actions["dram_byte"].energy_pj
    assert byte * 1e-12 * 0.483 * 128e9 == pytest.approx(watts, rel=2e-3)
    assert EnergyTable.load().groups["dram"].scale == 1


@pytest.mark.slow
def test_energy_scales_are_what_calibration_gives(shared_data: Path) -> None:
    results = [run(name) for name in EIGHT]
    table = EnergyTable.load()
    scales = calibrate_energy([one.actions for one in results], [one.flops for one in results])
    for name, group in table.groups.items():
        assert scales[name] == pytest.approx(group.scale, rel=1e-4)
        mean = sum(1e9 * getattr(one.energy_j, name) / one.flops for one in results) / len(results)
        assert mean == pytest.approx(group.published_nj_per_flop, rel=0.01)  # DRAM, unscaled, within it as well


def test_energy_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match="unknown action 'multiplyy'; nearest: multiply"):
        EnergyTable.load().energy_j({"multiplyy": 1})
    with pytest.raises(ConfigError, match="one FLOP count"):
        calibrate_energy([], [])
    with pytest.raises(ConfigError, match="no sram action"):
        calibrate_energy([{"multiply": 5}], [5])


def test_area() -> None:
    area = EnergyTable.load().area_mm2(256)
    assert area["total"] == 87
    assert str(area["basis"]).startswith("published")
    assert EnergyTable.load().area_mm2(128)["total"] == 43.5
    assert str(EnergyTable.load().area_mm2(128)["basis"]).startswith("calibrated")
