"""A folder that ships with hwloop: made of finished runs, holding nothing else, its files counted and hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.files import write_text
from sim.one_line import one_line_errors

MADE_BY = "made_by.json"
"""Who made it: commands, seed, data, and what `sizes` says."""


def make_folder(out: Path, known: Collection[str]) -> None:
    """An empty folder of that name: files of `known` that are there, as paths in it, are made again and so removed.

    Raises InputError where it is a file, or holds anything else; then nothing is removed.
    """
    folders = {str(parent) for name in known for parent in Path(name).parents}
    try:
        for folder in sorted(folders):
            (out / folder).mkdir(parents=True, exist_ok=True)
        there = {str(one.relative_to(out)): one for one in sorted(out.rglob("*"))}
        other = [name for name in there if name not in known and name not in folders]
        if other:
            raise InputError(f"{str(out)!r} holds {other[0]!r}, which does not ship; nearest: an empty folder")
        for name, one in there.items():
            if name in known:
                one.unlink()
    except OSError as error:
        raise InputError(f"cannot make the folder {str(out)!r}: {error.strerror or error}") from None


def sizes(out: Path, most: int, smaller: str, *, pictures: bool = True) -> dict[str, Any]:
    """{bytes, files}: bytes together, without PNG where not `pictures`, and size and hash of each file.

    Folders in it that stayed empty are removed. Raises InputError where they have more than `most` bytes: `smaller`
    says what would have fewer.
    """
    for part in out.iterdir():
        if part.is_dir() and not any(part.iterdir()):
            part.rmdir()
    files = {str(one.relative_to(out)): one for one in sorted(out.rglob("*")) if one.is_file() and one.name != MADE_BY}
    whole = sum(one.stat().st_size for name, one in files.items() if pictures or not name.endswith(".png"))
    if whole > most:
        raise InputError(
            f"the files in {str(out)!r} have {whole / 1e6:.2f} MB together, more than {most / 1e6:g}; nearest: "
            f"{smaller}"
        )
    return {
        "bytes": whole,
        "files": {name: {"bytes": one.stat().st_size, "sha256": sha256(one)} for name, one in files.items()},
    }


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """JSON whose bytes do not depend on the order in which the record was made."""
    write_text(path, json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def run_command(make: Callable[[], dict[str, Any]], out: str, most: int, counted: str = "bytes") -> None:
    """Make the folder `out` for a command line, and show its files; what fails is one line and its exit code."""
    import click

    with one_line_errors():
        record = make()
    for name, one in record["files"].items():
        click.echo(f"{one['bytes']:>9,}  {name}")
    click.echo(f"{record['bytes']:>9,}  {counted}, of at most {most:,}; wrote {out}")
