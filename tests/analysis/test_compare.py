"""The difference of two results: its parts add up to it, whatever the two are."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from analysis.compare import compare, render_comparison

Result = dict[str, Any]


@pytest.mark.parametrize("table", ["cycles", "dram_bytes", "energy_j"])
def test_parts_add_up_to_the_difference(table: str, record: Result, other: Result) -> None:
    split = compare(record, other)[table]
    for side in ("first", "second", "difference"):
        assert sum(part[side] for part in split["parts"].values()) == pytest.approx(split[side])
    assert split["difference"] == pytest.approx(split["second"] - split["first"])
    assert split["difference"] > 0


def test_states_of_each_unit_add_up_to_the_difference_in_cycles(record: Result, other: Result) -> None:
    units = compare(record, other)["units"]
    assert set(units) == set(record["units"])
    assert all(sum(states.values()) == 300 for states in units.values())
    assert units["writer"]["memory"] == 300


def test_the_cause_is_found(record: Result, other: Result) -> None:
    comparison = compare(record, other)
    parts = {name: part["difference"] for name, part in comparison["cycles"]["parts"].items()}
    assert max(parts, key=lambda name: parts[name]) == "b_rereads"
    assert comparison["dram_bytes"]["parts"]["b_read"]["difference"] == 30_000
    assert comparison["settings"] == {"prefetch.lines": {"first": 1024, "second": 128}}
    assert comparison["operands"] == {}


def test_the_same_result_twice(record: Result) -> None:
    comparison = compare(record, copy.deepcopy(record))
    assert comparison["settings"] == {}
    assert comparison["cycles"]["difference"] == 0
    assert "operands and settings are the same" in render_comparison(comparison)


def test_other_operands_and_settings_of_one_side_are_listed(record: Result, other: Result) -> None:
    other["matrix"] |= {"name": "tiny", "nnz": 900}
    del other["config"]["lookahead"]
    comparison = compare(record, other)
    assert comparison["operands"]["matrix.name"] == {"first": "toy", "second": "tiny"}
    assert comparison["settings"]["lookahead.elements"] == {"first": 8192, "second": None}


def test_rendering_names_what_changed(record: Result, other: Result) -> None:
    text = render_comparison(compare(record, other))
    assert "prefetch.lines: 1024 -> 128" in text
    assert "cycles: 1,000 -> 1,300 (+300, 1.30 x), of which" in text
    assert "re-reads of B rows" in text
    assert "hit rate 79.2% -> 58.3%" in text


def test_a_run_against_nothing(record: Result, other: Result) -> None:
    other |= {"cycles": 0}
    other["units"] = {name: dict.fromkeys(states, 0) for name, states in other["units"].items()}
    other["bounds_cycles"] = dict.fromkeys(other["bounds_cycles"], 0)
    comparison = compare(other, record)
    assert comparison["cycles"]["difference"] == 1000
    assert sum(part["difference"] for part in comparison["cycles"]["parts"].values()) == pytest.approx(1000)
    assert render_comparison(comparison)
