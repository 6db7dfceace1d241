"""The order of the search: data folders as given, each before its subfolder, npz before text; then the cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.suitesparse import locate


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("HWLOOP_DATA", os.pathsep.join([str(first), str(second)]))
    candidates = [
        folder / f"x{suffix}"
        for base in (first, second)
        for folder in (base, base / "matrices")
        for suffix in (".npz", ".mtx", ".mtx.gz")
    ]
    for path in reversed(candidates):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        assert locate.find_in_data_folders("x") == path


def test_only_bare_words_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "x.mtx").write_text("")
    monkeypatch.setenv("HWLOOP_DATA", str(tmp_path / "data"))
    for name in ("../x", "", str(tmp_path / "x"), "a\0b", ".."):
        assert locate.find_in_data_folders(name) is None


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    assert locate.cached_file("x") == tmp_path / "matrices" / "x.npz"
    monkeypatch.delenv("HWLOOP_CACHE")
    assert locate.cache_folder().parts[-2:] == ("hwloop", "matrices")
    assert locate.cached_file("x", tmp_path) == tmp_path / "x.npz"


def test_describe_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWLOOP_DATA", "")
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    assert locate.describe_copy("x") is None
    (tmp_path / "matrices").mkdir()
    (tmp_path / "matrices" / "x.npz").write_text("")
    assert locate.describe_copy("x") == str(tmp_path / "matrices" / "x.npz")
