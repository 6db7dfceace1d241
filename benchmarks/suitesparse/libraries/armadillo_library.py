"""Armadillo's sparse product: one thread, rows sorted, in a C++ program that measures itself (`armadillo_build`)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path
from typing import Any

from benchmarks.suitesparse.libraries import armadillo_build
from benchmarks.suitesparse.libraries.library import Library, Prepared
from benchmarks.suitesparse.libraries.timing import MAX_RUNS, MIN_RUNS, Timing


class ArmadilloProgram:
    """The program with A and B in files of a folder of its own, which goes with this object."""

    def __init__(self, a: Any, b: Any) -> None:
        """Raises UnavailableError where the program cannot be built."""
        self.program = armadillo_build.build()
        self._folder = Path(tempfile.mkdtemp(prefix="hwloop-armadillo-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._times = self._folder / "times.txt"
        self.a = self._write("a.bin", a)
        self.b = self.a if b is a else self._write("b.bin", b)

    def loop(self, budget_s: float, least: int = MIN_RUNS, most: int = MAX_RUNS) -> tuple[Timing, Any]:
        """Times and the product. Raises RuntimeError with the last words of a program that failed."""
        product = self._folder / "c.bin"
        limits = (f"{budget_s:.3f}", str(least), str(most))
        command = [str(one) for one in (self.program, self.a, self.b, product, self._times, *limits)]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or [f"code {ran.returncode}"])[-1]
            raise RuntimeError(f"the Armadillo program ended badly: {last[:200]}")
        runs = [line.split() for line in self._times.read_text().splitlines()[1:]]
        timing = Timing(tuple(float(wall) for wall, _ in runs), tuple(float(cpu) for _, cpu in runs))
        return timing, read_csr(product)

    def version(self) -> str:
        """Armadillo's version, as the last run tells it."""
        return self._times.read_text().splitlines()[0]

    def _write(self, name: str, matrix: Any) -> Path:
        path = self._folder / name
        write_csr(path, matrix)
        return path


def write_csr(path: Path, matrix: Any) -> None:
    """A CSR matrix as the program reads it."""
    import numpy as np

    with open(path, "wb") as file:
        file.write(np.array((*matrix.shape, matrix.nnz), "<i8").tobytes())
        for array, kind in ((matrix.indptr, "<i8"), (matrix.indices, "<i8"), (matrix.data, "<f8")):
            file.write(np.ascontiguousarray(array, kind).data)


def read_csr(path: Path) -> Any:
    """A CSR matrix as the program writes it."""
    import numpy as np
    import scipy.sparse as sp

    raw = np.fromfile(path, "<i8")
    rows, cols, entries = (int(value) for value in raw[:3])
    indptr, rest = raw[3 : 4 + rows], raw[4 + rows :]
    data = rest[entries : 2 * entries].view("<f8")
    kind = np.int32 if max(rows, cols, entries) < 2**31 else np.int64
    return sp.csr_array((data, rest[:entries].astype(kind), indptr.astype(kind)), shape=(rows, cols))


def _prepare(a: Any, b: Any, threads: int) -> Prepared:
    program = ArmadilloProgram(a, b)
    return Prepared(lambda: program.loop(0.0, 1, 1)[1], lambda product: product, program.loop)


def _version() -> str:
    """Armadillo's version, which the program itself tells, and the compiler's."""
    import scipy.sparse as sp

    empty = sp.csr_array((1, 1), dtype=float)
    program = ArmadilloProgram(empty, empty)
    program.loop(0.0, 1, 1)
    return f"Armadillo {program.version()}, {armadillo_build.compiler_version()}"


LIBRARY = Library(
    baseline="armadillo",
    name="armadillo",
    label="Armadillo",
    where=f"{__name__}:LIBRARY",
    sorted_output=True,
    threaded=False,
    available=armadillo_build.available,
    version=_version,
    prepare=_prepare,
)
