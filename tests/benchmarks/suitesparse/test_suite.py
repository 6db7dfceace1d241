"""What stands for a matrix: a copy, a download, or its stand-in, and that the name says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.suitesparse import suite
from benchmarks.suitesparse.catalogue import names
from sim.errors import ConfigError, InputError


def test_without_network_and_copies_stand_ins_take_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_data: Path
) -> None:
    monkeypatch.setenv("HWLOOP_DATA", str(shared_data))
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    members = suite.suite_members("sparch20", download=False)
    assert sorted(member.name.removesuffix("~") for member in members) == sorted(names())
    assert all(member.name.endswith("~") != member.real for member in members)
    assert sum(member.real for member in members) == 8
    assert members[0].name == "p2p-Gnutella31"


def test_one_failed_download_stops_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_data: Path
) -> None:
    monkeypatch.setenv("HWLOOP_DATA", str(shared_data))
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    asked: list[str] = []
    notes: list[str] = []

    def offline(name: str) -> None:
        asked.append(name)
        raise InputError("offline")

    monkeypatch.setattr("benchmarks.suitesparse.fetch.fetch_matrix", offline)
    members = suite.suite_members("sparch20", note=notes.append)
    assert asked == ["patents_main"]
    assert sum(not member.real for member in members) == 12
    assert notes[0] == "fetching patents_main"
    assert "stand-ins (~) take the place of what is missing: offline" in notes[1]


def test_a_download_counts_as_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_data: Path) -> None:
    monkeypatch.setenv("HWLOOP_DATA", str(shared_data))
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    monkeypatch.setattr("benchmarks.suitesparse.fetch.fetch_matrix", lambda name: None)
    assert all(member.real for member in suite.suite_members("sparch20"))


def test_what_has_neither_copy_nor_stand_in_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWLOOP_DATA", "")
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path))
    notes: list[str] = []
    members = suite.suite_members("sparch20", download=False, note=notes.append)
    assert len(members) == 12
    assert len(notes) == 8
    assert notes[0].startswith("p2p-Gnutella31 is left out: no copy on this machine")


def test_an_unknown_suite_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no suite called 'sparch'; nearest: sparch20"):
        suite.suite_members("sparch")
