"""A command's result: JSON where it was asked for, and words on the terminal unless JSON has standard output."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

json_option = click.option(
    "--json", "json_path", metavar="PATH", help="Write the result as JSON to this file, or to standard output with '-'."
)


def deliver(result: Mapping[str, Any], json_path: str | None, show: Callable[[], None]) -> None:
    """Write `result` to `json_path` (atomically; ``-`` is standard output), and call `show` unless that was ``-``.

    Raises InputError where the file cannot be written, before anything is shown.
    """
    text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if json_path == "-":
        click.echo(text, nl=False)
        return
    if json_path is not None:
        from sim.files import write_text

        write_text(json_path, text)
    show()
