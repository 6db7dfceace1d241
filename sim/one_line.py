"""What a module that runs as a command (`python -m …`) does with bad input: one line, and the error's exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sim.errors import HwloopError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with the message of a HwloopError after ``error: ``, and with its exit code."""
    try:
        yield
    except HwloopError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
