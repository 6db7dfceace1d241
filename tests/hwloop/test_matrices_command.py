"""`hwloop matrices`: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.suitesparse import load_matrix
from hwloop.matrices_command import describe, matrices
from sim.errors import HwloopError, InputError

TEXT = "%%MatrixMarket matrix coordinate real general\n2 3 3\n1 2 1\n2 3 5\n2 1 0\n"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """An empty cache and data folder; `shared_data` is asked first, since it looks at the same variable."""
    if "shared_data" in request.fixturenames:
        request.getfixturevalue("shared_data")
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HWLOOP_DATA", str(tmp_path / "data"))


def run(*arguments: str) -> str:
    """Standard output of a run that succeeds."""
    result = CliRunner().invoke(matrices, arguments)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_list_prints_all_and_marks_doubtful_figures() -> None:
    text = run("list")
    assert sum("can be fetched" in line for line in text.splitlines()) == 19
    assert "not in the collection" in text
    assert "82,152,992?" in text
    assert "85,957,185*" in text


def test_list_as_json(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scircuit.mtx").write_text(TEXT)
    result = json.loads(run("list", "--json", "-"))
    assert result["schema"] == "hwloop.matrices/1"
    rows = {row["name"]: row for row in result["matrices"]}
    assert len(rows) == 20
    assert rows["webbase-1M"]["merge_rounds"] == 75
    assert rows["scircuit"]["copy"] == str(tmp_path / "data" / "scircuit.mtx")
    assert rows["facebook"]["downloadable"] is False


def test_info_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mtx"
    path.write_text(TEXT)
    printed = run("info", str(path), "--json", str(tmp_path / "out.json"), "--product")
    record = json.loads((tmp_path / "out.json").read_text())
    assert "A·Aᵀ" in printed
    assert (record["name"], record["rows"], record["cols"], record["nnz"]) == ("a", 2, 3, 3)
    assert (record["explicit_zeros"], record["empty_rows"], record["max_row_nnz"]) == (1, 0, 2)
    assert (record["multiplications"], record["output_nnz"]) == (3, 2)
    assert record["sha256"] == load_matrix(str(path)).sha256
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.mtx", "out.json"]


def test_info_of_a_generator_takes_the_seed() -> None:
    def figures(*arguments: str) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(run("info", *arguments, "--json", "-"))
        return record

    seeded = figures("rmat:n=100,edges=3", "--seed", "7")
    assert seeded["name"] == "rmat:n=100,edges=3,seed=7"
    assert seeded["sha256"] == figures("rmat:n=100,edges=3,seed=7")["sha256"]
    assert seeded["output_nnz"] is None


def test_info_of_a_name_without_a_copy_fetches_nothing() -> None:
    record = describe("web-Google")
    assert record["copy"] is None
    assert "agrees" not in record
    assert record["output_nnz_also"] == 29_711_768
    assert "29,710,164" in run("info", "web-Google")


def test_info_compares_a_copy_with_the_catalogue(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scircuit.mtx").write_text(TEXT)
    record = describe("scircuit")
    assert (record["agrees"], record["difference"]) == (False, "it is 2 x 3, not 170,998 x 170,998")
    monkeypatch.setenv("HWLOOP_DATA", str(shared_data))
    record = describe("p2p-Gnutella31", product=True)
    assert (record["agrees"], record["difference"]) == (True, None)


def test_get_prints_where_a_copy_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "facebook.mtx"
    path.write_text(TEXT)
    assert run("get", "facebook") == f"{path}\n"
    record = json.loads(run("get", "facebook", "--json", "-"))
    assert record == {"schema": "hwloop.matrix_copy/1", "name": "facebook", "path": str(path), "fetched": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("get", "facebok"), "nearest: facebook"),
        (("get", "facebook"), "cannot be fetched"),
        (("get", "../../etc/passwd"), "no matrix called"),
        (("info", "nothing.mtx"), "no file 'nothing.mtx'"),
        (("info", "rmat:n=5,edge=2"), "nearest: edges"),
        (("list", "--json", "/nonexistent/folder/x.json"), "cannot write"),
    ],
)
def test_refusals_are_errors_for_users(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(HwloopError) as caught:
        run(*arguments)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_bad_file_writes_no_result(tmp_path: Path) -> None:
    (tmp_path / "bad.mtx").write_text("nonsense")
    with pytest.raises(InputError):
        run("info", str(tmp_path / "bad.mtx"), "--json", str(tmp_path / "out.json"))
    assert not (tmp_path / "out.json").exists()
