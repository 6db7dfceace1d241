"""Places in documents that tables fill: once or again, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.markdown import Record, fill_document, markdown_table
from sim.errors import InputError


def words(record: Record) -> str:
    return str(record["words"])


def test_a_place_is_filled_again_and_again(tmp_path: Path) -> None:
    page, record = tmp_path / "page.md", tmp_path / "r.json"
    page.write_text("a\n<!-- one -->\nold\n<!-- /one -->\nb\n", encoding="utf-8")
    for new in ("first", "second \\1"):
        record.write_text(f'{{"words": "{new.replace(chr(92), chr(92) * 2)}"}}', encoding="utf-8")
        fill_document(page, {"one": record}, {"one": words})
        assert page.read_text(encoding="utf-8") == f"a\n<!-- one -->\n{new}\n<!-- /one -->\nb\n"


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    page, record = tmp_path / "page.md", tmp_path / "r.json"
    page.write_text("nothing", encoding="utf-8")
    record.write_text('{"words": "x"}', encoding="utf-8")
    with pytest.raises(InputError, match="no table is called 'two'; one of one"):
        fill_document(page, {"two": record}, {"one": words})
    with pytest.raises(InputError, match="the document has no place for 'one'"):
        fill_document(page, {"one": record}, {"one": words})
    record.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no table 'one' can be made of"):
        fill_document(page, {"one": record}, {"one": words})
    with pytest.raises(InputError, match="cannot read"):
        fill_document(tmp_path / "none.md", {"one": record}, {"one": words})


def test_a_table() -> None:
    assert markdown_table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
