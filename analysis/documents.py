"""The tables of the documents and the records that they are made of: filled by one command, and checked by a test.

    python -m analysis.documents

A table whose record is not here stays as it is. Run it where ``docs/`` is.
"""

from __future__ import annotations

from pathlib import Path

from analysis import gan_tables, lite_transformer_tables, ofa_tables
from analysis.markdown import fill_document
from sim.one_line import one_line_errors

_GAN = "models/gan/shipped/line-to-colour"
_TEXT = "models/lite_transformer/shipped"
DOCUMENTS = {
    "docs/gan.md": (
        gan_tables.TABLES,
        {
            "made-by": f"{_GAN}/made_by.json",
            "study": f"{_GAN}/study.json",
            "wanted": f"{_GAN}/study.json",
            "study-style": "docs/records/gan-style.json",
            "wanted-style": "docs/records/gan-style.json",
            "study-labels": "docs/records/gan-labels.json",
            "wanted-labels": "docs/records/gan-labels.json",
            "comparison": "docs/records/gan-compare.json",
            "misleading": "docs/records/gan-compare.json",
        },
    ),
    "docs/ofa.md": (
        ofa_tables.TABLES,
        {
            "made-by": "docs/records/ofa-predictor.json",
            "hour-study": "docs/records/ofa-hour-study.json",
            "study": "docs/records/ofa-study.json",
            "shipped-study": "docs/records/ofa-shipped-study.json",
            "predictor": "docs/records/ofa-predictor.json",
            "comparison": "docs/records/ofa-compare.json",
            "published": "docs/records/ofa-published.json",
        },
    ),
    "docs/lite_transformer.md": (
        lite_transformer_tables.TABLES,
        {
            "made-by": f"{_TEXT}/made_by.json",
            "study": f"{_TEXT}/translation/study.json",
            "finals": "docs/records/text-finals.json",
            "finals-host": "docs/records/text-finals-host.json",
            "curve": "docs/records/text-curve.json",
            "sparch": "docs/records/text-sparch.json",
            "speed": "docs/records/text-speed.json",
        },
    ),
}
"""Document: the tables that it may hold, and the record of each."""


def fill(document: str, root: Path, out: Path) -> list[str]:
    """Put the tables of `document`, whose records are under `root`, into the file `out`; the names of those that were
    filled. Raises InputError where one cannot be made."""
    tables, records = DOCUMENTS[document]
    there = {name: root / file for name, file in records.items() if (root / file).is_file()}
    fill_document(out, there, tables)
    return list(there)


def main() -> None:
    """The command of the docstring."""
    with one_line_errors():
        for document in DOCUMENTS:
            print(f"{document}: {', '.join(fill(document, Path(), Path(document)))}")


if __name__ == "__main__":
    main()
