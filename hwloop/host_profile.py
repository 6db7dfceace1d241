"""The profile of the machine that a demo runs on: taken from the cache, or measured once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

MEASURE_S, MEASURE_SMALL_S = 120.0, 10.0


def default_profile() -> Path:
    """Where the profile of this machine is kept; its folder exists afterwards."""
    from sim.files import cache_root

    folder = cache_root() / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "this-machine.toml"


def open_profile(profile_file: str | None, *, small: bool = False) -> tuple[Path, Any, bool]:
    """(path, profile, whether it was measured now). small: measure for a few seconds only.

    A profile of another machine is refused where it was named, else measured anew. Raises ConfigError, InputError.
    """
    path = Path(profile_file) if profile_file is not None else default_profile()
    return path, *_opened(path, named=profile_file is not None, small=small)


def _opened(path: Path, *, named: bool, small: bool) -> tuple[Any, bool]:
    from hwloop.delivery import host_of
    from hwloop.profile_command import profile_machine, setup_of
    from sim.errors import ConfigError, InputError
    from sim.mobile_cost.profile import load_profile

    if path.exists():
        found = load_profile(path)
        if host_of(found) is not None:
            return found, False
        if named:
            raise ConfigError(
                f"{str(path)!r} is no profile of this machine; nearest: hwloop profile --out {path.stem}.toml"
            )
    if path.suffix not in (".toml", ".json"):
        raise InputError(f"a profile is a .toml or .json file, got {str(path)!r}; nearest: {path.stem}.toml")
    seconds = MEASURE_SMALL_S if small else MEASURE_S
    click.echo(f"measuring this machine for about {seconds:.0f} s, once; the profile goes to {path}", err=True)
    profile_machine(str(path), path.stem, setup_of(1, "float32", "cpu", 1, seconds, 0), [])
    return load_profile(path), True
