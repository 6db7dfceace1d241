"""The stand-ins: every figure against its original's, the same bytes each time, and the names that lead to them."""

from __future__ import annotations

import csv
import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.suitesparse import catalogue, fetch, load_matrix
from benchmarks.suitesparse.catalogue import CatalogueEntry
from benchmarks.suitesparse.features import mean_span, row_similarity
from benchmarks.suitesparse.matrix import Matrix
from benchmarks.suitesparse.standins import check, find_standin, make_standin, standin, standin_names
from benchmarks.suitesparse.standins import fit as fit_module
from benchmarks.suitesparse.standins.build import figures
from benchmarks.suitesparse.standins.recipe import Lattice, LengthShape, Numbering, StandinSpec, parse_spec, split_name
from benchmarks.suitesparse.standins.table_file import text
from sim.errors import InputError

REAL = {"ca-CondMat", "cage12", "email-Enron", "facebook", "m133-b3", "p2p-Gnutella31", "poisson3Da", "wiki-Vote"}
SMALL = ["patents_main~", "scircuit~", "mario002~"]
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in standin_names() if name not in SMALL]
PATENTS_SHA256 = "c40f491661feef58c18a1231a910ca2c4550bf75825db0d1112b04b77c461e72"


def test_one_for_each_matrix_that_is_not_at_hand() -> None:
    assert [standin(name).original for name in standin_names()] == [n for n in catalogue.names() if n not in REAL]
    assert all(name == f"{standin(name).original}~" == standin(name).name for name in standin_names())


@pytest.mark.parametrize("name", [*SMALL, *SLOW])
def test_every_figure(name: str) -> None:
    spec, entry = standin(name), catalogue.entry(standin(name).original)
    csr = make_standin(name)
    checks = check(name, csr)
    assert [one.feature for one in checks] == [
        "rows", "nnz", "max_row_nnz", "multiplications", "output_nnz", "span", "similarity",
    ]  # fmt: skip
    assert [one for one in checks if not one.ok] == []
    got = {one.feature: one.got for one in checks}
    assert (got["rows"], got["nnz"], got["max_row_nnz"]) == (entry.rows, entry.nnz, entry.max_row_nnz)
    assert got["multiplications"] == pytest.approx(entry.multiplications, rel=0.03)
    assert got["output_nnz"] == pytest.approx(entry.output_nnz, rel=0.06)
    assert {key: got[key] for key in spec.reached["middle"]} == pytest.approx(spec.reached["middle"], abs=1e-6)
    assert csr.has_canonical_format
    assert csr.indices.dtype == np.int32
    assert 0.5 <= csr.data.min() <= csr.data.max() < 1.5
    if entry.symmetric:
        csr.data[:] = 1
        assert abs(csr - csr.T).nnz == 0


@pytest.mark.parametrize("name", [*SMALL[:2], *SLOW])
def test_the_two_ends_of_the_locality_tolerance(name: str) -> None:
    spec = standin(name)
    ends = {locality: figures(make_standin(name, locality=locality)) for locality in ("low", "high")}
    middle = spec.reached["middle"]
    for locality, got in ends.items():
        assert (got["multiplications"], got["output_nnz"]) == (middle["multiplications"], middle["output_nnz"])
        reached = spec.reached[locality]
        assert {key: got[key] for key in reached} == pytest.approx(reached, abs=1e-6)
        assert abs(got["span"] / spec.span - 1) < 0.1
        assert abs(got["similarity"] - spec.similarity) < 0.05
    assert ends["low"]["span"] >= middle["span"] > ends["high"]["span"]
    assert ends["low"]["similarity"] <= middle["similarity"] < ends["high"]["similarity"]


def test_same_seed_same_bytes() -> None:
    first, again, other = (Matrix("x", make_standin("patents_main~", seed), "x") for seed in (None, 1, 2))
    assert first.sha256 == again.sha256
    assert first.pattern_sha256 == PATENTS_SHA256
    assert first.pattern_sha256 != other.pattern_sha256
    assert (other.rows, other.nnz) == (first.rows, first.nnz)
    assert [one.ok for one in check("patents_main~", other.csr)] == [True] * 7


def test_load_matrix_takes_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_DATA", "")
    matrix = load_matrix("patents_main~", seed=5)
    assert (matrix.name, matrix.source) == ("patents_main~", "stand-in")
    assert matrix.pattern_sha256 == PATENTS_SHA256
    assert matrix.check_against_catalogue() is None
    low = load_matrix("patents_main-low~")
    assert low.name == "patents_main-low~"
    assert mean_span(low.csr) > mean_span(matrix.csr)
    assert row_similarity(low.csr) < row_similarity(matrix.csr)


def test_a_file_that_ends_in_the_mark_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "backup~").write_text("%%MatrixMarket matrix coordinate real general\n1 1 1\n1 1 2\n")
    monkeypatch.chdir(tmp_path)
    assert load_matrix("backup~").nnz == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wiki-Vote~", r"no stand-in called 'wiki-Vote~': wiki-Vote needs none; nearest: wiki-Vote$"),
        ("webGoogle~", r"no stand-in called 'webGoogle~'; nearest: web-Google~$"),
        ("web-Google-lo~", r"no stand-in called 'web-Google-lo~'; nearest: web-Google~$"),
        ("~", r"no stand-in called '~'$"),
    ],
)
def test_names_that_are_no_standin(name: str, message: str) -> None:
    for ask in (load_matrix, make_standin, standin):
        with pytest.raises(InputError, match=message):
            ask(name)


def test_other_wrong_arguments() -> None:
    with pytest.raises(InputError, match="no stand-in called 'web-Google'; nearest: web-Google~"):
        make_standin("web-Google")
    with pytest.raises(InputError, match="no locality called 'lower'; nearest: low"):
        make_standin("patents_main~", locality="lower")
    with pytest.raises(InputError, match="seed of patents_main~ is -1"):
        make_standin("patents_main~", -1)
    assert find_standin("wiki-Vote") is None
    assert split_name("web-Google-high~") == ("web-Google", "high")


def test_offline_the_error_names_the_standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_DATA", "")
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    monkeypatch.setenv("HWLOOP_SUITESPARSE_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"cannot fetch http.*web-Google.*; nearest: its stand-in web-Google~$"):
        load_matrix("web-Google")


def test_no_standin_no_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str) -> Path:
        raise InputError(f"cannot fetch {name}")

    monkeypatch.setenv("HWLOOP_DATA", "")
    monkeypatch.setattr(fetch, "fetch_matrix", offline)
    with pytest.raises(InputError, match=r"^cannot fetch wiki-Vote$"):
        load_matrix("wiki-Vote")


def test_published_targets_are_those_of_the_table(shared_data: Path) -> None:
    with open(shared_data / "matrices" / "features.csv", newline="") as file:
        rows = {row["matrix"]: row for row in csv.DictReader(file)}
    for spec in map(standin, standin_names()):
        row = rows[spec.original]
        published = tuple(float(row[key]) for key in ("bw-avg", "cross_row_sim-avg", "nnz-r-std"))
        assert (spec.span, spec.similarity, spec.lengths.std) == published


@pytest.mark.parametrize("name", standin_names())
def test_the_file_says_what_was_read(name: str) -> None:
    spec = standin(name)
    record = tomllib.loads(text(spec))
    assert parse_spec(spec.original, record[spec.original]) == spec
    assert set(spec.numbering) == set(spec.reached) == {"middle", "low", "high"}


@pytest.fixture
def small_mesh(monkeypatch: pytest.MonkeyPatch) -> StandinSpec:
    """A mesh of 3,000 rows as if it were in the catalogue, its knobs far off."""
    counts = {"multiplications": 790_000, "output_nnz": 280_000, "first_round_ways": 30, "merge_rounds": 1}
    size = {"rows": 3000, "cols": 3000, "nnz": 48_000, "max_row_nnz": 30}
    entry = CatalogueEntry(name="tiny", symmetric=True, grade="single", **size, **counts)
    everything = (*catalogue.catalogue(), entry)
    monkeypatch.setattr(catalogue, "catalogue", lambda: everything)
    return StandinSpec(
        name="tiny~", original="tiny", idea="mesh", seed=3, span=800.0, similarity=0.3,
        lengths=LengthShape(family="logistic", low=5, std=2.7),
        pattern=Lattice(width=12, depth=12, keep=0.3, reach=60, diagonal=True),
        numbering={"middle": Numbering(run=10.0, window=100, far=0.3)},
        knobs={"output_nnz": "keep", "span": "far", "similarity": "run"}, reached={},
    )  # fmt: skip


def test_fit_reaches_its_targets(small_mesh: StandinSpec) -> None:
    said: list[str] = []
    fitted = fit_module.fit(small_mesh, said.append)
    middle, low, high = (fitted.reached[one] for one in ("middle", "low", "high"))
    assert middle["output_nnz"] == low["output_nnz"] == pytest.approx(280_000, rel=0.005)
    assert (middle["span"], middle["similarity"]) == (pytest.approx(800, rel=0.01), pytest.approx(0.3, abs=0.005))
    assert (low["span"], low["similarity"]) == (pytest.approx(876, rel=0.01), pytest.approx(0.2525, abs=0.005))
    assert (high["span"], high["similarity"]) == (pytest.approx(724, rel=0.01), pytest.approx(0.3475, abs=0.005))
    assert [line.split(":")[0] for line in said] == ["tiny~ middle", "tiny~ low", "tiny~ high"]


def test_fit_takes_published_features_from_a_table(small_mesh: StandinSpec, tmp_path: Path) -> None:
    table = tmp_path / "feats.csv"
    table.write_text("matrix,bw-avg,cross_row_sim-avg,nnz-r-std\ntiny,12.5,0.25,3.5\n")
    got = fit_module.with_published(small_mesh, table)
    assert (got.span, got.similarity, got.lengths.std) == (12.5, 0.25, 3.5)
    table.write_text("matrix,bw-avg\nother,1\n")
    assert fit_module.with_published(small_mesh, table) is small_mesh


def test_the_command_rewrites_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "standins.toml"
    monkeypatch.setattr(fit_module.recipe, "TABLE", target)
    monkeypatch.setattr(fit_module, "fit", lambda spec, say: dataclasses.replace(spec, fitted="2001-02-03"))
    fit_module.main(["scircuit~"])
    written = {name: parse_spec(name, record) for name, record in tomllib.loads(target.read_text()).items()}
    assert [f"{name}~" for name in written] == list(standin_names())
    assert written["scircuit"] == dataclasses.replace(standin("scircuit~"), fitted="2001-02-03")
    assert written["web-Google"] == standin("web-Google~")
