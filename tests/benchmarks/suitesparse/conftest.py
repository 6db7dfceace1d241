"""A small matrix in the catalogue, a server that holds it, and a cache of its own for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.suitesparse import catalogue
from benchmarks.suitesparse.matrix import Matrix, load_matrix, max_row_nnz, multiplications

sys.path.insert(0, str(Path(__file__).parent))
from collection_server import Collection, RunningCollection, archive

TINY_SPEC = "uniform:n=300,density=0.05,seed=4"


@pytest.fixture
def tiny() -> Matrix:
    """The matrix behind the catalogue name ``tiny``."""
    return load_matrix(TINY_SPEC)


@pytest.fixture
def tiny_text(tiny: Matrix) -> bytes:
    """`tiny` as Matrix Market text."""
    coo = tiny.csr.tocoo()
    lines = [f"{i + 1} {j + 1} {value!r}" for i, j, value in zip(coo.row, coo.col, coo.data.tolist(), strict=True)]
    header = f"%%MatrixMarket matrix coordinate real general\n% tiny\n300 300 {tiny.nnz}\n"
    return (header + "\n".join(lines) + "\n").encode()


@pytest.fixture
def tiny_entry(tiny: Matrix, monkeypatch: pytest.MonkeyPatch) -> catalogue.CatalogueEntry:
    """A catalogue that has ``tiny`` besides the 20 matrices."""
    entry = catalogue.CatalogueEntry(
        name="tiny",
        group="Test",
        rows=300,
        cols=300,
        nnz=tiny.nnz,
        symmetric=False,
        max_row_nnz=max_row_nnz(tiny.csr),
        multiplications=multiplications(tiny.csr, tiny.csr),
        output_nnz=0,
        first_round_ways=max_row_nnz(tiny.csr),
        merge_rounds=1,
        grade="recomputed",
        pattern_sha256=tiny.pattern_sha256,
    )
    everything = (*catalogue.catalogue(), entry)
    monkeypatch.setattr(catalogue, "catalogue", lambda: everything)
    return entry


@pytest.fixture
def collection(
    tiny_entry: catalogue.CatalogueEntry, tiny_text: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Collection]:
    """A server with ``tiny``, found through the environment, with an empty cache and no data folders."""
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HWLOOP_DATA", "")
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with RunningCollection() as running:
        running.files["/MM/Test/tiny.tar.gz"] = archive({"tiny/notes.txt": b"x", "tiny/tiny.mtx": tiny_text})
        monkeypatch.setenv("HWLOOP_SUITESPARSE_URL", running.url)
        yield running
