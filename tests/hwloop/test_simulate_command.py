"""`hwloop simulate`: what it prints and writes, and the one line for every bad input, with nothing written."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from click.testing import CliRunner

from benchmarks.suitesparse import load_matrix
from benchmarks.suitesparse.readers import read_matrix
from hwloop import progress
from hwloop.cli import main
from sim.result import SimulationResult

RECIPE = "uniform:n=60,density=0.1,seed=3"
BANNER = "%%MatrixMarket matrix coordinate real general\n"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without data folders, downloads or the network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HWLOOP_DATA", "")
    monkeypatch.setenv("HWLOOP_SUITESPARSE_URL", "http://127.0.0.1:9")
    return tmp_path


def run(*arguments: str) -> Any:
    """Outcome of ``hwloop simulate``."""
    return CliRunner().invoke(main, ["simulate", *arguments])


def test_summary(work: Path) -> None:
    result = run(RECIPE)
    assert result.exit_code == 0, result.output
    assert "verified" in result.stdout
    assert "60" in result.stdout
    assert list(work.iterdir()) == []


def test_json_alone_on_standard_output(work: Path) -> None:
    result = run(RECIPE, "--json", "-")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert record["matrix"]["name"] == RECIPE
    assert record["matrix"]["sha256"] == load_matrix(RECIPE).sha256
    assert list(work.iterdir()) == []


def test_all_outputs_together(work: Path) -> None:
    files = ["--json", "r.json", "--save-product", "p.npz", "--trace", "t.json"]
    result = run(RECIPE, *files, "--set", "merge_tree.ways=4")
    assert result.exit_code == 0, result.output
    assert sorted(one.name for one in work.iterdir()) == ["p.npz", "r.json", "t.json"]
    record = SimulationResult.load(work / "r.json")
    assert record.config["merge_tree"]["ways"] == 4
    a = load_matrix(RECIPE).csr
    product = read_matrix(work / "p.npz")
    assert product.nnz == record.output_nnz
    np.testing.assert_allclose(product.toarray(), (a @ a).toarray(), rtol=1e-12)
    assert json.loads((work / "t.json").read_text())["traceEvents"]


def test_product_as_matrix_market(work: Path) -> None:
    assert run(RECIPE, "--save-product", "p.mtx").exit_code == 0
    a = load_matrix(RECIPE).csr
    np.testing.assert_allclose(read_matrix(work / "p.mtx").toarray(), (a @ a).toarray(), rtol=1e-12)


def test_models_and_two_operands(work: Path) -> None:
    other = "banded:n=60,width=3,seed=1"
    records = [json.loads(run(RECIPE, other, "--model", m, "--json", "-").stdout) for m in ("event", "cycle")]
    assert [one["model"] for one in records] == ["event", "cycle"]
    assert records[0]["dram_bytes"] == records[1]["dram_bytes"]
    assert records[0]["matrix"]["b"]["name"] == other


def test_no_verify(work: Path) -> None:
    record = json.loads(run(RECIPE, "--no-verify", "--json", "-").stdout)
    assert record["verified"] is None
    assert record["wall_s"]["scipy"] is None
    assert run(RECIPE, "--no-verify").exit_code == 0


def test_config_file_and_settings(work: Path) -> None:
    (work / "m.toml").write_text("condensing = false\n[dram]\nchannels = 4\n")
    settings = ["--config", "m.toml", "--set", "dram.channels=2", "--set", "dram.channels=8"]
    config = json.loads(run(RECIPE, *settings, "--json", "-").stdout)["config"]
    assert (config["condensing"], config["dram"]["channels"]) == (False, 8)


def test_flags_are_warnings(work: Path) -> None:
    result = run(RECIPE, "--set", "merge_tree.fifo_depth=20", "--json", "-")
    assert result.exit_code == 0
    assert "warning: use the cycle model" in result.stderr
    assert json.loads(result.stdout)["flags"]


def test_seed(work: Path) -> None:
    record = json.loads(run("rmat:n=64,edges=2", "--seed", "5", "--json", "-").stdout)
    assert (record["seed"], record["matrix"]["name"]) == (5, "rmat:n=64,edges=2,seed=5")


WORKING = {
    "empty": "0 0 0\n",
    "no entries": "3 3 0\n",
    "1x1": "1 1 1\n1 1 2\n",
    "rectangular": "2 3 2\n1 1 2\n2 3 4\n",
    "zeros": "2 2 2\n1 1 0\n2 1 1\n",
    "duplicates": "2 2 3\n1 1 1\n1 1 2\n2 2 1\n",
    "cancellation": "2 2 4\n1 1 1\n1 2 1\n2 1 -1\n2 2 -1\n",
    "dense row": "4 4 5\n1 1 1\n1 2 1\n1 3 1\n1 4 1\n3 3 1\n",
}


@pytest.mark.parametrize("model", ["event", "cycle"])
@pytest.mark.parametrize("kind", WORKING)
def test_unusual_matrices_work(work: Path, kind: str, model: str) -> None:
    (work / "m.mtx").write_text(BANNER + WORKING[kind])
    result = run("m.mtx", "--model", model)
    assert result.exit_code == 0, result.output
    assert "verified" in result.stdout


def bad_files(folder: Path) -> dict[str, str]:
    """Files that are no matrix, and a word of the line that says so."""
    text = BANNER + "3 3 2\n1 1 1\n2 2 2\n"
    files: dict[str, tuple[bytes, str]] = {
        "text.mtx": (b"hello\n", "MatrixMarket"),
        "empty.mtx": (b"", "empty"),
        "cut.mtx.gz": (gzip.compress(text.encode() * 50)[:-20], ""),
        "body.mtx": (text[:-6].encode(), ""),
        "promise.mtx": (text.replace("3 3 2", "3 3 5").encode(), ""),
        "range.mtx": (text.replace("2 2 2", "2 4 2").encode(), ""),
        "zero.mtx": (text.replace("1 1 1", "0 1 1").encode(), ""),
        "nan.mtx": (text.replace("2 2 2", "2 2 nan").encode(), ""),
        "inf.mtx": (text.replace("2 2 2", "2 2 inf").encode(), ""),
        "complex.mtx": (b"%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 1\n", "complex"),
        "dense.mtx": (b"%%MatrixMarket matrix array real general\n1 1\n1\n", "array"),
        "huge.mtx": (text.replace("3 3 2", "9000000000000 3 2").encode(), "memory"),
        "noise.npz": (os.urandom(64), ""),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    np.savez(folder / "objects.npz", data=np.array([None, {}], dtype=object))
    np.savez(folder / "other.npz", x=np.ones(3))
    return {
        **{name: words for name, (_, words) in files.items()},
        "objects.npz": "",
        "other.npz": "",
        "absent.mtx": "no file",
    }


BAD_FILES = (
    *("text.mtx", "empty.mtx", "cut.mtx.gz", "body.mtx", "promise.mtx", "range.mtx", "zero.mtx", "nan.mtx", "inf.mtx"),
    *("complex.mtx", "dense.mtx", "huge.mtx", "noise.npz", "objects.npz", "other.npz", "absent.mtx"),
)
OUTPUTS = ("--json", "r.json", "--save-product", "p.npz", "--trace", "t.json")


def refuse(work: Path, *arguments: str) -> str:
    """The one line of a run that is refused and writes nothing."""
    before = sorted(work.rglob("*"))
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert sorted(work.rglob("*")) == before
    return line


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(work: Path, name: str) -> None:
    words = bad_files(work)[name]
    line = refuse(work, name, *OUTPUTS)
    assert name in line
    assert words in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["wiki-Vot"], "nearest: wiki-Vote"),
        (["rmat:n=0,edges=1"], "n"),
        (["rmatt:n=10,edges=1"], "nearest: rmat"),
        ([""], "no matrix named"),
        (["uniform:n=4,density=1", "uniform:n=5,density=1"], "do not multiply: 4 x 4 times 5 x 5; B needs 4 rows"),
        ([RECIPE, "--set", "merge_tree.way=4"], "nearest: merge_tree.ways"),
        ([RECIPE, "--set", "merge_tree.ways"], "no '='"),
        ([RECIPE, "--set", "merge_tree.ways=5"], "merge_tree.ways = 5"),
        ([RECIPE, "--set", "merge_tree.ways=4096"], "merge_tree.ways = 4096"),
        ([RECIPE, "--set", "merge_tree.ways=many"], "merge_tree.ways = 'many'"),
        ([RECIPE, "--set", "dram.latency_cycles=-1"], "dram.latency_cycles = -1"),
        ([RECIPE, "--config", "absent.toml"], "absent.toml"),
        ([RECIPE, "--model", "event2"], "nearest: event"),
        ([RECIPE, "--accelerator", "outerspace", "--model", "cycle"], "nearest: event"),
        ([RECIPE, "--accelerator", "outerspace", "--set", "merge_tree.ways=4"], "unknown setting 'merge_tree.ways'"),
        ([RECIPE, "--accelerator", "outerspace", "--set", "pes.tile=4"], "nearest: pes.tiles"),
        ([RECIPE, "--accelerator", "sparsh"], "nearest: sparch"),
        ([RECIPE, "--trace", "t.json", "--model", "cycle"], "no time line"),
        ([RECIPE, "--json", "absent/r.json"], "there is no folder 'absent'"),
        ([RECIPE, "--json", "."], "it is a folder"),
        ([RECIPE, "--save-product", "p.csv"], "unknown suffix '.csv'"),
        ([RECIPE, "--save-product", "absent/p.npz"], "there is no folder"),
        ([RECIPE, "--trace", "absent/t.json"], "there is no folder"),
        ([RECIPE, "--trace", "t.json", "--json", "./t.json"], "two outputs"),
    ],
)
def test_bad_arguments(work: Path, arguments: list[str], words: str) -> None:
    assert words in refuse(work, *arguments)


def test_bad_configuration_file(work: Path) -> None:
    (work / "m.toml").write_text("[merge_tree\n")
    assert "not TOML" in refuse(work, RECIPE, "--config", "m.toml", *OUTPUTS)
    (work / "m.toml").write_text("[merge_tree]\nway = 4\n")
    assert "nearest: merge_tree.ways" in refuse(work, RECIPE, "--config", "m.toml", *OUTPUTS)


def test_a_failing_output_takes_the_others_along(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("analysis.timeline.write_trace", full)
    assert "No space left" in refuse(work, RECIPE, *OUTPUTS)


def test_interrupt(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.suitesparse.runner.simulate", interrupt)
    result = run(RECIPE, *OUTPUTS)
    assert (result.exit_code, result.stdout) == (130, "")
    assert len(result.stderr.splitlines()) == 1
    assert list(work.iterdir()) == []


def test_compiling_is_announced(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.Progress("event") as show:
        monkeypatch.setattr(progress, "kernels_are_cached", lambda model: False)
        show("compile", 0, 1)
        show("compile", 1, 1)
        show("plan", 1, 2)
        assert capsys.readouterr() == ("", progress.COMPILING + "\n")
        monkeypatch.setattr(progress, "kernels_are_cached", lambda model: True)
        show("compile", 0, 1)
        assert capsys.readouterr() == ("", "")


def test_bar_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.Progress() as show:
        show("plan", 1, 2)
        show("event", 0, 2)
        show("event", 2, 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "simulating" in shown.err


def test_kernels_on_disk_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path), raising=False)
    assert not progress.kernels_are_cached("event")
    (tmp_path / "sparch_0").mkdir()
    (tmp_path / "sparch_0" / "product._merge-169.py311.nbi").touch()
    assert progress.kernels_are_cached("event")
    assert not progress.kernels_are_cached("cycle")
    (tmp_path / "sparch_0" / "cycle_model._run-114.py311.nbi").touch()
    assert progress.kernels_are_cached("cycle")


def test_works_from_another_folder_with_modules_of_the_same_names(work: Path) -> None:
    (work / "sim.py").write_text("raise ImportError('the wrong one')\n")
    root = Path(__file__).parents[2]
    code = f"import sys; sys.path.insert(0, {str(root)!r}); from hwloop.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "simulate", RECIPE], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


def test_a_saved_product_multiplies_again(work: Path) -> None:
    sp.save_npz(work / "a.npz", sp.eye_array(5).tocsr())
    assert run("a.npz", "--save-product", "b.npz").exit_code == 0
    assert run("b.npz", "a.npz").exit_code == 0
