"""Entries that are believed only when they are sound, and a journal of what was computed."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from sim.cache import ResultCache, code_fingerprint, fingerprint
from sim.errors import InputError


def test_what_was_put_is_there(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    key = fingerprint("x", 1)
    assert cache.get(key) is None
    cache.put(key, {"cycles": 7, "parts": [1, 2.5, None]}, seconds=1.5)
    assert ResultCache(tmp_path).get(key) == {"cycles": 7, "parts": [1, 2.5, None]}
    assert [(note["key"], note["seconds"]) for note in cache.journal()] == [(key, 1.5)]


def test_the_second_call_computes_nothing(tmp_path: Path) -> None:
    cache, calls = ResultCache(tmp_path), []
    for _ in range(2):
        value, _ = cache.get_or_compute("ab" * 32, lambda: calls.append(1) or {"n": len(calls)})
        assert value == {"n": 1}
    assert len(calls) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"cycles": 7', '"cycles": 8'),
        lambda text: text.replace("hwloop.cache/1", "hwloop.cache/0"),
        lambda text: "[]",
        lambda text: "",
        lambda text: "[" * 100_000,
    ],
)
def test_a_damaged_entry_is_computed_again(tmp_path: Path, damage) -> None:
    cache, key = ResultCache(tmp_path), fingerprint("x")
    cache.put(key, {"cycles": 7})
    (file,) = tmp_path.glob("*/*.json")
    file.write_text(damage(file.read_text()))
    assert cache.get(key) is None
    assert cache.get_or_compute(key, lambda: {"cycles": 9}) == ({"cycles": 9}, False)
    assert cache.get(key) == {"cycles": 9}


def test_an_entry_under_another_name_is_not_believed(tmp_path: Path) -> None:
    cache, key, other = ResultCache(tmp_path), fingerprint("x"), fingerprint("y")
    cache.put(key, {"cycles": 7})
    (file,) = tmp_path.glob("*/*.json")
    target = tmp_path / other[:2] / f"{other}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(file.read_bytes())
    assert cache.get(other) is None


def test_the_order_of_keys_does_not_count_but_all_else_does() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert len({fingerprint({"a": 1}), fingerprint({"a": 1.5}), fingerprint({"a": "1"}), fingerprint("a", 1)}) == 4


def test_code_fingerprints_tell_packages_apart() -> None:
    assert code_fingerprint("sim.sparch") != code_fingerprint("sim.hbm")
    assert code_fingerprint("sim.hbm") == code_fingerprint("sim.hbm")
    with pytest.raises(InputError, match=r"no sources of 'sim\.nothing'"):
        code_fingerprint("sim.nothing")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the cache"):
        ResultCache(tmp_path / "file").put(fingerprint("x"), 1)


def write_many(folder: str, first: int) -> None:
    """In a child: put the same forty keys as the other child does."""
    cache = ResultCache(folder)
    for place in range(40):
        cache.put(fingerprint(place), {"place": place, "padding": "x" * 10_000})


def test_two_processes_may_write_the_same_keys(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(str(tmp_path), first)) for first in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    cache = ResultCache(tmp_path)
    assert all(cache.get(fingerprint(place))["place"] == place for place in range(40))
    assert len(list(cache.journal())) == 80
    assert not list(tmp_path.glob("*/.*"))


def test_a_torn_line_of_the_journal_is_left_out(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    cache.put(fingerprint("x"), 1)
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"key": "ab')
    assert len(list(cache.journal())) == 1
    assert json.loads((tmp_path / "journal.jsonl").read_text().splitlines()[0])["pid"] > 0
