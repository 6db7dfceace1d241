"""Checkpoints: refused where they are of another search, or damaged, and never touched then."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.search.checkpoint import Checkpoint, require_fresh
from sim.errors import ConfigError, InputError

MINE = {"space": "toy 12", "device": ["note10 ab"], "seed": 0}


@pytest.mark.parametrize(("key", "value"), [("space", "toy 13"), ("device", ["pixel1 cd"]), ("seed", 1)])
def test_another_search_is_refused_and_stays(key: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    Checkpoint(path, {**MINE, key: value}).save("a", {"state": 1}, now=True)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=f"is of another {key}: .*nearest: another --out"):
        Checkpoint(path, MINE).resume()
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "x"}', '{"schema": "x", "identity": {}, "states": {}}'])
def test_a_damaged_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is no checkpoint"):
        Checkpoint(path, MINE).resume()


def test_without_a_file_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert not Checkpoint(tmp_path / "checkpoint.json", MINE).resume()
    require_fresh(tmp_path / "checkpoint.json")


def test_states_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "out" / "checkpoint.json"
    Checkpoint(path, MINE).save("a", {"state": [0.1 + 0.2, 2**120]}, now=True)
    again = Checkpoint(path, MINE)
    assert again.resume()
    assert again.states == {"a": {"state": [0.1 + 0.2, 2**120]}}
    with pytest.raises(ConfigError, match="is an unfinished search; nearest: --resume"):
        require_fresh(path)
