from __future__ import annotations

import dataclasses
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import ConfigError
from sim.sparch import energy
from sim.sparch.energy import ACTIONS, AREAS, GROUPS, STATUSES, EnergyTable, calibrate
from sim.sparch.merger import comparators

TOML = Path(energy.__file__).with_name("energies.toml")
TEXT = TOML.read_text(encoding="utf-8")
DATA: dict[str, Any] = tomllib.loads(TEXT)
COUNTS = {
    "multiply": 1_000_000,
    "add": 600_000,
    "compare": 128 * 500_000,
    "fifo_word": 9_000_000,
    "prefetch_read_element": 1_000_000,
    "prefetch_write_element": 300_000,
    "lookahead_element": 90_000,
    "partial_buffer_element": 20_000,
    "dram_byte": 12_000_000,
}


@pytest.fixture
def table() -> EnergyTable:
    return EnergyTable.load()


@pytest.fixture
def unscaled(table: EnergyTable) -> EnergyTable:
    return table.with_scales({"compute": 1.0, "sram": 1.0, "dram": 1.0})


@pytest.mark.parametrize("section", ["actions", "areas", "groups"])
def test_every_entry_has_unit_source_and_status(section: str) -> None:
    for name, entry in DATA[section].items():
        assert entry["unit"].strip(), name
        assert entry["source"].strip(), name
        assert entry["status"] in STATUSES, name
        if section == "actions":
            assert entry["unit"].startswith("pJ per "), name
        if section == "areas":
            assert entry["unit"] == "mm2", name


def test_table_holds_exactly_the_actions_of_the_simulator(table: EnergyTable) -> None:
    groups = {group: [a.name for a in table.actions if a.group == group] for group in GROUPS}
    assert groups["compute"] == ["multiply", "add", "compare"]
    assert groups["dram"] == ["dram_byte"]
    assert groups["sram"] == [name for name in ACTIONS if name not in (*groups["compute"], "dram_byte")]
    assert set(COUNTS) == set(ACTIONS)
    assert {group.name for group in table.groups} == set(GROUPS)
    assert [area.name for area in table.areas] == list(AREAS)


def test_scales_other_than_one_carry_date_and_workload(table: EnergyTable) -> None:
    if any(scale != 1.0 for scale in table.scales().values()):
        assert table.calibration_date
        assert table.calibration_workload
        assert table.calibration_date in table.energy_basis
    else:
        assert "not calibrated" in table.energy_basis


def test_load_is_shared_and_frozen(table: EnergyTable) -> None:
    assert EnergyTable.load() is table
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.calibration_date = "x"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.actions[0].energy_pj = 1.0  # type: ignore[misc]


def test_energy_is_count_times_energy_in_joules(unscaled: EnergyTable) -> None:
    for action in unscaled.actions:
        joules = unscaled.energy_j({action.name: 10**12})
        assert joules["total"] == pytest.approx(action.energy_pj, rel=1e-12)
        assert joules[action.group] == joules["total"]
    joules = unscaled.energy_j(COUNTS)
    assert joules["compute"] == pytest.approx((18.0 * 1e6 + 2.0 * 6e5 + 0.2 * 6.4e7) * 1e-12)
    assert joules["total"] == pytest.approx(joules["compute"] + joules["sram"] + joules["dram"])
    assert list(joules) == ["compute", "sram", "dram", "total"]


def test_dram_energy_gives_three_watts_at_the_published_bandwidth(table: EnergyTable) -> None:
    useful_bytes_in_a_second = round(0.686 * 128e9)
    joules = table.energy_j({"dram_byte": useful_bytes_in_a_second})
    assert joules["dram"] == pytest.approx(128 / 42.6, rel=1e-3)
    assert joules["dram"] / 10.4e9 * 1e9 == pytest.approx(0.29, abs=0.005)


def test_scale_acts_on_its_group_alone(unscaled: EnergyTable) -> None:
    before, after = unscaled.energy_j(COUNTS), unscaled.with_scales({"sram": 2.5}).energy_j(COUNTS)
    assert after["sram"] == pytest.approx(2.5 * before["sram"])
    assert (after["compute"], after["dram"]) == (before["compute"], before["dram"])


def test_no_actions_cost_nothing(table: EnergyTable) -> None:
    assert table.energy_j({}) == {"compute": 0.0, "sram": 0.0, "dram": 0.0, "total": 0.0}


def test_numpy_counts_and_counts_beyond_64_bits(unscaled: EnergyTable) -> None:
    assert unscaled.energy_j({"add": np.int64(5)}) == unscaled.energy_j({"add": 5})  # type: ignore[dict-item]
    assert unscaled.energy_j({"add": 10**24})["total"] == pytest.approx(2e12)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"multiplly": 1}, "unknown action 'multiplly'; nearest: multiply"),
        ({"dram_bytes": 1}, "unknown action 'dram_bytes'; nearest: dram_byte"),
        ({"add": -1}, "add must not be negative, is -1; nearest: 0"),
        ({"add": 1.5}, "add must be a whole number, not 1.5"),
    ],
)
def test_counts_that_are_refused(table: EnergyTable, counts: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        table.energy_j(counts)
    assert str(error.value) == message


def test_larger_memories_cost_more_per_byte_and_arithmetic_more_than_a_compare(table: EnergyTable) -> None:
    pj = {action.name: action.energy_pj for action in table.actions}
    assert pj["multiply"] > pj["add"] > pj["compare"]
    assert pj["fifo_word"] / 16 < pj["partial_buffer_element"] / 16 < pj["lookahead_element"] / 16
    assert pj["lookahead_element"] / 16 < pj["prefetch_read_element"] / 12


@pytest.mark.parametrize(
    ("name", "capacity", "size"),
    [
        ("fifo_word", 48 * 16, 16),
        ("partial_buffer_element", 1024 * 16, 16),
        ("lookahead_element", 8192 * 16, 16),
        ("prefetch_read_element", 1024 * 48 * 12, 12),
        ("prefetch_write_element", 1024 * 48 * 12, 12),
    ],
)
def test_sram_energies_follow_the_stated_rule(table: EnergyTable, name: str, capacity: int, size: int) -> None:
    pj = {action.name: action.energy_pj for action in table.actions}[name]
    assert pj == pytest.approx(10 * math.sqrt(capacity / 8192) * size / 8, rel=0.01)


def test_calibration_meets_the_published_energies(table: EnergyTable) -> None:
    workload = [COUNTS, {**COUNTS, "compare": 10**8, "fifo_word": 2 * 10**7}, {"multiply": 50, "fifo_word": 700}]
    flops = [1_600_000, 1_700_000, 90]
    scaled = table.with_scales(calibrate(workload, flops))
    runs = [scaled.energy_j(counts) for counts in workload]
    for group, published in (("compute", 0.26), ("sram", 0.34)):
        per_flop = [run[group] * 1e9 / f for run, f in zip(runs, flops, strict=True)]  # type: ignore[literal-required]
        assert np.mean(per_flop) == pytest.approx(published, rel=1e-12)
    assert scaled.scales()["dram"] == table.scales()["dram"]


def test_calibration_does_not_depend_on_the_scales_in_the_table(table: EnergyTable) -> None:
    again = calibrate([COUNTS], [10**6], table=table.with_scales({"compute": 7.0, "sram": 0.1}))
    assert again == pytest.approx(calibrate([COUNTS], [10**6]))


@pytest.mark.parametrize(
    ("counts", "flops", "message"),
    [
        ([], [], "one FLOP count a matrix, not 0 for 0"),
        ([COUNTS], [1, 2], "one FLOP count a matrix, not 2 for 1"),
        ([COUNTS], [0], "at least 1, not 0"),
        ([{"multiply": 1}], [2], "no sram action"),
        ([{"fifo_word": 1}], [2], "no compute action"),
    ],
)
def test_calibration_without_a_workload(counts: list[dict[str, int]], flops: list[int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        calibrate(counts, flops)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_scales_must_be_positive(table: EnergyTable, scale: float) -> None:
    with pytest.raises(ConfigError, match="scale of sram must be a positive number"):
        table.with_scales({"sram": scale})


def test_unknown_group(table: EnergyTable) -> None:
    with pytest.raises(ConfigError, match="unknown energy group 'srams'; nearest: sram"):
        table.with_scales({"srams": 1.0})  # type: ignore[dict-item]


def test_default_area_is_the_published_one(table: EnergyTable) -> None:
    area = table.area_mm2()
    assert area == {
        "tree": 17.27,
        "row_prefetcher": 5.79,
        "column_fetcher": 2.64,
        "partial_writer": 2.34,
        "multipliers": 0.45,
        "total": 28.49,
        "basis": energy.AREA_BASIS,
    }
    assert area["basis"].startswith("calibrated")
    assert table.area_mm2(**dataclasses.asdict(table.reference)) == area


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("ways", "tree"),
        ("width", "tree"),
        ("prefetch_lines", "row_prefetcher"),
        ("line_elements", "row_prefetcher"),
        ("multipliers", "multipliers"),
        ("column_fetchers", "column_fetcher"),
        ("lookahead_elements", "column_fetcher"),
        ("partial_fifo_depth", "partial_writer"),
    ],
)
@given(factor=st.sampled_from([2, 4, 8]))
def test_area_grows_with_each_number_in_its_own_part(name: str, part: str, factor: int) -> None:
    table = EnergyTable.load()
    default = getattr(table.reference, name)
    base, larger, smaller = table.area_mm2(), table.area_mm2(**{name: default * factor}), table.area_mm2(**{name: 2})
    for other in (*AREAS, "total"):
        low, mid, high = (a[other] for a in (smaller, base, larger))  # type: ignore[literal-required]
        assert (low < mid < high) if other in (part, "total") else (low == mid == high)


def test_area_values_elsewhere(table: EnergyTable) -> None:
    assert table.area_mm2(ways=8)["tree"] == pytest.approx(17.27 / 2)
    assert table.area_mm2(ways=33)["tree"] == pytest.approx(17.27)
    assert table.area_mm2(width=1)["tree"] == pytest.approx(17.27 / 128)
    assert table.area_mm2(width=32)["tree"] == pytest.approx(17.27 * comparators(32) / comparators(16))
    assert table.area_mm2(prefetch_lines=0)["row_prefetcher"] == 0.0
    assert table.area_mm2(lookahead_elements=0)["column_fetcher"] == pytest.approx(1.32)
    assert table.area_mm2(prefetch_lines=2048, line_elements=24) == table.area_mm2()


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"way": 64}, "unknown area parameter 'way'; nearest: ways"),
        ({"ways": 1}, "at least 2 ways, not 1; nearest: 2"),
        ({"width": 0}, "merger width must be at least 1, not 0"),
        ({"multipliers": -1}, "multipliers must not be negative"),
        ({"multipliers": 0.5}, "multipliers must be a whole number"),
    ],
)
def test_machines_that_are_refused(table: EnergyTable, machine: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        table.area_mm2(**machine)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[actions.multiply]", "[actions.multipy]", "unknown actions entry 'multipy'; nearest: multiply"),
        ("energy_pj = 18.0\n", "", "multiply: 'energy_pj' is missing"),
        ("energy_pj = 18.0", "energy_pj = -18.0", "multiply.energy_pj must be a positive number, not -18.0"),
        ("energy_pj = 18.0", "energy_pj = nan", "multiply.energy_pj must be a positive number, not nan"),
        ("energy_pj = 18.0", "energy_pj = true", "multiply.energy_pj must be a positive number, not True"),
        ('unit = "mm2"', "unit = 2", "tree.unit must be a text, not 2"),
        ('status = "published"', 'status = "publshed"', "unknown tree.status 'publshed'; nearest: published"),
        ('group = "compute"', 'group = "computer"', "unknown multiply.group 'computer'; nearest: compute"),
        ("ways = 64", "ways = 1", "ways at least 2"),
        ("ways = 64", "ways = 6.4", "reference.ways must be a whole number, not 6.4"),
        ("[calibration]", "[calibrations]", "unknown table entry 'calibrations'; nearest: calibration"),
        ("[groups.dram]", "[groups.dram", "cannot read the energy table"),
        ("[reference]", "[areas.reference]", "table: 'reference' is missing"),
    ],
)
def test_broken_tables(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    path = tmp_path / "table.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        EnergyTable.load(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the energy table"):
        EnergyTable.load(tmp_path / "none.toml")
