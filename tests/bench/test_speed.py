"""How fast it is: figures for people, kept in .benchmarks by `make bench`. No wall time is asserted.

Times are of this machine at this moment. The first figure of a process contains no compilation: kernels are warmed up
before the clock starts, except where the very first run is what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import hwloop

pytestmark = pytest.mark.bench

MATRICES = ("p2p-Gnutella31", "ca-CondMat", "wiki-Vote", "facebook", "email-Enron", "poisson3Da", "cage12", "m133-b3")
POWER_LAW = "rmat:n=50000,edges=8,seed=1"
PEAK = """
import json, resource, sys, hwloop
from benchmarks.suitesparse import load_matrix
hwloop.simulate("rmat:n=500,edges=4,seed=1", verify=False)
matrix = load_matrix(sys.argv[1])
result = hwloop.simulate(matrix, verify=False)
try:  # the high-water mark of this program; ru_maxrss starts at that of the process that forked it
    status = open("/proc/self/status").read()
    peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([peak, matrix.nnz, result.output_nnz, result.wall_s.simulate]))
"""


def note(benchmark: BenchmarkFixture, **figures: Any) -> None:
    """Keep figures beside the times, and print them."""
    benchmark.extra_info.update(figures)
    print("\n" + ", ".join(f"{name} = {value}" for name, value in figures.items()))


def command(*arguments: str, **environment: str) -> float:
    """Seconds of one run of the command line in a process of its own."""
    begin = time.perf_counter()
    line = [sys.executable, "-m", "hwloop.cli", *arguments]
    subprocess.run(line, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - begin


def test_wiki_vote_events(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    from benchmarks.suitesparse import load_matrix

    matrix = load_matrix("wiki-Vote")
    verified = hwloop.simulate(matrix)
    result = benchmark.pedantic(lambda: hwloop.simulate(matrix, verify=False), rounds=5, warmup_rounds=1)
    scipy_s = verified.wall_s.scipy
    assert scipy_s is not None
    note(benchmark, simulate_s=result.wall_s.simulate, scipy_s=scipy_s, ratio=result.wall_s.simulate / scipy_s)


def test_wiki_vote_scipy(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    from benchmarks.suitesparse import load_matrix

    a = load_matrix("wiki-Vote").csr
    assert benchmark.pedantic(lambda: a @ a, rounds=5, warmup_rounds=1).nnz == 1_831_112


def test_wiki_vote_cycles(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    def cycle_model() -> Any:
        return hwloop.simulate("wiki-Vote", model="cycle", verify=False)

    result = benchmark.pedantic(cycle_model, rounds=2, warmup_rounds=1)
    note(benchmark, cycles=result.cycles, cycles_per_s=result.cycles / result.wall_s.simulate)


def test_ratio_over_the_benchmark_matrices(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    hwloop.simulate("rmat:n=500,edges=4,seed=1")

    def ratios() -> dict[str, float]:
        found = {}
        for name in MATRICES:
            wall_s = hwloop.simulate(name).wall_s
            assert wall_s.scipy
            found[name] = wall_s.simulate / wall_s.scipy
        return found

    found = benchmark.pedantic(ratios, rounds=1)
    mean = float(np.exp(np.mean(np.log(list(found.values())))))
    note(benchmark, geometric_mean=mean, worst=max(found.values()), **found)


def test_power_law_time_and_peak_memory(benchmark: BenchmarkFixture) -> None:
    def measure() -> list[float]:
        line = [sys.executable, "-c", PEAK, POWER_LAW]
        figures: list[float] = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
        return figures

    peak, nnz, output_nnz, simulate_s = benchmark.pedantic(measure, rounds=1)
    operands = 12 * (2 * nnz + output_nnz)
    note(benchmark, simulate_s=simulate_s, peak_bytes=peak, over_operands=peak / operands)


def test_whole_command_warm(benchmark: BenchmarkFixture, shared_data: Path) -> None:
    command("simulate", "wiki-Vote")
    benchmark.pedantic(lambda: command("simulate", "wiki-Vote"), rounds=3)


def test_whole_command_very_first(benchmark: BenchmarkFixture, shared_data: Path, tmp_path: Path) -> None:
    empty = {"HWLOOP_CACHE": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    benchmark.pedantic(lambda: command("simulate", "wiki-Vote", **empty), rounds=1)


def test_help(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(lambda: command("--help"), rounds=5, warmup_rounds=1)
