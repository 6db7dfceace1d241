"""Progress on a terminal: one line on standard error with the stage, a bar and the time left; gone when done.

Where standard error is no terminal there is only one line, and only before kernels are compiled, since that takes half
a minute once and looks like a hang.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

import click

COMPILING = "compiling kernels (once)…"
_WORDS = {"plan": "merging", "event": "simulating", "cycle": "simulating cycles", "verify": "comparing with SciPy"}
_KERNELS = {"event": "product._merge-*.nbi", "cycle": "cycle_model._run-*.nbi"}


class Progress:
    """A context; call it with a stage, steps done and steps in total."""

    def __init__(self, model: str = "event") -> None:
        self._model = model
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show the state of a stage."""
        if stage == "compile":
            if done == 0 and not kernels_are_cached(self._model):
                click.echo(COMPILING, err=True)
            return
        if not sys.stderr.isatty():
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._start().add_task(_WORDS.get(stage, stage), total=total or None)
        self._bar.update(self._tasks[stage], completed=done)

    def _start(self) -> Any:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        return self._bar


def kernels_are_cached(model: str) -> bool:
    """Whether compiled kernels of the timing model are on disk. A stale copy counts: it costs only the line."""
    from pathlib import Path

    import numba

    import sim.jit  # noqa: F401  (it says where the cache is)

    folder = str(getattr(numba.config, "CACHE_DIR", ""))
    wanted = {_KERNELS["event"], _KERNELS.get(model, _KERNELS["event"])}
    return bool(folder) and all(any(Path(folder).glob(f"*/{pattern}")) for pattern in wanted)
