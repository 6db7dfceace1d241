"""A benchmark run: its record, its averages, and that nothing finished is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suitesparse.bench import averages, bench, figures
from benchmarks.suitesparse.libraries import LibraryRecord
from benchmarks.suitesparse.suite import Member
from sim.cache import ResultCache
from sim.errors import ConfigError

MEMBERS = [Member(spec, spec, real=True) for spec in ("poisson3d:n=5", "rmat:n=400,edges=6,seed=1")]


def stored(folder: Path) -> dict[str, int]:
    """Files of measurements with the time of their last change."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def test_the_record_holds_both_accelerators_and_the_library(tmp_path: Path) -> None:
    record = bench(MEMBERS, baselines=["scipy"], parts=tmp_path / "parts", cache=ResultCache(tmp_path), budget_s=0.01)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    for row in record["matrices"]:
        sparch, outerspace = row["sparch"], row["outerspace"]
        assert (sparch["accelerator"], outerspace["accelerator"]) == ("sparch", "outerspace")
        assert sparch["verified"] is True
        assert outerspace["output_nnz"] == sparch["output_nnz"]
        elements = 2 * row["nnz"] + 2 * sparch["multiplications"] + sparch["output_nnz"]
        assert outerspace["dram_bytes"]["total"] == 12 * elements
        assert row["dram_saving"] == 12 * elements / sparch["dram_bytes"]["total"]
        (library,) = row["libraries"].values()
        assert (library["library"], library["agrees"]) == ("scipy", True)
    assert record["averages"]["real"] == record["averages"]["all"]
    assert record["roofline"]["gflops"] == pytest.approx(23.9, rel=0.01)
    assert set(record["code"]) == {"sparch", "outerspace", "standins", "defaults"}


def test_a_second_run_measures_and_simulates_nothing(tmp_path: Path) -> None:
    cache, parts = ResultCache(tmp_path), tmp_path / "parts"
    first = bench(MEMBERS, baselines=["scipy"], parts=parts, cache=cache, budget_s=0.01)
    times, notes = stored(parts), len(list(cache.journal()))
    again = bench(MEMBERS, baselines=["scipy"], parts=parts, cache=cache, budget_s=0.01)
    assert (stored(parts), len(list(cache.journal()))) == (times, notes)
    assert again["matrices"] == first["matrices"]


def test_a_measurement_of_another_matrix_is_not_taken(tmp_path: Path) -> None:
    cache, parts = ResultCache(tmp_path), tmp_path / "parts"
    bench(MEMBERS[:1], baselines=["scipy"], parts=parts, cache=cache, budget_s=0.01)
    (file,) = parts.glob("*.json")
    record = json.loads(file.read_text())
    record["rows"][0]["sha256"] = "0" * 64
    file.write_text(json.dumps(record))
    again = bench(MEMBERS[:1], baselines=["scipy"], parts=parts, cache=cache, budget_s=0.01)
    assert LibraryRecord.load(file).rows[0].sha256 == again["matrices"][0]["sparch"]["matrix"]["sha256"]


def test_what_is_asked_wrongly_runs_nothing(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path / "cache")
    with pytest.raises(ConfigError, match=r"unknown baseline 'scpy'.*nearest: scipy"):
        bench(MEMBERS, baselines=["scpy"], cache=cache)
    with pytest.raises(ConfigError, match="at least one matrix"):
        bench([], cache=cache)
    assert not (tmp_path / "cache").exists()


def row(real: bool, value: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """A row of a record whose figures are all `value`, or `low` and `high` at the ends of its locality."""
    names = ("dram_saving", "gflops", "speedup_outerspace_simulated", "energy_ratio")
    names += ("hit_rate", "bandwidth_utilization")
    ends = {"low": dict.fromkeys(names, low), "high": dict.fromkeys(names, high)} if low else None
    return {"real": real, "locality": ends, **dict.fromkeys(names, value)}


def test_averages_tell_real_from_all_and_give_the_range() -> None:
    found = averages([row(True, 4.0), row(False, 1.0, 0.25, 4.0)])
    assert found["real"]["gflops"] == 4.0
    assert found["all"]["gflops"] == pytest.approx(2.0)
    assert found["all"]["hit_rate"] == 2.5
    assert found["all"]["speedup_outerspace"] == pytest.approx(2.0 / 2.5)
    assert found["all_range"]["gflops"] == pytest.approx([1.0, 4.0])
    assert found["all_range"]["hit_rate"] == pytest.approx([2.125, 4.0])
    assert (found["real"]["count"], found["all"]["count"]) == (1, 2)
    assert averages([row(False, 1.0, 0.5, 2.0)])["real"] is None


def test_an_empty_product_gives_no_ratio() -> None:
    def result(total: int, seconds: float) -> dict[str, Any]:
        return {
            "dram_bytes": {"total": total},
            "seconds": seconds,
            "energy_j": {"total": 0.0},
            "prefetch": {"hit_rate": 0.0},
            "gflops": 0.0,
            "bandwidth_utilization": 0.0,
        }

    assert figures(result(0, 0.0), result(0, 0.0))["dram_saving"] is None
    assert figures(result(2, 1.0), result(6, 5.0))["dram_saving"] == 3.0


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    specs = [f"rmat:n=3000,edges=8,seed={seed}" for seed in range(1, 7)]
    command = [sys.executable, "-m", "hwloop.cli", "bench", *specs, "--baselines", "scipy", "--workers", "1"]
    command += ["--budget-s", "0.01", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "HWLOOP_CACHE": str(tmp_path / "cache")}
    cache, parts = ResultCache(tmp_path / "cache" / "results"), tmp_path / "out" / "parts"
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as first:
        deadline = time.monotonic() + 120
        while len(stored(parts)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
    finished = stored(parts)
    assert 2 <= len(finished) < len(specs)
    assert not (tmp_path / "out" / "bench.json").exists()
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    keys = [note["key"] for note in cache.journal()]
    assert len(keys) == len(set(keys)) == 2 * len(specs)
    assert stored(parts).items() >= finished.items()
    assert len(json.loads((tmp_path / "out" / "bench.json").read_text())["matrices"]) == len(specs)
