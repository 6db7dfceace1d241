"""Results that are dear, kept on disk under a hash of all that they follow from.

A key is the hash of the code, the expanded configuration and the content of the inputs, so an entry is never out of
date: what changes gets another key. An entry is one JSON file, written atomically, with the hash of its own value; a
file that is damaged, or that belongs to another key, counts as missing and is computed again. Several processes may
share a folder without locks, since whoever comes second writes the same bytes.

`journal.jsonl` has a line for each value that was computed (key, process, host, seconds): how a user sees that a run
which was killed and started again computed nothing twice.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.files import cache_root, write_text

_SCHEMA = "hwloop.cache/1"


def fingerprint(*parts: Any) -> str:
    """Hex SHA-256 of `parts`: plain values (text, numbers, lists, dicts), the order of keys not counting."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code_fingerprint(*packages: str) -> str:
    """Hex SHA-256 over the Python and TOML sources of `packages`, named by import name, in order of their paths."""
    from importlib.util import find_spec

    digest = hashlib.sha256()
    for package in packages:
        spec = find_spec(package)
        if spec is None or not spec.origin:
            raise InputError(f"no sources of {package!r} to take a fingerprint of")
        base = Path(spec.origin)
        files = [base] if base.name != "__init__.py" else sorted(base.parent.rglob("*"))
        for file in files:
            if file.suffix in (".py", ".toml"):
                digest.update(f"{package}/{file.relative_to(base.parent)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


class ResultCache:
    """Values by key in `folder` (by default ``results`` in `cache_root`); values are what JSON can hold."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_root() / "results"

    def get(self, key: str) -> Any | None:
        """The value of `key`, or None where there is none that can be believed."""
        try:
            entry = json.loads(self._path(key).read_text(encoding="utf-8"))
            sound = (
                entry["schema"] == _SCHEMA and entry["key"] == key and entry["sha256"] == fingerprint(entry["value"])
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return entry["value"] if sound else None

    def put(self, key: str, value: Any, seconds: float = 0.0) -> None:
        """Keep `value`, which took `seconds` to compute. Raises InputError where the folder cannot be written."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write the cache {str(self.folder)!r}: {error.strerror or error}") from None
        entry = {"schema": _SCHEMA, "key": key, "sha256": fingerprint(value), "value": value}
        write_text(path, json.dumps(entry, allow_nan=False))
        self._note(key, seconds)

    def get_or_compute(self, key: str, compute: Callable[[], Any]) -> tuple[Any, bool]:
        """The value of `key`, and whether it was there; else it is computed and kept."""
        found = self.get(key)
        if found is not None:
            return found, True
        begin = time.perf_counter()
        value = compute()
        self.put(key, value, time.perf_counter() - begin)
        return value, False

    def journal(self) -> Iterator[dict[str, Any]]:
        """What was computed, oldest first; lines that a kill cut short are left out."""
        try:
            lines = (self.folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def _note(self, key: str, seconds: float) -> None:
        note = {"key": key, "pid": os.getpid(), "host": socket.gethostname(), "seconds": round(seconds, 3)}
        with (self.folder / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
