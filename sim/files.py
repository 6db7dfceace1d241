"""Files that are either written whole or not at all.

Text and arrays go to a temporary file in the folder of the target, which then takes the target's name. A command that
makes several files opens all of them as contexts of one `contextlib.ExitStack`: none appears if any of them fails.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sim.errors import InputError


def cache_root() -> Path:
    """Folder of all that hwloop keeps between runs: ``HWLOOP_CACHE``, else the platform's. It need not exist yet."""
    named = os.environ.get("HWLOOP_CACHE")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("hwloop", appauthor=False))


def require_writable(path: str | os.PathLike[str]) -> Path:
    """`path` as a Path, once a file can be made there. Raises InputError: no such folder, no permission, a folder."""
    target = Path(path)
    if "\0" in str(target):
        raise InputError(f"cannot write {str(path)!r}: a null byte in the name")
    try:
        if target.is_dir():
            raise InputError(f"cannot write {str(path)!r}: it is a folder")
        folder = target.parent
        if not folder.is_dir():
            raise InputError(f"cannot write {str(path)!r}: there is no folder {str(folder)!r}")
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
    if not target.name or not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {str(path)!r}: no permission to write in {str(folder)!r}")
    return target


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path with the suffix of `path`, which becomes `path` when the block ends well and vanishes if not."""
    target = require_writable(path)
    fresh = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        yield fresh
        os.replace(fresh, target)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, atomically. Raises InputError where that is impossible."""
    with atomic_path(path) as fresh:
        fresh.write_text(text, encoding="utf-8")
