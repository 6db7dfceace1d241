"""`hwloop search lite-transformer --deliver`: winners as folders that translate, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from hwloop.cli import main
from models.lite_transformer import runs
from models.lite_transformer.deliver import Delivery
from models.lite_transformer.translate import load_ready
from sim.errors import ConfigError

SEARCH = ["search", "lite-transformer", "--device", "raspberry-pi-4-torch", "--max-latency-ms", "25%,75%"]
SMALL = ["--population", "8", "--generations", "1"]


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*SEARCH, *SMALL, *words])
    return int(stop.value.code or 0)


def test_each_winner_is_a_folder_that_translates(
    shipped_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "shipped_root", lambda: shipped_root)
    assert run("--deliver", "--out", str(tmp_path / "nets")) == 0  # space and weights: what ships
    record = json.loads((tmp_path / "nets" / "search.json").read_text(encoding="utf-8"))
    folders = [Path(one["best"]["measured"]["folder"]) for one in record["searches"]]
    assert [one.name for one in folders] == ["raspberry-pi-4-torch-25pct", "raspberry-pi-4-torch-75pct"]
    for one, folder in zip(record["searches"], folders, strict=True):
        ready = load_ready(folder)
        params = sum(part.numel() for part in ready.model.body())
        assert params == one["best"]["measured"]["params"]
        assert one["best"]["measured"]["latency_s"] is None  # no Raspberry Pi here
        assert len(ready(["one text"])) == 1
    assert record["supernet"]["folder"] == str(shipped_root / "supernet")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--finalists", "3"], "--finalists 3 says nothing to lite-transformer"),
        (["--finetune-epochs", "2"], "models.lite_transformer.finals"),
        (["--data", "text"], "--data text says nothing to lite-transformer"),
        (["--supernet", "nowhere"], "--supernet nowhere is no finished run"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], said: str, supernet_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--space", str(supernet_run), *words, "--deliver", "--out", str(tmp_path / "nets")) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "nets").exists()


def test_weights_of_another_space_are_refused(supernet_run: Path) -> None:
    with pytest.raises(ConfigError, match="is of space 'mini', not 'paper'"):
        Delivery("paper", str(supernet_run))
