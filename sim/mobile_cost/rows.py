"""Reading CSV tables of measurements: columns checked, numbers checked, one line for every fault."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from sim.errors import InputError, nearest


def read_rows(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Rows of a CSV file by column name. Raises InputError: unreadable, empty, or a column missing."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            found = list(reader.fieldnames or ())
            rows = list(reader)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV table: {error}") from None
    for name in columns:
        if name not in found:
            raise InputError(f"{path}: column {name!r} is missing{nearest(name, found)}")
    if not rows:
        raise InputError(f"{path}: no rows")
    return rows


def number(row: Mapping[str, str], column: str, path: Path) -> float:
    """A cell as a number, NaN where it is empty. Raises InputError naming file, column and value."""
    text = row[column]
    if text in ("", None):
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{path}: column {column!r} holds {text!r}, not a number") from None
