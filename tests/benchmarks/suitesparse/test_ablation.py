"""The four steps: what each machine is, and gains that follow from the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.suitesparse.ablation import STEPS, ablate, ablation_row, averages, step_points
from sim.cache import ResultCache
from sim.errors import ConfigError


def test_the_last_step_is_the_published_machine_and_each_step_changes_one_part() -> None:
    configs = [json.loads(one.config) for one in step_points("poisson3d:n=4")]
    parts = [(c["condensing"], c["schedule"]["policy"], c["prefetch"]["policy"]) for c in configs]
    assert parts == [
        (False, "random", "none"),
        (True, "random", "none"),
        (True, "huffman", "none"),
        (True, "huffman", "lookahead"),
    ]
    from sim.sparch.config import load_config

    assert configs[-1] == load_config().model_dump(mode="json")


def test_bytes_fall_from_step_to_step_where_there_are_many_rounds(tmp_path: Path) -> None:
    record = ablate(["rmat:n=2000,edges=8,seed=1"], cache=ResultCache(tmp_path))
    (row,) = record["matrices"]
    moved = [step["dram_bytes"] for step in row["steps"]]
    assert moved == sorted(moved, reverse=True)
    assert row["steps"][0]["merge_rounds"] > row["steps"][1]["merge_rounds"] == row["steps"][2]["merge_rounds"]
    gains = record["averages"]["dram_gain"]
    assert gains["+ Huffman"] == pytest.approx(moved[1] / moved[2])
    assert gains["pipelined merge"] == pytest.approx(row["outerspace_dram_bytes"] / moved[0])
    assert list(gains) == list(STEPS)


def test_averages_are_geometric() -> None:
    def row(*moved: int) -> dict:
        steps = [{"dram_bytes": m, "cycles": 10 * m} for m in moved]
        return {"outerspace_dram_bytes": 100, "steps": steps}

    found = averages([row(200, 100, 50, 25), row(800, 50, 25, 25)])
    assert found["dram_gain"]["pipelined merge"] == pytest.approx(0.25)
    assert found["dram_gain"]["+ condensing"] == pytest.approx((2 * 16) ** 0.5)
    assert found["cycles_gain"]["+ prefetcher"] == pytest.approx(2**0.5)


def test_outerspace_bytes_follow_the_formula() -> None:
    result = {
        "matrix": {"name": "m", "nnz": 10},
        "multiplications": 50,
        "output_nnz": 30,
        "dram_bytes": {"total": 1},
        "cycles": 1,
        "seconds": 1.0,
        "merge_rounds": 1,
    }
    assert ablation_row([result] * 4)["outerspace_dram_bytes"] == 12 * (20 + 100 + 30)


def test_no_matrix_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one matrix"):
        ablate([])
