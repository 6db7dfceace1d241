"""Named sets of benchmark matrices, and what stands for a matrix that cannot be had.

A matrix is taken from the folders of HWLOOP_DATA or the download cache, else fetched from the collection; where that
cannot be reached, its stand-in takes its place, whose name ends in ``~`` wherever it appears.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.errors import ConfigError, InputError, nearest

SUITES = ("sparch20",)


@dataclass(frozen=True)
class Member:
    """One matrix of a suite. spec: what `load_matrix` takes; real: False for a stand-in."""

    name: str
    spec: str
    real: bool


def suite_members(
    suite: str, *, download: bool = True, note: Callable[[str], None] = lambda line: None
) -> list[Member]:
    """The matrices of `suite`, smallest product first.

    `note` is told each download, why stand-ins are taken, and what is left out since it can neither be had nor
    replaced. Raises ConfigError for a suite that there is not.
    """
    from benchmarks.suitesparse.catalogue import catalogue

    if suite not in SUITES:
        raise ConfigError(f"no suite called {suite!r}{nearest(suite, SUITES)}")
    reachable = download
    members = []
    for entry in sorted(catalogue(), key=lambda one: one.multiplications):
        member = _here(entry.name)
        if member is None and reachable and entry.downloadable:
            member = _fetched(entry.name, note)
            reachable = member is not None
        member = member or _replaced(entry.name)
        if member is None:
            note(f"{entry.name} is left out: no copy on this machine (HWLOOP_DATA names folders) and no stand-in")
        else:
            members.append(member)
    return members


def _here(name: str) -> Member | None:
    from benchmarks.suitesparse.locate import describe_copy

    return Member(name, name, real=True) if describe_copy(name) else None


def _fetched(name: str, note: Callable[[str], None]) -> Member | None:
    from benchmarks.suitesparse.fetch import fetch_matrix

    note(f"fetching {name}")
    try:
        fetch_matrix(name)
    except InputError as error:
        note(f"the collection cannot be reached, stand-ins (~) take the place of what is missing: {error}")
        return None
    return Member(name, name, real=True)


def _replaced(name: str) -> Member | None:
    from benchmarks.suitesparse.standins import find_standin

    return Member(f"{name}~", f"{name}~", real=False) if find_standin(name) else None
