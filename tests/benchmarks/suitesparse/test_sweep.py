"""Sweeps: whole, equal however they are run, resumed without repeating, and the Pareto front."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.suitesparse.axis import grid, parse_axis
from benchmarks.suitesparse.sweep import SCHEMA, geometric_mean, pareto, sweep
from sim.cache import ResultCache
from sim.errors import ConfigError, InputError

MATRICES = ["rmat:n=300,edges=6,seed=1", "poisson3d:n=6"]
MACHINES = grid([parse_axis("merge_tree.ways=8,64"), parse_axis("prefetch.lines=64,1024")])


def figures_of(record: dict[str, Any]) -> dict[str, Any]:
    """The record without host times and without what was in the cache."""
    points = [
        {name: value for name, value in one.items() if name not in ("scipy_s", "simulate_s")}
        for one in record["points"]
    ]
    return {**record, "points": points, "computed": None, "cached": None}


def test_every_machine_meets_every_matrix(tmp_path: Path) -> None:
    record = sweep(MATRICES, MACHINES, cache=ResultCache(tmp_path))
    assert record["schema"] == SCHEMA
    assert [(p["machine"], p["matrix"]) for p in record["points"]] == [
        (machine, matrix) for machine in range(4) for matrix in MATRICES
    ]
    for machine in record["machines"]:
        assert machine["config"]["merge_tree"]["ways"] == machine["settings"]["merge_tree.ways"]
    mine = [point["gflops"] for point in record["points"] if point["machine"] == 3]
    assert record["machines"][3]["gflops"] == pytest.approx((mine[0] * mine[1]) ** 0.5)
    assert record["machines"][0]["area_mm2"] < record["machines"][3]["area_mm2"]


def test_the_second_run_computes_nothing_and_says_the_same(tmp_path: Path) -> None:
    first = sweep(MATRICES, MACHINES, cache=ResultCache(tmp_path))
    again = sweep(MATRICES, MACHINES, cache=ResultCache(tmp_path))
    assert (first["computed"], first["cached"], again["computed"], again["cached"]) == (8, 0, 0, 8)
    assert again["points"] == first["points"]


def test_processes_give_what_one_process_gives(tmp_path: Path) -> None:
    alone = sweep(MATRICES, MACHINES, cache=ResultCache(tmp_path / "alone"))
    spread = sweep(MATRICES, MACHINES, workers=2, cache=ResultCache(tmp_path / "spread"))
    assert figures_of(spread) == figures_of(alone)
    assert spread["computed"] == 8


def test_an_interrupt_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)

    def stop(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(MATRICES, MACHINES, cache=cache, progress=stop)
    record = sweep(MATRICES, MACHINES, cache=cache)
    keys = [note["key"] for note in cache.journal()]
    assert (record["cached"], len(keys), len(set(keys))) == (3, 8, 8)


def test_a_machine_or_matrix_that_is_wrong_stops_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"merge_tree\.ways"):
        sweep(MATRICES, [{"merge_tree.ways": 8}, {"merge_tree.ways": 7}], cache=ResultCache(tmp_path))
    with pytest.raises(InputError, match="absent"):
        sweep([*MATRICES, str(tmp_path / "absent.mtx")], MACHINES, cache=ResultCache(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file_is_another_point(tmp_path: Path) -> None:
    cache, file = ResultCache(tmp_path / "cache"), tmp_path / "a.mtx"
    text = "%%MatrixMarket matrix coordinate real general\n2 2 1\n1 1 {}\n"
    for value, computed in (("1.0", 1), ("1.0", 0), ("2.0", 1)):
        file.write_text(text.format(value))
        assert sweep([str(file)], [{}], cache=cache)["computed"] == computed


def test_pareto_keeps_what_nothing_beats() -> None:
    assert pareto([(1, 5), (2, 4), (2, 5), (3, 3), (1, 5)]) == [True, True, False, True, True]
    assert geometric_mean([4.0, None, 9.0]) == pytest.approx(6.0)
    assert geometric_mean([None, 0.0]) is None


def test_a_cluster_that_loses_a_worker_computes_everything_once(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask.distributed is an extra: hwloop[cluster]")
    matrices = [f"rmat:n=1500,edges=8,seed={seed}" for seed in range(1, 7)]
    local = sweep(matrices, MACHINES, cache=ResultCache(tmp_path / "local"))
    cache = ResultCache(tmp_path / "cluster")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        victim = next(iter(cluster.workers.values())).pid
        killed: list[int] = []

        def kill() -> None:
            while len(list(cache.journal())) < 4:
                time.sleep(0.01)
            killed.append(len(list(cache.journal())))
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        record = sweep(matrices, MACHINES, cluster=cluster.scheduler_address, cache=cache)
        killer.join(10)
    keys = [note["key"] for note in cache.journal()]
    assert killed
    assert killed[0] < len(keys) == len(set(keys)) == len(matrices) * len(MACHINES)
    assert figures_of(record) == figures_of(local)
