"""The three executors give the same results, keep order places, pass errors on, and outlive a killed worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.errors import ConfigError, InputError
from sim.execution import open_executor, run_tasks

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_each_result_comes_with_the_place_of_its_task(workers: int) -> None:
    assert sorted(run_tasks(abs, [-3, 4, -5], workers=workers)) == [(0, 3), (1, 4), (2, 5)]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_task_raises_is_raised(workers: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(run_tasks(int, ["1", "x", "3"], workers=workers))


def test_no_tasks_need_no_worker() -> None:
    assert list(run_tasks(abs, [], workers=4)) == []


def test_less_than_one_worker_is_refused() -> None:
    with pytest.raises(ConfigError, match="workers = 0"), open_executor(0):
        pass


def test_a_task_that_kills_every_worker_is_one_line() -> None:
    with pytest.raises(InputError, match="a worker process was killed, with 2 of 2 tasks left"):
        list(run_tasks(os._exit, [9, 9], workers=2))


DIES_ONCE = """
import os, pathlib, signal, sys
from sim.execution import run_tasks

def work(task):
    folder, place = task
    mark = pathlib.Path(folder) / "killed"
    if place == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return place * place

if __name__ == "__main__":
    print(sorted(run_tasks(work, [(sys.argv[1], place) for place in range(6)], workers=2)))
"""


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(DIES_ONCE)
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=True,
    )
    assert (tmp_path / "killed").exists()
    assert ran.stdout == f"{[(place, place * place) for place in range(6)]}\n"


SCRIPT = """
import signal, sys, time
from sim.execution import run_tasks
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background was told to ignore it
    print("ready", flush=True)
    for place, _ in run_tasks(time.sleep, [0.2, 60, 60, 60], workers=2):
        print("done", place, flush=True)
"""


def children_of(pid: int) -> list[int]:
    """Processes below `pid` that are alive."""
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path: Path, how: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        assert [parent.stdout.readline(), parent.stdout.readline()] == ["ready\n", "done 0\n"]
        workers = children_of(parent.pid)
        assert len(workers) >= 2
        parent.send_signal(how)
        parent.wait(20)
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in workers if alive(pid)] == []


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.execution.CONNECT_S", 0.5)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        list(run_tasks(abs, [1], cluster="tcp://127.0.0.1:9"))
