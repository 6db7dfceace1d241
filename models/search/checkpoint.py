"""A search on disk: one JSON file, written whole every few seconds, that a search of the same identity goes on from."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.errors import ConfigError, InputError
from sim.files import write_text

SCHEMA = "hwloop.search-checkpoint/1"
EVERY_S = 3.0


@dataclass
class Checkpoint:
    """identity: what the search follows from, by the name of the option that says it. states: by name of the search.

    A state is ``{"result": …}`` for one that is finished and ``{"state": …}`` for one that is under way.
    """

    path: Path
    identity: dict[str, Any]
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    _written: float = field(default=0.0, repr=False)

    def save(self, name: str, state: dict[str, Any], *, now: bool) -> None:
        """Keep the state of one search; unless `now`, at most every `EVERY_S` seconds reach the disk."""
        self.states[name] = state
        if now or time.monotonic() - self._written >= EVERY_S:
            self.write()

    def due(self) -> bool:
        """Whether the last one is `EVERY_S` seconds old."""
        return time.monotonic() - self._written >= EVERY_S

    def write(self) -> None:
        """Write the file whole. Raises InputError where that is impossible."""
        self.path.parent.mkdir(exist_ok=True)
        tree = {"schema": SCHEMA, "identity": self.identity, "states": self.states}
        write_text(self.path, json.dumps(tree, allow_nan=False))
        self._written = time.monotonic()

    def resume(self) -> bool:
        """Take up the file if there is one. Raises ConfigError where it is of another search, InputError where it is
        damaged; the file stays as it is."""
        try:
            tree = json.loads(self.path.read_text(encoding="utf-8"))
            there, states = tree["identity"], dict(tree["states"])
            sound = tree["schema"] == SCHEMA
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{str(self.path)!r} is no checkpoint of a search: {error}") from None
        if not sound:
            raise InputError(f"{str(self.path)!r} is no checkpoint of {SCHEMA}; nearest: another --out")
        mine = json.loads(json.dumps(self.identity))
        for key in mine:
            if there.get(key) != mine[key]:
                raise ConfigError(
                    f"{str(self.path)!r} is of another {key}: {_short(there.get(key))}, not {_short(mine[key])}; "
                    "nearest: another --out, or the options of that search"
                )
        self.states = states
        return True


def require_fresh(path: Path) -> None:
    """Raises ConfigError where an unfinished search lies at `path`, which a new one would overwrite."""
    if path.exists():
        raise ConfigError(f"{str(path)!r} is an unfinished search; nearest: --resume to go on, or another --out")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "…"
