"""Cells measured in processes of their own: real libraries, and made-up ones that misbehave."""

from __future__ import annotations

import os
import time
from pathlib import Path

import fake_libraries
import pytest

from benchmarks.suitesparse.libraries.machine import usable_cores
from benchmarks.suitesparse.libraries.measuring import measure, measure_rows, thread_counts
from benchmarks.suitesparse.libraries.record import LibraryRow
from benchmarks.suitesparse.matrix import Matrix, load_matrix, multiplications, structural_output_nnz
from sim.errors import ConfigError

BUDGET_S = 0.001


@pytest.fixture(autouse=True)
def path_of_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find the made-up libraries."""
    monkeypatch.setenv("PYTHONPATH", str(Path(fake_libraries.__file__).parent))


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """A small square matrix."""
    return load_matrix("uniform:n=200,density=0.03,seed=3")


def one(matrix: Matrix, library: fake_libraries.Library, timeout_s: float = 60.0) -> LibraryRow:
    """The only row of `library`."""
    (row,) = measure_rows([library], matrix, budget_s=BUDGET_S, timeout_s=timeout_s)
    return row


def test_scipy_agrees_with_itself(matrix: Matrix) -> None:
    (row,) = measure("scipy", matrix, budget_s=BUDGET_S)
    assert (row.status, row.agrees, row.max_relative_error, row.threads) == ("measured", True, 0.0, 1)
    assert (row.matrix, row.sha256, row.library) == (matrix.name, matrix.sha256, "scipy")
    assert row.multiplications == multiplications(matrix.csr, matrix.csr)
    assert row.output_nnz == structural_output_nnz(matrix.csr, matrix.csr)
    assert row.runs is not None
    assert row.runs >= 3
    assert row.energy is not None
    assert row.energy.kind in ("measured", "modelled, not measured")


def test_numba_rows_come_in_order_whatever_the_seed() -> None:
    rectangular = load_matrix("uniform:n=200,density=0.03,seed=3").csr[:150]
    matrix = Matrix("part", rectangular, "generator")
    rows = measure("numba", matrix, threads=[1], budget_s=BUDGET_S, seed=5)
    assert [row.library for row in rows] == ["numba-dense", "numba-hash"]
    assert all(row.agrees for row in rows)
    assert {row.multiplications for row in rows} == {multiplications(rectangular, rectangular.T.tocsr())}


def test_a_wrong_product_is_shown(matrix: Matrix) -> None:
    row = one(matrix, fake_libraries.WRONG)
    assert (row.status, row.agrees) == ("measured", False)
    assert row.max_relative_error == pytest.approx(1e-6, rel=1e-3)
    assert "SciPy has" in str(row.reason)


def test_crash_failure_absence_and_disorder_each_leave_a_reason(matrix: Matrix) -> None:
    names = ("CRASH", "FAIL", "ABSENT", "MISSING", "UNSORTED")
    rows = measure_rows([getattr(fake_libraries, name) for name in names], matrix, budget_s=BUDGET_S)
    assert [row.status for row in rows] == ["not measured"] * 4 + ["measured"]
    assert [row.reason for row in rows] == [
        "the process was ended by SIGSEGV",
        "the process ended with code 1: ValueError: no room left in the accumulator",
        "its card is at the menders",
        "fake is not installed; pip install fake",
        "its rows are not sorted, as this library's should be",
    ]
    assert rows[-1].agrees is False


def test_a_library_that_hangs_is_stopped(matrix: Matrix) -> None:
    begin = time.perf_counter()
    row = one(matrix, fake_libraries.HANG, timeout_s=2.0)
    assert (row.status, row.reason) == ("not measured", "stopped after the time limit of 2 s")
    assert time.perf_counter() - begin < 30


def test_threads_are_set_before_the_child_imports_anything(matrix: Matrix) -> None:
    (row,) = measure_rows([fake_libraries.THREADS], matrix, threads=[usable_cores()], budget_s=BUDGET_S)
    assert (row.threads, row.status) == (usable_cores(), "measured")


def test_one_and_all_threads_by_default() -> None:
    assert thread_counts() == tuple(sorted({1, usable_cores()}))
    assert thread_counts([1, 1]) == (1,)


def test_an_answer_that_does_not_add_up_is_not_believed(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    energy = {"kind": "measured", "low_j": 1.0, "high_j": 1.0, "assumption": ""}
    answer = {"status": "measured", "best_s": 2.0, "median_s": 1.0, "energy": energy}
    monkeypatch.setattr("benchmarks.suitesparse.libraries.measuring.run_child", lambda job, timeout_s: answer)
    row = one(matrix, fake_libraries.CORRECT)
    assert row.status == "not measured"
    assert str(row.reason).startswith("its figures cannot be believed: ")


def test_a_folder_with_our_names_does_no_harm(matrix: Matrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sim.py", "benchmarks.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    assert one(matrix, fake_libraries.CORRECT).status == "measured"
    assert sorted(os.listdir(tmp_path)) == ["benchmarks.py", "sim.py"]


@pytest.mark.parametrize("threads", [[0], [], [usable_cores() + 1]])
def test_thread_counts_that_there_are_not(threads: list[int]) -> None:
    with pytest.raises(ConfigError, match="are usable here"):
        thread_counts(threads)


@pytest.mark.parametrize("budget_s", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_budgets(matrix: Matrix, budget_s: float) -> None:
    with pytest.raises(ConfigError, match="budget_s is"):
        measure("scipy", matrix, budget_s=budget_s)


def test_an_unknown_baseline_measures_nothing(matrix: Matrix) -> None:
    with pytest.raises(ConfigError, match="nearest: torch"):
        measure("torsh", matrix)
