"""What is written is read back to the last bit, explicit zeros included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.suitesparse.readers import read_matrix
from benchmarks.suitesparse.writers import require_matrix_path, write_matrix
from sim.errors import InputError


@pytest.mark.parametrize("suffix", [".npz", ".mtx"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(1)
    matrix = sp.csr_array(rng.standard_normal((7, 4)) * (rng.random((7, 4)) < 0.5))
    matrix.data[:2] = [0.0, 1 / 3]
    write_matrix(matrix, tmp_path / f"m{suffix}")
    back = read_matrix(tmp_path / f"m{suffix}")
    assert back.shape == (7, 4)
    assert (back.indptr == matrix.indptr).all()
    assert (back.indices == matrix.indices).all()
    assert (back.data == matrix.data).all()
    assert [one.name for one in tmp_path.iterdir()] == [f"m{suffix}"]


@pytest.mark.parametrize("suffix", [".npz", ".mtx"])
@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (2, 5)])
def test_empty(tmp_path: Path, suffix: str, shape: tuple[int, int]) -> None:
    write_matrix(sp.csr_array(shape), tmp_path / f"m{suffix}")
    back = read_matrix(tmp_path / f"m{suffix}")
    assert (back.shape, back.nnz) == (shape, 0)


@pytest.mark.parametrize("name", ["m.csv", "m", "m.mtx.gz"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"unknown suffix .*known: \.npz, \.mtx"):
        require_matrix_path(tmp_path / name)
