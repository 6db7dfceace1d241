"""Libraries that need something installed, where it is: the product, and that rows are sorted where they say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from library_cases import operands

from benchmarks.suitesparse.libraries import armadillo_build
from benchmarks.suitesparse.libraries.agreement import compare
from benchmarks.suitesparse.libraries.armadillo_library import LIBRARY as ARMADILLO
from benchmarks.suitesparse.libraries.armadillo_library import read_csr, write_csr
from benchmarks.suitesparse.libraries.library import Library, UnavailableError
from benchmarks.suitesparse.libraries.registry import NAMES, libraries

IN_THIS_PROCESS = [row for name in NAMES for row in libraries(name) if name not in ("numba", "armadillo", "cusparse")]


@pytest.mark.parametrize("library", IN_THIS_PROCESS, ids=lambda library: str(library.name))
@pytest.mark.filterwarnings("default")
def test_product_is_scipys(library: Library) -> None:
    reason = library.available()
    if reason:
        pytest.skip(reason)
    for case in ("square", "signed", "rectangular", "dense row", "explicit zeros"):
        a, b = operands()[case]
        prepared = library.prepare(a, b, 1)
        product = prepared.to_csr(prepared.multiply())
        assert compare(a, b, product, a @ b, library.sorted_output).reason is None, case
    assert library.version()


def test_the_armadillo_program_is_built_once_and_multiplies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = armadillo_build.available()
    if reason:
        pytest.skip(reason)
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    for case in ("square", "rectangular", "explicit zeros", "no entries"):
        a, b = operands()[case]
        prepared = ARMADILLO.prepare(a, b, 1)
        assert prepared.loop is not None
        timing, product = prepared.loop(0.001)
        assert timing.runs >= 3
        assert compare(a, b, product, a @ b, True).reason is None, case
    (program,) = (tmp_path / "armadillo").iterdir()
    built = program.stat().st_mtime_ns
    assert armadillo_build.build() == program
    assert program.stat().st_mtime_ns == built
    assert ARMADILLO.version().startswith("Armadillo ")


def test_a_compiler_that_fails_leaves_a_reason_and_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho 'armadillo.cpp:1: fatal error: no luck' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UnavailableError, match=r"could not be built: .* no luck"):
        armadillo_build.build()
    assert list((tmp_path / "cache" / "armadillo").iterdir()) == []


@pytest.mark.parametrize("case", operands())
def test_operands_survive_their_file(case: str, tmp_path: Path) -> None:
    a, _ = operands()[case]
    write_csr(tmp_path / "a.bin", a)
    again = read_csr(tmp_path / "a.bin")
    assert again.shape == a.shape
    for part in ("indptr", "indices", "data"):
        assert (getattr(again, part) == getattr(a, part)).all()
