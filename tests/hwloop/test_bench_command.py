"""`hwloop bench`: a file and tables out; what is wrong stops before anything runs."""

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
    return CliRunner().invoke(main, ["bench", "--workers", "1", *arguments])


def test_simulators_and_a_library_side_by_side(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("poisson3d:n=5", "--baselines", "scipy", "--budget-s", "0.01", "--out", str(out))
    assert result.exit_code == 0, result.output
    record = json.loads((out / "bench.json").read_text())
    assert record["schema"] == "hwloop.bench/1"
    assert list(record["matrices"][0]["libraries"]) == ["scipy x1"]
    assert record["date_utc"].startswith("20")
    for words in ("speed-up over OuterSPACE", "fastest", "DRAM saving", "implied"):
        assert words in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("poisson3d:n=4", "--baselines", "scpy"), "unknown baseline 'scpy'"),
        (("poisson3d:n=4", "--baselines", "scipy", "--threads", "two"), "--threads 'two' is not a list of numbers"),
        (("poisson3d:n=4", "--baselines", "scipy", "--threads", "100000"), "100000 threads"),
        (("poisson3d:n=4", "--baselines", "scipy", "--budget-s", "0"), "budget_s"),
        ((), "no matrix named; nearest: --suite sparch20"),
        (("--suite", "sparch"), "no suite called 'sparch'"),
        (("poisson3d:n=4", "--set", "merge_tree.way=8"), "unknown setting"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments, "--out", str(tmp_path / "out"))
    assert result.exit_code == 2, result.output
    assert message in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
