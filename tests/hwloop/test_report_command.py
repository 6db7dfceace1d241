"""`hwloop report` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hwloop.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sweep of two machines, made up."""
    machine = {"energy_nj_per_flop": 1.0, "area_mm2": 28.0, "pareto": True, "hit_rate": 0.5, "dram_over_ideal": 1.2}
    record: dict[str, Any] = {
        "schema": "hwloop.sweep/1",
        "version": "0.1.0",
        "seed": None,
        "matrices": ["toy"],
        "machines": [
            {**machine, "settings": {"merge_tree.ways": 32}, "gflops": 8.0},
            {**machine, "settings": {"merge_tree.ways": 64}, "gflops": 8.2, "area_mm2": 29.0},
        ],
        "points": [{"matrix": "toy", "gflops": 8.0, "seconds": 1.0, "scipy_s": None}] * 2,
        "axes": [{"names": ["merge_tree.ways"], "values": [[32], [64]]}],
        "one_at_a_time": True,
    }
    (tmp_path / "sweep.json").write_text(json.dumps(record))
    return tmp_path


def test_it_writes_the_page_and_says_where(folder: Path) -> None:
    result = run(str(folder))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"wrote {folder / 'report.html'}\n"
    assert "merge tree ways = 32" in (folder / "report.html").read_text(encoding="utf-8")


def test_out_names_the_page(folder: Path) -> None:
    assert run(str(folder), "--out", str(folder / "p.html")).exit_code == 0
    assert [path.name for path in sorted(folder.glob("*.html"))] == ["p.html"]


@pytest.mark.parametrize("arguments", [("nowhere",), (".", "--out", "no/such/folder/p.html"), (".",)])
def test_what_cannot_be_done_is_one_line(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_page_leaves_the_old_one(folder: Path) -> None:
    (folder / "report.html").mkdir()
    result = run(str(folder))
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
