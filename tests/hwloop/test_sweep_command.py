"""`hwloop sweep`: a file and a table out; what is wrong stops before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.suitesparse.rmat_study import rmat_specs
from hwloop.cli import main

MATRIX = "poisson3d:n=4"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of other tests are not found."""
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))


def run(*arguments: str) -> Result:
    """The whole command line, in this process."""
    return CliRunner().invoke(main, ["sweep", "--workers", "1", *arguments])


def test_a_grid_of_two_axes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    axes = ("--set", "merge_tree.ways=8,64", "--set", "prefetch.lines=64,1024")
    result = run(MATRIX, *axes, "--out", str(out))
    assert result.exit_code == 0, result.output
    record = json.loads((out / "sweep.json").read_text())
    assert [machine["settings"] for machine in record["machines"]] == [
        {"merge_tree.ways": ways, "prefetch.lines": lines} for ways in (8, 64) for lines in (64, 1024)
    ]
    assert record["one_at_a_time"] is False
    assert "ways=8, lines=64" in result.output


def test_each_axis_alone(tmp_path: Path) -> None:
    axes = ("--set", "merge_tree.ways=8,64", "--set", "prefetch.lines=64,1024", "--each")
    assert run(MATRIX, *axes, "--out", str(tmp_path / "out")).exit_code == 0
    record = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert len(record["machines"]) == 4
    assert record["axes"][1] == {"names": ["prefetch.lines"], "values": [[64], [1024]]}


def test_a_configuration_file_is_the_machine_that_is_varied(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text("[merge_tree]\nways = 32\n")
    axes = ("--set", "prefetch.lines=64", "--config", str(file))
    assert run(MATRIX, *axes, "--out", str(tmp_path / "out")).exit_code == 0
    record = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert record["machines"][0]["config"]["merge_tree"]["ways"] == 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("poisson3d:n=4", "--set", "merge_tree.way=8"), "unknown setting 'merge_tree.way'; nearest: merge_tree.ways"),
        (("poisson3d:n=4", "--set", "merge_tree.ways=7"), "merge_tree.ways = 7"),
        (("wiki-Vot", "--set", "merge_tree.ways=8"), "wiki-Vot"),
        (("--set", "merge_tree.ways=8"), "no matrix named; nearest: --suite sparch20"),
        (("--suite", "sparch2", "--set", "merge_tree.ways=8"), "no suite called 'sparch2'; nearest: sparch20"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments, "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    result = run(MATRIX, "--set", "merge_tree.ways=8", "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "it is not a folder" in result.stderr
    assert (tmp_path / "out").read_text() == "mine"


def test_an_interrupt_says_that_work_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.suitesparse.sweep.run_points", stop)
    result = run(MATRIX, "--set", "merge_tree.ways=8", "--out", str(tmp_path / "out"))
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == (
        "interrupted; what was finished is kept, run the same command again to go on"
    )


def test_the_scaling_study_leaves_out_what_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.suitesparse.rmat_study.NODES", (100, 200, 4000))
    monkeypatch.setattr("benchmarks.suitesparse.rmat_study.EDGES", (4,))
    monkeypatch.setitem(rmat_specs.__kwdefaults__, "most_multiplications", 20_000)
    result = run("--rmat-study", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out" / "rmat.json").read_text())
    assert [point["matrix"] for point in record["points"]] == ["rmat:n=100,edges=4,seed=1", "rmat:n=200,edges=4,seed=1"]
    assert "n=4000,edges=4" in result.stderr
    assert all(point["scipy_s"] > 0 for point in record["points"])
    assert (record["axes"], record["one_at_a_time"]) == ([], False)
    assert CliRunner().invoke(main, ["report", str(tmp_path / "out")]).exit_code == 0
