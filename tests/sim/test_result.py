"""The result record: what it writes it reads back, and nothing else."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from sim.errors import InputError
from sim.result import SimulationResult
from sim.sparch import simulate

TOP = (
    *("schema", "version", "seed", "wall_s", "matrix", "config", "accelerator", "model", "cycles", "seconds"),
    *("multiplications", "output_nnz", "flops", "gflops", "condensed_columns", "merge_rounds", "first_round_ways"),
    *("dram_bytes", "channel_bytes", "ideal_dram_bytes", "bandwidth_utilization", "prefetch", "bounds_cycles"),
    *("units", "actions", "energy_j", "power_w", "area_mm2", "events", "verified", "max_relative_error", "flags"),
)


@pytest.fixture(scope="module")
def result() -> SimulationResult:
    """The product of a rectangular matrix with its transpose."""
    rng = np.random.default_rng(3)
    return simulate(rng.random((6, 9)) * (rng.random((6, 9)) < 0.5), name="small", seed=7, sha256="ab" * 32)


@pytest.fixture
def record(result: SimulationResult) -> dict[str, Any]:
    """Plain values, free to be damaged."""
    return copy.deepcopy(result.to_dict())


def test_json_has_the_fields_of_the_schema_in_order(result: SimulationResult) -> None:
    record = json.loads(result.to_json())
    assert tuple(record) == TOP
    assert record["schema"] == "hwloop.simulation/1"
    assert (record["seed"], record["matrix"]["name"], record["matrix"]["sha256"]) == (7, "small", "ab" * 32)
    assert record["matrix"]["b"]["rows"] == 9
    assert list(record["units"]["writer"]) == ["busy", "starved", "blocked", "memory", "idle"]
    assert record["config"]["merge_tree"]["ways"] == 64
    assert record["verified"] is True


def test_square_has_no_second_operand() -> None:
    assert "b" not in simulate(np.eye(2)).to_dict()["matrix"]


def test_saved_is_loaded(result: SimulationResult, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    result.save(path)
    assert SimulationResult.load(path) == result
    assert SimulationResult.from_dict(result.to_dict()) == result
    assert [one.name for one in tmp_path.iterdir()] == ["r.json"]


def test_saving_where_it_cannot_be(result: SimulationResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        result.save(tmp_path / "absent" / "r.json")
    with pytest.raises(InputError, match="it is a folder"):
        result.save(tmp_path)


def test_is_frozen(result: SimulationResult) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        result.cycles = 3  # type: ignore[misc]


def test_product_is_not_in_the_file(result: SimulationResult) -> None:
    assert result.product.shape == (6, 6)
    assert result.product is result.product
    loaded = SimulationResult.from_json(result.to_json())
    with pytest.raises(InputError, match="holds no product"):
        _ = loaded.product


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "names no schema"),
        ("{}", "names no schema"),
        ('{"schema": "hwloop.simulation/2"}', "its schema is 'hwloop.simulation/2'"),
        ('{"schema": "hwloop.simulation/1"}', "wall_s: Field required"),
    ],
)
def test_foreign_text(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        SimulationResult.from_json(text, "r.json")
    assert str(caught.value).startswith("r.json: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("cycles",), "12", "cycles: "),
        (("cycles",), -1, "cycles: "),
        (("cycles",), True, "cycles: "),
        (("seconds",), float("nan"), "seconds: "),
        (("colour",), "red", "colour: "),
        (("matrix", "rows"), None, "matrix.rows: "),
        (("units", "writer", "busy"), 2**40, "sum of the states of writer"),
        (("dram_bytes", "total"), 1, "dram_bytes.total = 1"),
        (("verified",), False, "verified: "),
    ],
)
def test_damaged_record(record: dict[str, Any], place: tuple[str, ...], value: Any, words: str) -> None:
    part = record
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(InputError) as caught:
        SimulationResult.from_json(json.dumps(record))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x80\xff\x00")
    with pytest.raises(InputError, match="not text"):
        SimulationResult.load(tmp_path / "binary")
    with pytest.raises(InputError, match="No such file"):
        SimulationResult.load(tmp_path / "absent")
    with pytest.raises(InputError, match="cannot read result"):
        SimulationResult.load(tmp_path)
