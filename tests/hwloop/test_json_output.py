"""Where results go: a file, standard output, or only words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwloop.json_output import deliver
from sim.errors import InputError


def test_a_file_and_words(tmp_path: Path) -> None:
    shown: list[str] = []
    deliver({"schema": "x", "name": "é"}, str(tmp_path / "r.json"), lambda: shown.append("words"))
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8")) == {"schema": "x", "name": "é"}
    assert shown == ["words"]


def test_standard_output_is_for_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []
    deliver({"schema": "x"}, "-", lambda: shown.append("words"))
    assert json.loads(capsys.readouterr().out) == {"schema": "x"}
    assert shown == []


def test_nothing_is_shown_when_the_file_cannot_be_written(tmp_path: Path) -> None:
    shown: list[str] = []
    with pytest.raises(InputError, match="cannot write"):
        deliver({}, str(tmp_path / "none" / "r.json"), lambda: shown.append("words"))
    assert shown == []
