"""RAPL counters of a made-up machine, and the label of what is only modelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.suitesparse.libraries.energy import RaplMeter, energy_of


@pytest.fixture
def counters(tmp_path: Path) -> Path:
    """Two packages, a subzone and a platform zone that must not be added."""
    zones = {"intel-rapl:0": "package-0", "intel-rapl:1": "package-1", "intel-rapl:0:0": "core", "intel-rapl:2": "psys"}
    for zone, name in zones.items():
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(name + "\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("10000000\n")
        (tmp_path / zone / "energy_uj").write_text("9000000\n")
    return tmp_path


def test_packages_are_added_and_nothing_else(counters: Path) -> None:
    meter = RaplMeter(counters)
    before = meter.read()
    assert before == {"intel-rapl:0": 9_000_000, "intel-rapl:1": 9_000_000}
    (counters / "intel-rapl:0" / "energy_uj").write_text("9500000\n")
    (counters / "intel-rapl:0:0" / "energy_uj").write_text("9900000\n")
    assert meter.joules(before, meter.read()) == 0.5


def test_a_counter_that_wrapped_is_put_right(counters: Path) -> None:
    meter = RaplMeter(counters)
    before = meter.read()
    (counters / "intel-rapl:1" / "energy_uj").write_text("500000\n")
    assert meter.joules(before, meter.read()) == 1.5
    (counters / "intel-rapl:1" / "max_energy_range_uj").unlink()
    assert meter.joules(before, meter.read()) is None


@pytest.mark.parametrize("damage", ["empty folder", "not a number", "gone"])
def test_what_cannot_be_read_is_no_measurement(
    counters: Path, tmp_path_factory: pytest.TempPathFactory, damage: str
) -> None:
    if damage == "empty folder":
        counters = tmp_path_factory.mktemp("none")
    elif damage == "not a number":
        (counters / "intel-rapl:0" / "energy_uj").write_text("a lot")
    else:
        (counters / "intel-rapl:1" / "energy_uj").unlink()
    meter = RaplMeter(counters)
    assert meter.read() is None
    assert meter.joules(meter.read(), meter.read()) is None


def test_measured_energy_is_the_mean_of_the_runs() -> None:
    energy = energy_of(6.0, 4, 0.5, 2, False)
    assert (energy.kind, energy.low_j, energy.high_j) == ("measured", 1.5, 1.5)


@pytest.mark.parametrize("threads", [1, 4])
def test_without_a_meter_a_labelled_range(threads: int) -> None:
    energy = energy_of(None, 4, 0.5, threads, False)
    assert energy.kind == "modelled, not measured"
    assert (energy.low_j, energy.high_j) == (3 * threads * 0.5, 12 * threads * 0.5)
    assert energy.assumption.startswith(f"3 to 12 W per core x {threads} core")


def test_a_graphics_card_gets_no_figure() -> None:
    energy = energy_of(None, 4, 0.5, 1, True)
    assert (energy.kind, energy.low_j, energy.high_j) == ("not measured", None, None)
