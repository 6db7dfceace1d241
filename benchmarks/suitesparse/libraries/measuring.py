"""A library on a matrix with some thread counts: one fresh process for each cell, so that none can hurt another.

Threads, crashes, memory and the time limit are each a matter of one process. A cell that could not be measured says
why. `measure` is for one matrix and one name of ``--baselines``; a run calls it for each and keeps the rows.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.suitesparse.libraries.child import NOT_MEASURED
from benchmarks.suitesparse.libraries.library import Library
from benchmarks.suitesparse.libraries.registry import check_names, libraries
from sim.errors import ConfigError

if TYPE_CHECKING:
    from benchmarks.suitesparse.libraries.record import LibraryRecord, LibraryRow
    from benchmarks.suitesparse.matrix import Matrix

BUDGET_S = 1.0
TIMEOUT_S = 300.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_EXACTLY = {"MKL_DYNAMIC": "FALSE", "OMP_DYNAMIC": "FALSE"}
"""So that libraries start as many threads as the row says."""
_START = "import sys; sys.path.append(sys.argv[2]); from {child} import main; main(sys.argv[1])"
_ROOT = Path(__file__).resolve().parents[3]


def measure(
    name: str,
    matrix: Matrix,
    *,
    threads: Sequence[int] | None = None,
    budget_s: float = BUDGET_S,
    seed: int = 0,
    timeout_s: float = TIMEOUT_S,
) -> list[LibraryRow]:
    """Rows of the baseline `name` for A · A, or A · Aᵀ where `matrix` is not square.

    threads: 1 and all usable cores by default; a library without threads gets the 1 only. budget_s: seconds of timed
    runs a cell. seed: of the order in which cells are measured, so that a drift of the load favours none; rows come in
    a fixed order. timeout_s: for each cell with everything around it. Raises ConfigError for an unknown name or bad
    numbers; never for a library that is missing, crashes or is slow.
    """
    return measure_rows(
        libraries(name), matrix, threads=threads, budget_s=budget_s, seed=seed, timeout_s=timeout_s
    )  # fmt: skip


def measure_rows(
    rows: Iterable[Library],
    matrix: Matrix,
    *,
    threads: Sequence[int] | None = None,
    budget_s: float = BUDGET_S,
    seed: int = 0,
    timeout_s: float = TIMEOUT_S,
) -> list[LibraryRow]:
    """As `measure`, for libraries of one's own."""
    from benchmarks.suitesparse.libraries.machine import load_1min

    counts = thread_counts(threads)
    for what, value in (("budget_s", budget_s), ("timeout_s", timeout_s)):
        if not 0 < value < float("inf"):
            raise ConfigError(f"{what} is {value!r}; it takes a number of seconds above 0")
    cells = [(library, count) for library in rows for count in (counts if library.threaded else (1,))]
    order = list(range(len(cells)))
    random.Random(seed).shuffle(order)
    answers: dict[int, LibraryRow] = {}
    with tempfile.TemporaryDirectory(prefix="hwloop-libraries-") as folder:
        for index in order:
            library, count = cells[index]
            load, reason = load_1min(), library.available()
            if reason is None:
                job = {"library": library.where, "threads": count, "budget_s": budget_s}
                job |= {**_operand_files(folder, matrix), "answer": f"{folder}/answer.json"}
                answer = run_child(job, timeout_s)
            else:
                answer = {"status": NOT_MEASURED, "reason": reason}
            answers[index] = _row(library, matrix, count, load, answer)
    return [answers[index] for index in sorted(answers)]


def measure_record(
    names: Iterable[str],
    matrices: Iterable[Matrix],
    *,
    threads: Sequence[int] | None = None,
    budget_s: float = BUDGET_S,
    seed: int = 0,
    timeout_s: float = TIMEOUT_S,
    progress: Callable[[LibraryRow], None] = lambda row: None,
) -> LibraryRecord:
    """`measure` for each matrix and each of `names`, with this machine as it was before: a record to keep or to send.

    progress: told each row when it is there.
    """
    from benchmarks.suitesparse.libraries.machine import describe_machine
    from benchmarks.suitesparse.libraries.record import LibraryRecord

    machine, baselines, rows = describe_machine(), check_names(names), []
    for matrix in matrices:
        for name in baselines:
            for row in measure(name, matrix, threads=threads, budget_s=budget_s, seed=seed, timeout_s=timeout_s):
                progress(row)
                rows.append(row)
    return LibraryRecord(machine=machine, rows=tuple(rows))


def thread_counts(threads: Sequence[int] | None = None) -> tuple[int, ...]:
    """`threads` without repetition, ascending; 1 and all usable cores by default. Raises ConfigError for others."""
    from benchmarks.suitesparse.libraries.machine import usable_cores

    most = usable_cores()
    counts = tuple(sorted(set(threads))) if threads is not None else tuple(sorted({1, most}))
    wrong = [count for count in counts if not 1 <= count <= most]
    if wrong or not counts:
        raise ConfigError(f"cannot measure with {wrong[0] if wrong else 'no'} threads; 1 to {most} are usable here")
    return counts


def _operand_files(folder: str, matrix: Matrix) -> dict[str, str | None]:
    """A and B in files for the child; B is None where it is A."""
    from benchmarks.suitesparse.writers import write_matrix

    a, b = f"{folder}/a.npz", f"{folder}/b.npz"
    square = matrix.rows == matrix.cols
    if not Path(a).exists():
        write_matrix(matrix.csr, a)
        if not square:
            write_matrix(matrix.csr.T.tocsr(), b)
    return {"a": a, "b": None if square else b}


def _row(library: Library, matrix: Matrix, threads: int, load: float | None, answer: dict[str, Any]) -> LibraryRow:
    """The answer of a child as a row; one that does not add up is not believed."""
    from pydantic import ValidationError

    from benchmarks.suitesparse.libraries.record import Energy, LibraryRow

    cell: dict[str, Any] = {
        "matrix": matrix.name,
        "sha256": matrix.sha256,
        "library": library.name,
        "baseline": library.baseline,
        "label": library.label,
        "threads": threads,
        "sorted_output": library.sorted_output,
    }
    try:
        if answer["status"] == "measured":
            answer = answer | {"load_1min": load, "energy": Energy(**answer["energy"])}
        return LibraryRow(**cell, **answer)
    except ValidationError as error:
        fault = error.errors()[0]["msg"]
        return LibraryRow(**cell, status=NOT_MEASURED, reason=f"its figures cannot be believed: {fault}")


def run_child(job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """The answer of a fresh process to `job`; one that crashes, fails or takes too long is "not measured"."""
    answer = Path(job["answer"])
    answer.unlink(missing_ok=True)
    job_file, log = answer.with_name("job.json"), answer.with_name("log.txt")
    job_file.write_text(json.dumps(job), encoding="utf-8")
    start = _START.format(child=f"{__package__}.child")
    command = [sys.executable, "-P", "-c", start, str(job_file), str(_ROOT)]
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=os.environ | _EXACTLY | dict.fromkeys(_THREAD_VARIABLES, str(job["threads"])),
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return {"status": NOT_MEASURED, "reason": f"stopped after the time limit of {timeout_s:g} s"}
        finally:
            _end(process)
    if code == 0:
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(answer.read_text(encoding="utf-8")))
    return {"status": NOT_MEASURED, "reason": _last_words(code, log)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child and what it has started, where it still runs."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _last_words(code: int, log: Path) -> str:
    """Why the child ended: its signal, or the last line that it wrote."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ", as when memory runs out" if name == "SIGKILL" else ""
        return f"the process was ended by {name}{hint}"
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"the process ended with code {code}: {lines[-1][:300] if lines else 'no message'}"
