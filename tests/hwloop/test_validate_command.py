"""`hwloop validate`: the agreed rows as JSON and one table, a test folder, and refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwloop.cli import main

KEYS = {"check", "set", "device", "n", "mape", "median_ape", "within_5", "within_10", "spearman", "coverage_90"}


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@pytest.mark.slow
def test_rows_and_table(capsys: pytest.CaptureFixture[str], shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    folder = str(shared_data / "latency")
    code, out, err = run(capsys, "validate", "--train", folder, "--only", "zynq", "--json", str(path))
    (row,) = json.loads(path.read_text())["rows"]
    assert (code, err) == (0, "")
    assert set(row) >= KEYS
    assert set(row["baselines"]) == {"macs_only", "linear_counts", "constant_power"}
    assert (row["check"], row["device"]) == ("zynq-table", "zynq-dpu")
    assert row["meets"] == ("aim" if row["mape"] <= 4.0 else "required" if row["mape"] <= 10.0 else "missed")
    line = next(line for line in out.splitlines() if line.startswith("zynq-table"))
    for figure in (f"{row['mape']:.2f}", f"{row['spearman']:.4f}", f"{row['baselines']['macs_only']:.1f}"):
        assert figure in line


def test_a_test_folder_is_scored_whole(capsys: pytest.CaptureFixture[str], shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "latency" / "op_luts" / "pixel1_proxyless_mobilenetv2.csv"
    head, *rows = source.read_text().splitlines(keepends=True)
    for folder, name, kept in (("train", source.name, rows[::2]), ("test", f"{source.stem}_heldout.csv", rows[1::2])):
        (tmp_path / folder / "op_luts").mkdir(parents=True)
        (tmp_path / folder / "op_luts" / name).write_text(head + "".join(kept))
    args = ("--train", str(tmp_path / "train"), "--test", str(tmp_path / "test"), "--json", "-")
    code, out, _ = run(capsys, "validate", *args)
    (row,) = json.loads(out)["rows"]
    assert code == 0
    assert row["check"] == "pixel1-table"
    assert 0 < row["n"] <= len(rows[1::2])
    assert row["mape"] < row["baselines"]["macs_only"]


def test_a_set_that_is_not_there(capsys: pytest.CaptureFixture[str], shared_data: Path) -> None:
    code, out, err = run(capsys, "validate", "--train", str(shared_data / "latency"), "--only", "zinq")
    assert (code, out) == (2, "")
    assert "no set 'zinq'" in err
    assert "nearest: zynq" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--train", "none"], "no folder 'none'"),
        (["--train", "."], "nothing to read in '.'"),
        (["--train", ".", "--test", "none"], "no folder 'none'"),
        (["--train", ".", "--json", "none/v.json"], "there is no folder"),
        ([], "--train"),
    ],
)
def test_refusals_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "validate", *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert words in err
    assert err.count("\n") == 1
