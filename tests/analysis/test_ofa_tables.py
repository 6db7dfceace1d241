"""Tables in documents: figures come from records, and what does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.markdown import fill
from analysis.ofa_tables import (
    comparison_table,
    fill_document,
    made_by_lines,
    predictor_table,
    study_table,
    verdict,
)
from sim.errors import InputError


def case(winner: float, median: float) -> dict[str, Any]:
    return {
        "seed": 0,
        "finalist": {"test_accuracy": winner + 0.005},
        "winner": {"test_accuracy": winner, "predicted_accuracy": 0.93, "latency_s": 0.001},
        "random": {"median": median, "lowest": 0.8, "highest": 0.95},
    }


COMPARISON = {
    "random_networks": 20,
    "data": {"name": "fashion-mnist", "test_images": 10000, "calibration_images": 1000},
    "rows": [
        {
            "device": "note10",
            "budget": "25 %",
            "limit": [0.00025],
            "uniform": {"test_accuracy": 0.91},
            "uniform_best_on_test": {"test_accuracy": 0.912},
            "seeds": [case(0.92, 0.90), case(0.905, 0.91)],
        }
    ],
}
PREDICTOR = {"known": 1000, "unseen": {"n": 200.0, "rmse": 0.002, "std": 0.01, "ratio": 0.2, "kendall_tau": 0.8123}}


def test_the_verdict_counts_both_rivals() -> None:
    assert verdict(COMPARISON) == (
        "The winner is at least as accurate as uniform scaling in 1 of 2 cases, and as the median random network in 1 "
        "of 2. The finalist is at least as accurate as uniform scaling in 2 of 2 cases, and as the median random "
        "network in 2 of 2."
    )
    table = comparison_table(COMPARISON).splitlines()
    assert table[2] == "| note10, 25 % | 0.250 | 0 | 93.00 | 92.00 | 92.50 | 91.00 | 91.20 | 90.00 | 80.00 to 95.00 |"


def test_what_ships_says_its_commands_and_its_ends() -> None:
    record = {
        "seed": 0,
        "data": "d" * 64,
        "made_by": {"command": "hwloop train ofa --config mini; hwloop train ofa-predictor --config RUN"},
        "ends": {"largest": 0.9312, "smallest": 0.9, "test_images": 10_000, "data": "fashion-mnist"},
        "files": {"one": 1_000_000, "two": 1_400_000},
    }
    first, second, _, words = made_by_lines(record).split("\n")
    assert (first, second) == (
        "    hwloop train ofa --config mini",
        "    hwloop train ofa-predictor --config RUN",
    )
    assert "largest network **93.12 %** (wanted 93.0), smallest **90.00 %** (wanted 91.0)" in words
    assert "2.4 MB" in words


def test_the_study_shows_differences_in_points() -> None:
    scores = {"supernet": 0.93, "sample_all": 0.92, "alone": 0.935}
    record = {
        "table": [{"name": "largest", "macs": 5_900_000, "params": 200_000, **scores}],
        "mean_test_accuracy": scores,
        "test_images": 10_000,
        "training_images": 54_000,
        "passes": 17.0,
        "seed": 0,
        "data_name": "fashion-mnist",
        "wall_s": {"supernet": {"full": 600.0}, "sample_all": {"all": 300.0}, "alone_largest": {"alone": 120.0}},
    }
    lines = study_table(record).splitlines()
    assert lines[2] == "| largest | 5.90 | 200 | 93.00 | 92.00 | 93.50 | -0.50 | +1.00 |"
    assert lines[-1].endswith("10 (progressive), 5 (sample all), 2 (all five alone).")
    whole = study_table(record | {"whole_wall_s": 2880.0, "config": {"study": {"workers": 2}}})
    assert whole.endswith("2 (all five alone). The whole command: 48 minutes with 2 processes.")


def test_a_table_takes_the_place_between_its_lines(tmp_path: Path) -> None:
    page, record = tmp_path / "page.md", tmp_path / "p.json"
    page.write_text("a\n<!-- predictor -->\nold\n<!-- /predictor -->\nb\n", encoding="utf-8")
    record.write_text(json.dumps(PREDICTOR), encoding="utf-8")
    for _ in range(2):
        fill_document(page, {"predictor": record})
        assert page.read_text(encoding="utf-8") == (
            f"a\n<!-- predictor -->\n{predictor_table(PREDICTOR)}\n<!-- /predictor -->\nb\n"
        )
    with pytest.raises(InputError, match="the document has no place for 'study'"):
        fill("text", "study", "table")
    with pytest.raises(InputError, match="no table 'study' can be made of"):
        fill_document(page, {"study": record})
