"""The demo ``gan``: what it says where nothing ships. The whole demo runs in tests/models/gan/test_deliver.py."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("onnxruntime")

from hwloop.cli import main
from models.gan import runs


@pytest.mark.parametrize(
    "arguments",
    [("demo", "gan"), ("search", "gan", "--space", "line-to-colour", "--device", "note10", "--max-latency-ms", "50%")],
)
def test_a_run_that_does_not_ship_yet_is_one_line(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "shipped_folder", lambda space: tmp_path / space)
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main([*arguments])
    told = capsys.readouterr()
    assert (stop.value.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith(
        "error: no run ships as 'line-to-colour' yet; nearest: hwloop train gan --config line-to-colour --study"
    )
    assert not (tmp_path / "cache").exists()  # nothing was measured first
