"""One measurement, in the process that was started for it: ``python -m … JOB.json``.

The job names a library, the files of the operands, the number of threads and the budget; the answer goes to a file, so
that whatever a library prints does no harm. After the timed runs the product is compared with SciPy's.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from benchmarks.suitesparse.libraries.library import Library
    from benchmarks.suitesparse.libraries.timing import Timing

NOT_MEASURED: Literal["not measured"] = "not measured"


def measure_here(job: dict[str, Any]) -> dict[str, Any]:
    """The figures of one row, or ``{"status": "not measured", "reason": …}`` for a library that cannot run here."""
    from benchmarks.suitesparse.libraries.library import UnavailableError
    from benchmarks.suitesparse.libraries.registry import resolve

    library = resolve(job["library"])
    try:
        reason = library.available()
        if reason is None:
            return _measured(library, job)
    except UnavailableError as error:
        reason = str(error)
    return {"status": NOT_MEASURED, "reason": reason}


def _measured(library: Library, job: dict[str, Any]) -> dict[str, Any]:
    """Nothing but the library itself and SciPy is imported until the clock has stopped."""
    from benchmarks.suitesparse.libraries.timing import repeat
    from benchmarks.suitesparse.npz import read_npz

    a = read_npz(Path(job["a"]))
    b = read_npz(Path(job["b"])) if job["b"] else a
    prepared = library.prepare(a, b, job["threads"])
    if prepared.loop is not None:
        timing, result = prepared.loop(job["budget_s"])
    else:
        from benchmarks.suitesparse.libraries.energy import RaplMeter

        timing, result = repeat(prepared.multiply, job["budget_s"], RaplMeter())
    product = prepared.to_csr(result)
    del result
    return {"status": "measured", **_clock(library, timing, job["threads"]), **_work(library, a, b, product, timing)}


def _clock(library: Library, timing: Timing, threads: int) -> dict[str, Any]:
    from benchmarks.suitesparse.libraries.energy import energy_of
    from benchmarks.suitesparse.libraries.timing import hindered

    energy = energy_of(timing.energy_j, timing.runs, timing.best_s, threads, library.on_device)
    return {
        "version": library.version(),
        "best_s": timing.best_s,
        "median_s": timing.median_s,
        "runs": timing.runs,
        "cpu_s": timing.best_cpu_s,
        "hindered": not library.on_device and hindered(timing.best_s, timing.best_cpu_s, threads),
        "energy": energy.model_dump(),
    }


def _work(library: Library, a: Any, b: Any, product: Any, timing: Timing) -> dict[str, Any]:
    """What was computed, and whether it is SciPy's product. nnz(C) is structural, as everywhere in hwloop."""
    from benchmarks.suitesparse.libraries.agreement import compare
    from benchmarks.suitesparse.matrix import multiplications, structural_output_nnz

    reference = a @ b
    agreement = compare(a, b, product, reference, library.sorted_output)
    positive = min(a.data.min(initial=1.0), b.data.min(initial=1.0)) > 0
    products, entries = multiplications(a, b), int(reference.nnz) if positive else structural_output_nnz(a, b)
    flops = 2 * products - entries
    return {
        "reason": agreement.reason,
        "multiplications": products,
        "output_nnz": entries,
        "flops": flops,
        "gflops": flops / timing.best_s / 1e9,
        "gflops_2mult": 2 * products / timing.best_s / 1e9,
        "agrees": agreement.agrees,
        "max_relative_error": agreement.max_relative_error,
    }


def main(job_file: str) -> None:
    """Carry out the job in `job_file` and write the answer where it says, in one piece."""
    from sim.files import write_text

    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    with contextlib.redirect_stdout(sys.stderr):
        answer = measure_here(job)
    write_text(job["answer"], json.dumps(answer))
