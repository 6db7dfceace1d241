"""Tables as Markdown, and the places in a document that they fill.

A document has lines ``<!-- NAME -->`` and ``<!-- /NAME -->``; what stands between them is made of a record, so that no
figure is typed by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import InputError, nearest
from sim.files import write_text

Record = Mapping[str, Any]
Tables = Mapping[str, Callable[[Record], str]]
"""Name of a table in a document: what makes it of a record."""


def fill_document(path: str | Path, records: Mapping[str, str | Path], tables: Tables) -> None:
    """Put the tables of `records` (name in `tables`: JSON file) into the document at `path`. Raises InputError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    for name, file in records.items():
        if name not in tables:
            raise InputError(f"no table is called {name!r}; one of {', '.join(tables)}{nearest(name, tables)}")
        try:
            table = tables[name](json.loads(Path(file).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"no table {name!r} can be made of {str(file)!r}: {error!r}") from None
        text = fill(text, name, table)
    write_text(path, text)


def fill(text: str, name: str, table: str) -> str:
    """`text` with `table` between the lines of `name`. Raises InputError where there are none."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise InputError(f"the document has no place for {name!r}; nearest: lines <!-- {name} --> and <!-- /{name} -->")
    return pattern.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text)


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is words and whose others are figures."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
