"""The 20 entries: consistent in themselves, and equal to what the real matrices give."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from benchmarks.suitesparse import catalogue, load_matrix
from benchmarks.suitesparse.catalogue import CatalogueEntry
from benchmarks.suitesparse.matrix import Matrix, max_row_nnz, merge_schedule, multiplications, structural_output_nnz
from sim.errors import InputError

ENTRIES = catalogue.catalogue()
LOCAL = ["p2p-Gnutella31", "wiki-Vote", "ca-CondMat"]
LARGER = ["cage12", "email-Enron", "facebook", "m133-b3", "poisson3Da"]


def test_twenty_in_alphabetical_order() -> None:
    names = [one.name for one in ENTRIES]
    assert len(names) == 20
    assert names == sorted(names, key=str.lower)
    assert [one.name for one in ENTRIES if not one.downloadable] == ["facebook"]
    assert [one.name for one in ENTRIES if one.grade == "unverified"] == ["cit-Patents"]
    assert {one.grade for one in ENTRIES} == {"recomputed", "published", "single", "unverified"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda one: one.name)
def test_figures_fit_together(entry: CatalogueEntry) -> None:
    assert entry.rows == entry.cols
    assert (entry.first_round_ways, entry.merge_rounds) == merge_schedule(entry.max_row_nnz)
    assert entry.output_nnz <= entry.multiplications
    assert entry.nnz <= entry.rows * entry.max_row_nnz
    assert (entry.pattern_sha256 is not None) == (entry.grade == "recomputed")


def test_geometric_means_of_the_suite() -> None:
    def mean(values: list[float]) -> float:
        return math.exp(math.fsum(map(math.log, values)) / len(values))

    flops = [2 * one.multiplications - one.output_nnz for one in ENTRIES]
    intensity = [flop / (12 * (2 * one.nnz + one.output_nnz)) for flop, one in zip(flops, ENTRIES, strict=True)]
    assert mean(intensity) == pytest.approx(0.187, abs=0.0005)
    assert mean([one.rows / one.max_row_nnz for one in ENTRIES]) == pytest.approx(1177, abs=1)


def test_web_google_has_two_published_figures() -> None:
    entry = catalogue.entry("web-Google")
    assert entry.accepts_output_nnz(29_710_164)
    assert entry.accepts_output_nnz(29_711_768)
    assert not entry.accepts_output_nnz(29_711_769)
    assert not catalogue.entry("wiki-Vote").accepts_output_nnz(0)


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="no matrix called 'cop20kA' in the catalogue; nearest: cop20k_A"):
        catalogue.entry("cop20kA")
    assert catalogue.find("cop20kA") is None


def test_pages() -> None:
    assert catalogue.entry("wiki-Vote").page == "https://sparse.tamu.edu/SNAP/wiki-Vote"
    assert catalogue.entry("facebook").page is None


@pytest.mark.parametrize("name", [*LOCAL, *(pytest.param(one, marks=pytest.mark.slow) for one in LARGER)])
def test_real_matrices_give_the_published_figures(shared_data: Path, name: str) -> None:
    entry, matrix = catalogue.entry(name), load_matrix(str(shared_data / "matrices" / f"{name}.npz"))
    csr = matrix.csr
    assert (matrix.rows, matrix.cols, matrix.nnz) == (entry.rows, entry.cols, entry.nnz)
    assert max_row_nnz(csr) == entry.max_row_nnz
    assert multiplications(csr, csr) == entry.multiplications
    assert structural_output_nnz(csr, csr) == entry.output_nnz
    assert matrix.pattern_sha256 == entry.pattern_sha256
    assert (abs(csr - csr.T).nnz == 0) == entry.symmetric
    assert entry.mismatch(matrix) is None


def test_published_tables(shared_data: Path) -> None:
    stats = json.loads((shared_data / "matrices" / "stats.json").read_text())
    for name, row in stats.items():
        entry = catalogue.entry(name)
        assert (entry.rows, entry.nnz, entry.max_row_nnz) == (row["rows"], row["nnz"], row["max_row_nnz"])
        assert (entry.multiplications, entry.output_nnz) == (row["multiplications"], row["nnz_AxA"])
        assert (entry.symmetric, entry.pattern_sha256) == (row["symmetric"], row["pattern_sha256"])
    with open(shared_data / "matrices" / "features.csv", newline="") as file:
        rows = {row["matrix"]: row for row in csv.DictReader(file)}
    assert set(rows) == {one.name for one in ENTRIES} - {"facebook"}
    for name, row in rows.items():
        entry = catalogue.entry(name)
        assert (entry.rows, entry.cols, entry.nnz) == tuple(
            int(row[key]) for key in ("nr_rows", "nr_cols", "nr_nzeros")
        )
        assert entry.max_row_nnz == float(row["nnz-r-max"])


def test_mismatch_names_the_first_difference(tiny: Matrix, tiny_entry: CatalogueEntry) -> None:
    def other(spec: str) -> str | None:
        return tiny_entry.mismatch(load_matrix(spec))

    assert tiny_entry.mismatch(tiny) is None
    assert other("uniform:n=30,density=0.5") == "it is 30 x 30, not 300 x 300"
    assert other("uniform:n=300,density=0.5") == "it has 45,000 entries, not 4,500"
    assert (other("banded:n=300,width=15") or "").startswith("it has 4,")
    reversed_rows = Matrix("tiny", tiny.csr[::-1].tocsr(), "test")
    assert (tiny_entry.mismatch(reversed_rows) or "").startswith(("A·A takes", "its pattern sha256"))
    transposed = Matrix("tiny", tiny.csr.T.tocsr(), "test")
    assert tiny_entry.mismatch(transposed) is not None
