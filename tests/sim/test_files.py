"""Files appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim.errors import InputError
from sim.files import atomic_path, require_writable, write_text


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(one.name for one in folder.iterdir())


def test_replaces_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "one")
    write_text(path, "zwei ✓")
    assert path.read_text(encoding="utf-8") == "zwei ✓"
    assert names(tmp_path) == ["a.txt"]


def test_a_failure_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as fresh:
            assert (fresh.parent, fresh.suffix) == (tmp_path, ".npz")
            fresh.write_text("half")
            raise KeyError("in the middle")

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.npz"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_path(tmp_path / "a.txt"):
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"cannot write .*No space left"):
        fail()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [("absent/a.txt", "there is no folder"), (".", "it is a folder"), ("a" * 300, "name too long"), ("\0", "null")],
)
def test_impossible_places(tmp_path: Path, path: str, words: str) -> None:
    place = path if "\0" in path else tmp_path / path
    if words == "name too long":
        with pytest.raises(InputError, match="cannot write"):
            write_text(place, "")
        return
    with pytest.raises(InputError, match=words):
        require_writable(place)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may write anywhere, so the answer of the system is stood in for."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    require_writable(tmp_path.parent / "a.txt")
    with pytest.raises(InputError, match="no permission"):
        require_writable(tmp_path / "a.txt")
