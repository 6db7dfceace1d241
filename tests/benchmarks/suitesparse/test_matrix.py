"""`load_matrix`: which door a specification goes through; fingerprints; the counts that a schedule follows from."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from benchmarks.suitesparse import load_matrix
from benchmarks.suitesparse.matrix import (
    Matrix,
    max_row_nnz,
    merge_schedule,
    multiplications,
    structural_output_nnz,
)
from sim.errors import InputError

TEXT = "%%MatrixMarket matrix coordinate real general\n2 3 2\n1 2 1\n2 3 5\n"


def test_paths_with_and_without_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mtx").write_text(TEXT)
    (tmp_path / "plain").write_text(TEXT)
    (tmp_path / "rmat:n=3").write_text(TEXT)
    (tmp_path / "facebook").mkdir()
    monkeypatch.chdir(tmp_path)
    for spec, name in (("a.mtx", "a"), ("./a.mtx", "a"), ("plain", "plain"), ("rmat:n=3", "rmat:n=3")):
        matrix = load_matrix(spec)
        assert (matrix.name, matrix.source, matrix.rows, matrix.cols, matrix.nnz) == (name, spec, 2, 3, 2)


def test_a_word_that_is_nothing_offers_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_DATA", "")
    for word, nearest in (("webgoogle", "web-Google"), ("poisson3da", "poisson3Da"), ("rmatt", "rmat")):
        with pytest.raises(InputError, match=rf"no matrix called '{word}': .*; nearest: {nearest}"):
            load_matrix(word)
    with pytest.raises(InputError, match="no matrix named"):
        load_matrix(" ")


def test_missing_path_offers_the_nearest_file(tmp_path: Path) -> None:
    (tmp_path / "abcdef.mtx").write_text(TEXT)
    with pytest.raises(InputError, match=r"nearest: abcdef\.mtx"):
        load_matrix(str(tmp_path / "abcdeff.mtx"))


def test_names_found_in_data_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one" / "matrices").mkdir(parents=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "matrices" / "mine.mtx").write_text(TEXT)
    (tmp_path / "two" / "mine.mtx").write_text(TEXT.replace("5", "6"))
    (tmp_path / "two" / "scircuit.mtx").write_text(TEXT)
    monkeypatch.setenv("HWLOOP_DATA", os.pathsep.join([str(tmp_path / "one"), "", str(tmp_path / "two")]))
    assert load_matrix("mine").csr.data.tolist() == [1.0, 5.0]
    impostor = load_matrix("scircuit")
    assert impostor.source == str(tmp_path / "two" / "scircuit.mtx")
    assert impostor.check_against_catalogue() == "it is 2 x 3, not 170,998 x 170,998"
    assert load_matrix("mine").check_against_catalogue() is None


def test_catalogue_names_come_from_the_data_folder(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_DATA", str(shared_data))
    matrix = load_matrix("wiki-Vote")
    assert matrix.source == str(shared_data / "matrices" / "wiki-Vote.npz")
    assert matrix.check_against_catalogue() is None


def test_fingerprint_by_its_definition() -> None:
    matrix = load_matrix("uniform:n=20,m=30,density=0.2,seed=2")
    parts = [np.array([20, 30], "<i8"), matrix.csr.indptr.astype("<i8"), matrix.csr.indices.astype("<i4")]
    pattern = b"".join(part.tobytes() for part in parts)
    assert matrix.pattern_sha256 == hashlib.sha256(pattern).hexdigest()
    assert matrix.sha256 == hashlib.sha256(pattern + matrix.csr.data.astype("<f8").tobytes()).hexdigest()
    wide = sparse.csr_array(matrix.csr)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    assert Matrix("x", wide, "test").sha256 == matrix.sha256
    doubled = Matrix("x", sparse.csr_array(2 * matrix.csr), "test")
    assert doubled.pattern_sha256 == matrix.pattern_sha256
    assert doubled.sha256 != matrix.sha256


def test_a_matrix_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_matrix("poisson3d:n=2").name = "x"  # type: ignore[misc]


def test_counts_against_plain_loops() -> None:
    a = load_matrix("uniform:n=25,m=40,density=0.1,seed=1").csr
    b = load_matrix("uniform:n=40,m=15,density=0.2,seed=2").csr
    left, right = a.toarray() != 0, b.toarray() != 0
    assert multiplications(a, b) == sum(int(right[k].sum()) for i in range(25) for k in range(40) if left[i, k])
    assert structural_output_nnz(a, b) == int((left.astype(int) @ right.astype(int) > 0).sum())
    assert max_row_nnz(a) == int(left.sum(axis=1).max())


def test_structural_entries_survive_cancellation() -> None:
    a = sparse.csr_array(np.array([[1.0, 1.0], [0.0, 0.0]]))
    b = sparse.csr_array(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert structural_output_nnz(a, b) == 1


@pytest.mark.parametrize(
    ("columns", "ways", "expected"),
    [(0, 64, (0, 0)), (1, 64, (1, 1)), (64, 64, (64, 1)), (65, 64, (2, 2)), (127, 64, (64, 2)), (4700, 64, (38, 75))],
)
def test_merge_schedule(columns: int, ways: int, expected: tuple[int, int]) -> None:
    assert merge_schedule(columns, ways) == expected


def test_importing_the_package_is_cheap() -> None:
    heavy = "('scipy', 'numpy', 'rich', 'aiohttp', 'psutil', 'platformdirs')"
    code = f"import sys, benchmarks.suitesparse.matrix; print([one for one in {heavy} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_attribute_of_the_package() -> None:
    import benchmarks.suitesparse as package

    with pytest.raises(AttributeError, match="no attribute 'loadmatrix'"):
        _ = package.loadmatrix
