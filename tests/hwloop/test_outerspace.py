"""`--accelerator outerspace` on the command line: table, JSON, time line, explain, compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hwloop.cli import main

RECIPE = "rmat:n=200,edges=4,seed=1"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    """What a command that succeeds prints."""
    outcome = CliRunner().invoke(main, list(arguments))
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_simulate_explain_compare(work: Path) -> None:
    options = ("--accelerator", "outerspace")
    text = run("simulate", RECIPE, *options, "--set", "pes.tiles=8", "--json", "o.json", "--trace", "t.json")
    assert "on OuterSPACE" in text
    record = json.loads((work / "o.json").read_text())
    assert (record["accelerator"], record["config"]["pes"]["tiles"], record["prefetch"]) == ("outerspace", 8, None)
    assert json.loads((work / "t.json").read_text())["traceEvents"]
    assert "phase" in run("explain", "o.json")
    run("simulate", RECIPE, "--json", "s.json")
    text = run("compare", "s.json", "o.json")
    assert "accelerator: sparch -> outerspace" in text
    assert "time ms" in text


def test_definitions() -> None:
    assert "calibrated" in run("explain", "latency")
    assert "OuterSPACE" in run("explain", "units.merge_pes")
