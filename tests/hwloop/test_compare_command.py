"""`hwloop compare`: two files in, a difference out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import hwloop
from hwloop.cli import main


def run(*arguments: str) -> Result:
    """The whole command line."""
    return CliRunner().invoke(main, ["compare", *arguments])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Results of the same product with two sizes of the row buffer."""
    folder = tmp_path_factory.mktemp("results")
    for name, lines in (("one", 1024), ("two", 16)):
        settings = {"prefetch.lines": lines}
        hwloop.simulate("rmat:n=300,edges=6,seed=2", settings=settings).save(folder / f"{name}.json")
    return str(folder / "one.json"), str(folder / "two.json")


def test_the_difference_in_words(files: tuple[str, str]) -> None:
    result = run(*files)
    assert result.exit_code == 0
    assert "prefetch.lines: 1024 -> 16" in result.output
    assert "b read" in result.output


def test_the_difference_as_json(files: tuple[str, str]) -> None:
    content = json.loads(run(*files, "--json", "-").output)
    assert content["schema"] == "hwloop.comparison/1"
    for name in ("cycles", "dram_bytes", "energy_j"):
        split = content[name]
        parts = sum(part["difference"] for part in split["parts"].values())
        assert parts == pytest.approx(split["difference"], rel=1e-9, abs=1e-9)
    assert content["dram_bytes"]["parts"]["b_read"]["difference"] > 0


def test_a_file_that_is_no_result(files: tuple[str, str], tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.json"
    foreign.write_text('{"schema": "hwloop.comparison/1"}')
    for second in (foreign, tmp_path / "none.json"):
        result = run(files[0], str(second))
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
