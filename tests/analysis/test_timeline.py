"""Trace files: their structure, their order, their size."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.timeline import STATES, stall_reason, write_trace
from sim.errors import InputError, InvariantError

Slice = tuple[str, float, float]


def written(path: Path, slices: Any, counters: Any = None, **others: Any) -> dict[str, Any]:
    """The trace as read back."""
    settings = {"clock_hz": 1e9, "metadata": {"matrix": "toy"}, **others}
    write_trace(path, slices=slices, counters=counters or {}, **settings)
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def of(trace: dict[str, Any], phase: str) -> list[dict[str, Any]]:
    """Events of one phase."""
    return [event for event in trace["traceEvents"] if event["ph"] == phase]


def check_structure(trace: dict[str, Any]) -> None:
    """What the trace-event format asks for, and no overlap in a track."""
    threads = {event["tid"]: event["args"]["name"] for event in of(trace, "M") if event["name"] == "thread_name"}
    times = [event["ts"] for event in trace["traceEvents"] if event["ph"] in "XC"]
    assert times == sorted(times)
    assert {event["ph"] for event in trace["traceEvents"]} <= {"M", "X", "C"}
    for thread in threads:
        spans = [(event["ts"], event["ts"] + event["dur"]) for event in of(trace, "X") if event["tid"] == thread]
        assert all(end > begin for begin, end in spans)
        assert all(one[1] <= two[0] for one, two in pairwise(spans))
    for event in of(trace, "X"):
        assert event["tid"] in threads
        assert {"state", "reason", "cycles"} <= set(event["args"])
        assert event["name"].split(":")[0] == event["args"]["state"]
    for event in of(trace, "C"):
        assert isinstance(event["args"]["value"], float)


def test_tracks_states_reasons_and_times(tmp_path: Path) -> None:
    slices = {
        "multipliers": [("starved", 0.0, 3.0), ("busy", 3.0, 10.0), ("memory", 10.0, 12.0), ("idle", 12.0, 20.0)],
        "merge_tree": [("starved", 0.0, 5.0), ("busy", 6.0, 9.0)],
    }
    trace = written(tmp_path / "t.json", slices, {"DRAM GB/s": [(0.0, 1.5), (8.0, 3.0)]}, clock_hz=1e9)
    check_structure(trace)
    assert [event["args"]["name"] for event in of(trace, "M") if event["name"] == "thread_name"] == list(slices)
    first, *_ = of(trace, "X")
    assert first["name"] == "starved: no element of A"
    memory = next(event for event in of(trace, "X") if event["args"]["state"] == "memory")
    assert memory["args"] == {"state": "memory", "reason": "prefetch miss: line of B not there", "cycles": 2.0}
    assert memory["ts"] == pytest.approx(0.010, abs=1e-6)
    assert memory["dur"] == pytest.approx(0.002, abs=1e-6)
    assert [event["args"]["value"] for event in of(trace, "C")] == [1.5, 3.0]
    assert trace["otherData"]["cycle_us"] == pytest.approx(1e-3)
    assert trace["otherData"]["timestamp_unit"].startswith("microseconds")
    assert trace["otherData"]["matrix"] == "toy"


def test_no_time_is_early_in_whole_nanoseconds(tmp_path: Path) -> None:
    slices = {"writer": [(("busy", "starved")[cycle % 2], float(cycle), cycle + 1.0) for cycle in range(2000)]}
    trace = written(tmp_path / "t.json", slices)
    assert [int(event["ts"] * 1000) for event in of(trace, "X")] == list(range(2000))


def test_idle_and_empty_slices_vanish_and_equal_neighbours_join(tmp_path: Path) -> None:
    slices = {
        "writer": [("busy", 0.0, 1.0), ("busy", 1.0, 2.0), ("memory", 2.0, 2.0), ("idle", 2.0, 4.0), ("busy", 4.0, 5.0)]
    }
    trace = written(tmp_path / "t.json", slices)
    assert [event["args"]["cycles"] for event in of(trace, "X")] == [2.0, 1.0]


def test_nothing_at_all(tmp_path: Path) -> None:
    assert of(written(tmp_path / "t.json", {}), "X") == []
    check_structure(written(tmp_path / "u.json", {"writer": []}, {"DRAM": []}))


def test_a_million_slices_fit(tmp_path: Path) -> None:
    noise = np.random.default_rng(3)
    names = ["multipliers", "prefetcher", "writer", "merge_tree"]
    slices: dict[str, list[Slice]] = {}
    for name in names:
        ends = np.cumsum(noise.integers(1, 40, 250_000)).astype(float).tolist()
        states = noise.integers(0, len(STATES), 250_000).tolist()
        slices[name] = [(STATES[s], b, e) for s, b, e in zip(states, [0.0, *ends[:-1]], ends, strict=True)]
    counters = {"DRAM": [(float(t), float(t % 7)) for t in range(0, 1_000_000, 10)]}
    path = tmp_path / "t.json"
    trace = written(path, slices, counters, max_bytes=2_000_000)
    assert 600_000 < path.stat().st_size <= 2_000_000
    check_structure(trace)
    for event in of(trace, "X"):
        args = event["args"]
        assert args["shares"][args["state"]] >= max(args["shares"].values()) - 0.1
        assert sum(args["shares"].values()) == pytest.approx(args["cycles"], abs=0.5)
    values = [event["args"]["value"] for event in of(trace, "C")]
    assert np.mean(values) == pytest.approx(np.mean([value for _, value in counters["DRAM"]]), rel=0.01)


@pytest.mark.parametrize("max_bytes", [1500, 5000, 20_000])
def test_small_limits_hold(max_bytes: int, tmp_path: Path) -> None:
    slices = {"writer": [(STATES[cycle % 4], float(cycle), cycle + 1.0) for cycle in range(3000)]}
    path = tmp_path / "t.json"
    check_structure(written(path, slices, {"DRAM": [(float(t), 1.0) for t in range(3000)]}, max_bytes=max_bytes))
    assert path.stat().st_size <= max_bytes


@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.floats(0, 50), st.floats(0, 9)), max_size=60),
    st.sampled_from([1e9, 3.3e8, 1.5e9]),
    st.integers(1500, 20_000),
)
def test_any_slices_give_a_sound_file(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[tuple[str, float, float]], clock_hz: float, max_bytes: int
) -> None:
    spans: list[Slice] = []
    now = 0.0
    for state, length, gap in gaps:
        spans.append((state, now + gap, now + gap + length))
        now += gap + length
    path = tmp_path_factory.mktemp("trace") / "t.json"
    check_structure(written(path, {"prefetcher": spans}, clock_hz=clock_hz, max_bytes=max_bytes))
    assert path.stat().st_size <= max_bytes


def test_every_stall_has_a_reason() -> None:
    for unit in ("column_fetchers", "prefetcher", "multipliers", "partial_fetcher", "writer", "merge_layer_3", "tiles"):
        for state in STATES:
            assert stall_reason(unit, state)


def test_wrong_slices_are_reported_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(InvariantError, match=r"begins at 4\.0 before 5\.0"):
        written(tmp_path / "t.json", {"writer": [("busy", 0.0, 5.0), ("memory", 4.0, 6.0)]})
    with pytest.raises(InvariantError, match="'asleep'"):
        written(tmp_path / "t.json", {"writer": [("asleep", 0.0, 5.0)]})
    with pytest.raises(InvariantError, match="back in time"):
        written(tmp_path / "t.json", {}, {"DRAM": [(5.0, 1.0), (4.0, 1.0)]})
    assert not (tmp_path / "t.json").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        written(tmp_path / "none" / "t.json", {})
    assert list(tmp_path.iterdir()) == []
