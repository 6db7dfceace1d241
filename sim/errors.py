"""The exceptions that a user can meet.

Every one carries a single readable line: what is wrong, the value, and the nearest valid thing.
The command line prints that line after ``error: `` and ends with `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HwloopError(Exception):
    """Base of all errors that are answered with one line instead of a traceback."""

    exit_code = 2


class InputError(HwloopError):
    """A file, name or argument cannot be used."""


class ConfigError(HwloopError):
    """A setting is unknown, has the wrong type, or is out of range."""


class WorkloadError(HwloopError):
    """Operands that do not fit together, or an operator that a model cannot price."""


class InvariantError(HwloopError):
    """A self-audit found two figures that must agree and do not. A bug, not a user's mistake."""

    exit_code = 1


class InfeasibleError(HwloopError):
    """No candidate meets the constraint; the message names the nearest reachable value."""

    exit_code = 3


def nearest(word: str, choices: Iterable[str]) -> str:
    """``"; nearest: X"`` for the closest of `choices`, or an empty string."""
    match = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.4)
    return f"; nearest: {match[0]}" if match else ""
