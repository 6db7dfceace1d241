"""Reading result files: what is taken, and the one line that refuses the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.record import flatten, ideal_by_operand, load_record, merge_layers, operand_b, product_name, setting
from sim.errors import InputError

Save = Callable[..., Path]


def test_a_good_file_comes_back_whole(record: dict[str, Any], save: Save) -> None:
    assert load_record(save(record)) == {**record, "flags": []}


def test_missing_and_unreadable_files_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match=r"cannot read result '.*'") as caught:
            load_record(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '"text"', "\x00", "[" * 100_000])
def test_what_is_no_result_is_refused_in_one_line(text: str, save: Save) -> None:
    with pytest.raises(InputError) as caught:
        load_record(save(text))
    assert "\n" not in str(caught.value)
    assert "result.json" in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        load_record(path)


def test_a_foreign_schema_is_named(record: dict[str, Any], save: Save) -> None:
    with pytest.raises(InputError, match=r"hwloop\.bench/1.*hwloop\.simulation/1"):
        load_record(save({**record, "schema": "hwloop.bench/1"}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cycles", -1),
        ("cycles", 999),
        ("dram_bytes.total", 106_001),
        ("units.writer.busy", 501),
        ("units.writer.busy", "many"),
        ("flops", 1),
        ("verified", False),
        ("energy_j.dram", None),
    ],
)
def test_damaged_figures_are_refused(path: str, value: Any, record: dict[str, Any], save: Save) -> None:
    place = record
    *tables, leaf = path.split(".")
    for table in tables:
        place = place[table]
    place[leaf] = value
    with pytest.raises(InputError, match="damaged"):
        load_record(save(record))


def test_a_missing_figure_is_refused(record: dict[str, Any], save: Save) -> None:
    del record["bounds_cycles"]["merge"]
    with pytest.raises(InputError, match="merge"):
        load_record(save(record))


def test_questions_to_a_record(record: dict[str, Any]) -> None:
    assert setting(record, "merge_tree.ways") == 64
    assert setting(record, "merge_tree.none", 5) == 5
    assert merge_layers(record) == ["merge_layer_1", "merge_layer_2"]
    assert operand_b(record)["nnz"] == 1000
    assert sum(ideal_by_operand(record).values()) == record["ideal_dram_bytes"]
    assert product_name(record) == "toy (100 x 100, 1,000 entries) times itself"
    assert flatten({"a": {"b": 1}, "c": 2}) == {"a.b": 1, "c": 2}


def test_another_operand_is_named(record: dict[str, Any]) -> None:
    record["matrix"]["b"] = {"name": "other", "rows": 100, "cols": 7, "nnz": 50, "sha256": None}
    assert product_name(record).endswith("times other (100 x 7, 50 entries)")
    assert ideal_by_operand(record)["b_read"] == 600


def test_layers_sort_by_number(record: dict[str, Any]) -> None:
    record["units"] |= {f"merge_layer_{layer}": record["units"]["writer"] for layer in (10, 7)}
    assert merge_layers(record)[-2:] == ["merge_layer_7", "merge_layer_10"]
