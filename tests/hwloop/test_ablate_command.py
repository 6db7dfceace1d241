"""`hwloop ablate`: the four steps in a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hwloop.cli import main


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of other tests are not found."""
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))


def run(*arguments: str) -> Result:
    """The whole command line, in this process."""
    return CliRunner().invoke(main, ["ablate", "--workers", "1", *arguments])


def test_four_steps_of_each_matrix(tmp_path: Path) -> None:
    file = tmp_path / "steps.json"
    result = run("rmat:n=500,edges=8,seed=1", "poisson3d:n=4", "--json", str(file))
    assert result.exit_code == 0, result.output
    record = json.loads(file.read_text())
    assert record["schema"] == "hwloop.ablation/1"
    assert [row["name"] for row in record["matrices"]] == ["rmat:n=500,edges=8,seed=1", "poisson3d:n=4"]
    assert record["matrices"][0]["steps"][0]["name"] == "pipelined merge"
    assert "+ condensing" in result.output


def test_the_machine_that_is_taken_apart_can_be_set(tmp_path: Path) -> None:
    whole, small = tmp_path / "whole.json", tmp_path / "small.json"
    assert run("rmat:n=500,edges=8,seed=1", "--json", str(whole)).exit_code == 0
    assert run("rmat:n=500,edges=8,seed=1", "--set", "prefetch.lines=16", "--json", str(small)).exit_code == 0
    moved = [json.loads(file.read_text())["matrices"][0]["steps"][3]["dram_bytes"] for file in (whole, small)]
    assert moved[1] > moved[0]


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    for arguments in ((), ("poisson3d:n=4", "--set", "prefetch.line=1"), ("poisson3d:m=4",)):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
    result = run("poisson3d:n=4", "--json", str(tmp_path / "none" / "x.json"))
    assert (result.exit_code, "there is no folder" in result.stderr) == (2, True)
