"""`hwloop explain`: a file is explained, a name is defined, anything else is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import hwloop
from hwloop.cli import main


def run(*arguments: str) -> Result:
    """The whole command line."""
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.fixture(scope="module")
def result_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of a small simulation."""
    path = tmp_path_factory.mktemp("results") / "r.json"
    hwloop.simulate("rmat:n=300,edges=6,seed=2").save(path)
    return path


def test_a_result_in_words(result_file: Path) -> None:
    result = run(str(result_file))
    assert result.exit_code == 0
    assert [line[:2] for line in result.output.splitlines() if line[0].isdigit()] == ["1.", "2.", "3."]


def test_causes_as_json(result_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "causes.json"
    assert run(str(result_file), "--json", str(out)).exit_code == 0
    content = json.loads(out.read_text())
    assert content["schema"] == "hwloop.explanation/1"
    assert len(content["causes"]) == 3
    assert all(cause["cycles"] >= 0 and cause["formula"] for cause in content["causes"])
    assert json.loads(run(str(result_file), "--json", "-").output) == content


def test_a_statistic_and_a_setting() -> None:
    assert run("dram_bytes.b_read").output.startswith("dram_bytes.b_read [B]")
    assert "power of two" in run("merge_tree.ways").output
    assert json.loads(run("total", "--json", "-").output)["definitions"][0]["unit"] == "B"


@pytest.mark.parametrize("subject", ["cycels", "none.json", "folder/none"])
def test_what_is_neither_is_one_line_and_exit_code_2(subject: str) -> None:
    result = run(subject)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_damaged_file_leaves_no_json_behind(result_file: Path, tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.json", tmp_path / "out.json"
    bad.write_text(result_file.read_text()[:-100])
    result = run(str(bad), "--json", str(out))
    assert (result.exit_code, out.exists()) == (2, False)
