"""`hwloop train`: one command that trains, goes on, and refuses in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

FEW = ["data.held_out=1800", "evaluation.curve_images=50", "evaluation.calibration_images=100", "batch=20"]
FEW += [f"{name}.epochs=0.3" for name in ("full", "kernel", "depth1", "depth2", "width1", "width2")]
SETTINGS = [part for one in FEW for part in ("--set", one)]
JUDGED = ["--set", "study.supernet=shipped"]
SMALL = ["--data", "fashion-mnist-small"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hwloop.cli", "train", *arguments]


def hwloop(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["ofo", "--config", "test"],
            "no family 'ofo' to train; one of ofa, ofa-predictor, gan, lite-transformer; nearest: ofa",
        ),
        (
            ["ofa", "--config", "tset"],
            "no configuration 'tset': one of mini, mini-hour, paper, test, or a .toml file; nearest: test",
        ),
        (["ofa", "--config", "test", "--set", "full.epoch=3"], "unknown setting 'full.epoch'; nearest: full.epochs"),
        (
            ["ofa", "--config", "test", "--data", "fashion"],
            "no data set and no folder 'fashion'; nearest: fashion-mnist",
        ),
        (["ofa", "--config", "mini", *JUDGED], "study.supernet is for a study; nearest: --study"),
        (
            ["ofa", "--config", "mini", "--study", *JUDGED, "--set", "full.epochs=2"],
            "--set full.epochs beside study.supernet: the settings of that supernet hold; leave it out",
        ),
        (
            ["ofa", "--config", "mini", "--study", *JUDGED, *SMALL, "--seed", "3"],
            "study.supernet = 'shipped' was trained with seed 0; nearest: --seed 0",
        ),
        (
            ["ofa", "--config", "mini", "--study", *JUDGED, *SMALL],
            "study.supernet = 'shipped' was trained on other data; nearest: --data with the images it saw",
        ),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    ran = hwloop(*arguments, "--out", str(tmp_path / "run"))
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"error: {message}\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = hwloop("ofa", "--config", "test", *SETTINGS, "--out", str(tmp_path / "whole"), "--json", "-")
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["schema"] == "hwloop.ofa-training/1"
    options = ["ofa", "--config", "test", *SETTINGS, "--out", str(tmp_path / "cut")]
    begun = subprocess.Popen(command(*options, "--set", "run.checkpoint_every_s=0.0"))
    checkpoint = tmp_path / "cut" / "checkpoint.safetensors"
    while not checkpoint.exists() and begun.poll() is None:
        time.sleep(0.01)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    assert checkpoint.exists()
    refused = hwloop(*options)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    gone_on = hwloop(*options, "--resume")
    assert gone_on.returncode == 0, gone_on.stderr
    assert (tmp_path / "cut" / "weights.safetensors").read_bytes() == (
        tmp_path / "whole" / "weights.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_a_study_makes_the_table_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "study"
    options = ["ofa", "--config", "test", "--study", *SETTINGS, "--set", "study.workers=1", "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command(*options), capture_output=True, text=True, timeout=600, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("supernet") == 6
    record = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in record["table"]] == ["largest", "75 %", "50 %", "25 %", "smallest"]
    assert record["whole_wall_s"] >= max(sum(one.values()) for one in record["wall_s"].values())
    macs = [row["macs"] for row in record["table"]]
    assert macs == sorted(macs, reverse=True)
    assert all(0 <= row[kind] <= 1 for row in record["table"] for kind in ("supernet", "sample_all", "alone"))
    before = {path: path.read_bytes() for path in out.rglob("*.safetensors")}
    (out / "study.json").unlink()
    (out / "alone_smallest" / "record.json").unlink()
    again = subprocess.run(command(*options, "--resume"), capture_output=True, text=True, timeout=600, env=environment)
    assert again.returncode == 0, again.stderr
    made_again = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert made_again["table"] == record["table"]
    assert made_again["whole_wall_s"] is None
    assert {path: path.read_bytes() for path in out.rglob("weights.safetensors")}.items() <= before.items()
    judged = ["--set", f"study.supernet={out / 'supernet' / 'weights.safetensors'}", "--set", "study.workers=1"]
    beside = ["ofa", "--config", "test", "--study", *judged, "--out", str(tmp_path / "beside"), "--json", "-"]
    ran = subprocess.run(command(*beside), capture_output=True, text=True, timeout=600, env=environment)
    assert ran.returncode == 0, ran.stderr
    known = [{key: value for key, value in row.items() if key != "sample_all"} for row in record["table"]]
    assert json.loads(ran.stdout)["table"] == known  # the same settings, data and passes, taken from the supernet
    other = hwloop(*options, "--resume", "--seed", "1")
    assert (other.returncode, other.stdout) == (2, "")
    assert "holds a run of seed 0, not 1" in other.stderr
