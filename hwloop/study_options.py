"""What the commands that simulate many points share: which matrices, which machine, how many processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
Progress = Callable[[str, int, int], None]

KEPT = "interrupted; what was finished is kept, run the same command again to go on"


def study_options(command: _Command) -> _Command:
    """``--suite``, ``--workers`` and ``--cluster``."""
    command = click.option("--cluster", metavar="ADDRESS", help="Compute on the Dask cluster with this scheduler.")(
        command
    )
    command = click.option(
        "--workers", type=click.IntRange(min=1), metavar="N", help="Processes on this machine (default: one a core)."
    )(command)
    return click.option("--suite", metavar="NAME", help="A set of benchmark matrices: sparch20.")(command)


def machine_options(command: _Command) -> _Command:
    """``--config`` and ``--set`` for the machine that is studied."""
    command = click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="One setting of the machine.")(
        command
    )
    return click.option("--config", "config_file", metavar="F.toml", help="Settings of the machine, as TOML tables.")(
        command
    )


def base_config(config_file: str | None, settings: tuple[str, ...]) -> Any:
    """The validated configuration of both options. Raises ConfigError."""
    from hwloop.simulate_command import parse_settings
    from sim.sparch.config import load_config

    return load_config(config_file, parse_settings(settings))


def matrices_of(named: tuple[str, ...], suite: str | None, download: bool = True) -> list[str]:
    """What `load_matrix` takes for each matrix named, then those of the suite. Raises ConfigError, InputError."""
    from sim.errors import ConfigError

    specs = list(named)
    if suite is not None:
        from benchmarks.suitesparse.suite import suite_members

        members = suite_members(suite, download=download, note=lambda line: click.echo(line, err=True))
        specs += [member.spec for member in members if member.spec not in specs]
    if not specs:
        raise ConfigError("no matrix named; nearest: --suite sparch20")
    return specs


def run_study(study: Callable[[int, Progress], Any], workers: int | None, json_path: str | None = None) -> Any:
    """Run `study` with a progress bar; an interrupt says that what was finished is kept. Raises InputError."""
    from hwloop.progress import Progress as Bar
    from sim.files import require_writable

    if json_path not in (None, "-"):
        require_writable(str(json_path))
    with Bar() as progress:
        try:
            return study(workers or os.cpu_count() or 1, progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(KEPT) from None
