"""The split of a run's cycles into causes, against figures worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.causes import (
    CAUSES,
    busiest_layer,
    dram_parts,
    peak_bytes_per_cycle,
    split_cycles,
    sustained_bytes_per_cycle,
)


def test_bytes_by_cause(record: dict[str, Any]) -> None:
    parts = dram_parts(record)
    # B: 30,000 read of which 12,000 once; partials 8000 + 8000; padding 115,200 - 106,000
    assert parts == {"compulsory": 72_000, "b_rereads": 18_000, "partials": 16_000, "padding": 9200}
    assert sum(parts.values()) == record["channel_bytes"]
    assert peak_bytes_per_cycle(record) == 128


def test_a_burst_that_does_not_fill_its_cycles_lowers_the_peak(record: dict[str, Any]) -> None:
    record["config"]["dram"] |= {"burst_bytes": 12, "bytes_per_cycle": 8, "channels": 4}
    assert peak_bytes_per_cycle(record) == 4 * 12 / 2


def test_a_gap_after_each_burst_lowers_what_can_be_kept_up_but_not_the_peak(record: dict[str, Any]) -> None:
    record["config"]["dram"] |= {"gap_cycles": 1}
    assert peak_bytes_per_cycle(record) == 128
    assert sustained_bytes_per_cycle(record) == 128 * 4 / 5


def test_bandwidth_bound_run(record: dict[str, Any]) -> None:
    split = split_cycles(record)
    assert (split.limit, split.limit_cycles) == ("bandwidth", 900)
    # 100 cycles remain; prefetcher: blocked 30, starved 50, idle 20
    assert split.cycles["rounds"] == pytest.approx(70)
    # multiply bound 800, of which 12,000 / 16 = 750 at full rate
    assert split.cycles["arithmetic"] == pytest.approx(30 * 750 / 800)
    assert split.cycles["lost_slots"] == pytest.approx(30 * 50 / 800)
    assert split.cycles["b_rereads"] == pytest.approx(18_000 / 128)
    assert sum(split.cycles.values()) == pytest.approx(1000)


def test_multiplier_bound_run(record: dict[str, Any]) -> None:
    record["bounds_cycles"] |= {"multiply": 950}
    split = split_cycles(record)
    assert (split.limit, split.limit_cycles) == ("multiply", 950)
    # 50 cycles remain; multipliers: starved 40, blocked 10, memory 100, idle 50 of 200
    assert split.cycles["merge_tree"] == pytest.approx(50 * 10 / 200)
    assert split.cycles["rounds"] == pytest.approx(50 * 90 / 200)
    assert split.cycles["partials"] == pytest.approx(50 * 100 / 200 * 16_000 / 115_200)
    assert split.cycles["arithmetic"] == pytest.approx(750)
    assert sum(split.cycles.values()) == pytest.approx(1000)


def test_merge_bound_run(record: dict[str, Any]) -> None:
    record["bounds_cycles"] |= {"merge": 960}
    split = split_cycles(record)
    assert (split.limit, split.cycles["merge_tree"]) == ("merge", 960)
    assert sum(split.cycles.values()) == pytest.approx(1000)
    assert busiest_layer(record) == "merge_layer_2"


def test_nothing_to_do(record: dict[str, Any]) -> None:
    for table in ("dram_bytes", "bounds_cycles"):
        record[table] = dict.fromkeys(record[table], 0)
    record |= {
        "cycles": 0,
        "channel_bytes": 0,
        "ideal_dram_bytes": 0,
        "multiplications": 0,
        "output_nnz": 0,
        "flops": 0,
    }
    record["units"] = {name: dict.fromkeys(states, 0) for name, states in record["units"].items()}
    assert split_cycles(record).cycles == dict.fromkeys(CAUSES, 0.0)


def test_units_of_another_machine(record: dict[str, Any]) -> None:
    record["units"] = {"tiles": {"busy": 1000, "starved": 0, "blocked": 0, "memory": 0, "idle": 0}}
    assert sum(split_cycles(record).cycles.values()) == pytest.approx(1000)
