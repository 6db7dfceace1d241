"""Figures in the documents are those of the records that are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis.documents import DOCUMENTS, fill

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tables_are_those_of_their_records(document: str, tmp_path: Path) -> None:
    again = tmp_path / "again.md"
    shutil.copy(ROOT / document, again)
    filled = fill(document, ROOT, again)
    assert again.read_text(encoding="utf-8") == (ROOT / document).read_text(encoding="utf-8")
    text = again.read_text(encoding="utf-8")
    for name in DOCUMENTS[document][1]:
        begin, end = (text.index(f"<!-- {mark}{name} -->") for mark in ("", "/"))
        assert (name in filled) == ("not measured yet" not in text[begin:end]), name


def test_records_say_nothing_of_where_they_were_made() -> None:
    for record in (ROOT / "docs" / "records").iterdir():
        assert '"/' not in record.read_text(encoding="utf-8"), record.name
