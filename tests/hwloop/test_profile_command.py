"""`hwloop profile`: a profile of this machine that `predict` reads; faults end in one line and write nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwloop.cli import main

TINY = ("--budget-s", "0.4", "--threads", "1", "--networks", "zoo/mobilenet_v3_small@64,zoo/squeezenet1_1@64")


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(args))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@pytest.mark.slow
def test_this_machine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "here.toml"
    code, text, _ = run(capsys, "profile", "--out", str(out), *TINY, "--json", "-")
    record = json.loads(text)
    assert code == 0
    assert (record["device"]["name"], record["device"]["label"]) == ("here", "measured")
    assert [one["network"] for one in record["networks"]] == ["zoo/mobilenet_v3_small@64", "zoo/squeezenet1_1@64"]
    for one in record["networks"]:
        assert one["error"] == pytest.approx(one["predicted_s"] / one["measured_s"] - 1)
        assert one["predicted_low_s"] <= one["predicted_s"] <= one["predicted_high_s"]
    assert record["errors"]["largest"] == pytest.approx(max(abs(one["error"]) for one in record["networks"]))
    assert [path.name for path in tmp_path.iterdir()] == ["here.toml"]
    code, text, _ = run(capsys, "predict", "zoo/mobilenet_v3_small@64", "--device-file", str(out), "--json", "-")
    again = json.loads(text)["networks"][0]
    assert again["latency_s"] == pytest.approx(record["networks"][0]["predicted_s"], rel=1e-3)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--out", "d.csv"), "a profile is a .toml or .json file, got 'd.csv'; nearest: d.toml"),
        (("--out", "no/such/d.toml"), "there is no folder"),
        (("--out", "d.toml", "--threads", "0"), "threads, batch_size and budget_s must be positive"),
        (("--out", "d.toml", "--dtype", "float23"), "no dtype 'float23' to measure; nearest: float32"),
        (("--out", "d.toml", "--networks", "zoo/mobilnet_v2"), "nearest: zoo/mobilenet_v2"),
        (("--out", "d.toml", "--target", "gpu"), "no target 'gpu' to measure"),
        ((), "Missing option '--out'"),
    ],
)
def test_bad_input(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    words: str,
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "profile", *args)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
