"""The feature table's columns: by their definitions on tiny matrices, and as published on the real ones."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from benchmarks.suitesparse import load_matrix
from benchmarks.suitesparse.features import matrix_features, mean_span, pattern_product_nnz, row_similarity

PUBLISHED = ["ca-CondMat", "cage12", "email-Enron", "m133-b3", "p2p-Gnutella31", "poisson3Da", "wiki-Vote"]


def plain_features(dense: np.ndarray) -> dict[str, float]:
    """Every column by its definition, slowly."""
    rows = [list(np.flatnonzero(row)) for row in dense]
    n, m = dense.shape
    values = {
        "nnz-r": [len(row) for row in rows],
        "nnz-c": [int(column.sum()) for column in (dense != 0).T],
        "bw": [row[-1] - row[0] if row else 0 for row in rows],
        "nr_groups-r": [sum(c - 1 not in row for c in row) for row in rows],
    }
    values["sc"] = [len(row) / span if span else 0.0 for row, span in zip(rows, values["bw"], strict=True)]
    values["bw-scaled"] = [span / m for span in values["bw"]]
    values["sc-scaled"] = [one * m for one in values["sc"]]
    nnz = sum(map(len, rows))
    result = {"nr_rows": n, "nr_cols": m, "nr_nzeros": nnz, "density": nnz / (n * m)}
    for name, numbers in values.items():
        result |= {f"{name}-min": min(numbers), f"{name}-max": max(numbers)}
        result |= {f"{name}-avg": float(np.mean(numbers)), f"{name}-std": float(np.std(numbers))}
    result["skew_coeff"] = (result["nnz-r-max"] - result["nnz-r-avg"]) / result["nnz-r-avg"]
    result["num-neigh-avg"] = sum((c - 1 in row) + (c + 1 in row) for row in rows for c in row) / nnz
    filled = [row for row in rows if row]
    shares = [
        sum(any(near in below for near in (c - 1, c, c + 1)) for c in row) / len(row)
        for row, below in itertools.pairwise(filled)
    ]
    return {**result, "cross_row_sim-avg": sum(shares) / len(filled)}


@pytest.mark.parametrize(
    "spec", ["n=12,density=0.3", "n=30,m=9,density=0.1", "n=7,m=40,density=0.2", "n=40,density=0.01"]
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_by_definition_on_tiny_matrices(spec: str, seed: int) -> None:
    csr = load_matrix(f"uniform:{spec},seed={seed}").csr
    got, expected = matrix_features(csr), plain_features(csr.toarray())
    assert got.keys() == expected.keys()
    assert got == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert (mean_span(csr), row_similarity(csr)) == (got["bw-avg"], got["cross_row_sim-avg"])


def test_an_empty_matrix_gives_zeros() -> None:
    got = matrix_features(sparse.csr_array((3, 4)))
    assert {key for key, value in got.items() if value} == {"nr_rows", "nr_cols"}
    assert not any(matrix_features(sparse.csr_array((0, 0))).values())


def published_row(shared_data: Path, name: str) -> dict[str, float]:
    with open(shared_data / "matrices" / "features.csv", newline="") as file:
        row = next(one for one in csv.DictReader(file) if one["matrix"] == name)
    return {key: float(value) for key, value in row.items() if key != "matrix"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_real_matrices_give_the_published_table(shared_data: Path, name: str) -> None:
    csr = load_matrix(str(shared_data / "matrices" / f"{name}.npz")).csr
    if name == "m133-b3":  # the stored order is probably the collection's backwards
        assert row_similarity(csr) == pytest.approx(0.382022, abs=1e-6)
        csr = csr[::-1, ::-1].tocsr()
        csr.sort_indices()
    got, expected = matrix_features(csr), published_row(shared_data, name)
    assert got.keys() == expected.keys()
    assert got == pytest.approx(expected, abs=5.1e-7, rel=1e-12)


def test_pattern_product_counts_what_scipy_makes() -> None:
    a = load_matrix("uniform:n=60,m=90,density=0.07,seed=1").csr
    b = load_matrix("uniform:n=90,m=50,density=0.05,seed=2").csr
    assert pattern_product_nnz(a, b) == (a @ b).nnz
    assert pattern_product_nnz(sparse.csr_array((5, 90)), b) == 0


def test_pattern_product_survives_cancellation() -> None:
    a = sparse.csr_array(np.array([[1.0, 1.0], [0.0, 0.0]]))
    b = sparse.csr_array(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert pattern_product_nnz(a, b) == 1
