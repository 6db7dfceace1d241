"""Where a named matrix lies: in a folder of HWLOOP_DATA, or in the download cache.

HWLOOP_DATA holds folders, separated as in PATH; each is searched, then its subfolder ``matrices``. The cache is
``matrices`` in HWLOOP_CACHE or else in the platform's cache folder. Nothing is created here.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.suitesparse.readers import SUFFIXES
from sim.files import cache_root


def data_folders() -> list[Path]:
    """The folders that are searched, in order."""
    named = [Path(one).expanduser() for one in os.environ.get("HWLOOP_DATA", "").split(os.pathsep) if one.strip()]
    return [folder for base in named for folder in (base, base / "matrices")]


def find_in_data_folders(name: str) -> Path | None:
    """The first NAME.npz, NAME.mtx or NAME.mtx.gz in `data_folders`; None without one or if `name` is no bare word."""
    if not name or Path(name).name != name or "\0" in name:
        return None
    for folder in data_folders():
        for suffix in SUFFIXES:
            path = folder / (name + suffix)
            if path.is_file():
                return path
    return None


def cache_folder() -> Path:
    """Where downloaded matrices are kept; it need not exist yet."""
    return cache_root() / "matrices"


def cached_file(name: str, cache_dir: Path | None = None) -> Path:
    """Where the cache keeps (or would keep) matrix `name`."""
    return (cache_dir or cache_folder()) / f"{name}.npz"


def describe_copy(name: str) -> str | None:
    """Where a copy of `name` is found without fetching: its path, or None. A cached copy is not checked here."""
    found = find_in_data_folders(name)
    if found is None and cached_file(name).is_file():
        found = cached_file(name)
    return str(found) if found else None
