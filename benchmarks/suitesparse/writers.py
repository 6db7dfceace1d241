"""A matrix to a file that `readers` takes back: ``.npz`` (layout of `scipy.sparse.save_npz`) or Matrix Market text.

Explicit zeros stay stored entries. Values are written so that reading gives the same doubles. Files appear whole or
not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.files import atomic_path, require_writable


def require_matrix_path(path: str | os.PathLike[str]) -> Path:
    """`path`, once a matrix can be written there. Raises InputError: unknown suffix, no such folder, no permission."""
    target = require_writable(path)
    if target.suffix not in _WRITERS:
        raise InputError(f"cannot write {str(path)!r}: unknown suffix {target.suffix!r}; known: {', '.join(_WRITERS)}")
    return target


def write_matrix(matrix: Any, path: str | os.PathLike[str]) -> None:
    """Write a SciPy sparse matrix to `path` (.npz or .mtx), atomically. Raises InputError as `require_matrix_path`."""
    write = _WRITERS[require_matrix_path(path).suffix]
    with atomic_path(path) as fresh:
        write(fresh, matrix)


def _write_npz(path: Path, matrix: Any) -> None:
    from scipy import sparse

    sparse.save_npz(path, matrix, compressed=False)


def _write_mtx(path: Path, matrix: Any) -> None:
    from scipy import io

    with open(path, "wb") as file:
        io.mmwrite(file, matrix, field="real", precision=17, symmetry="general")


_WRITERS: dict[str, Callable[[Path, Any], None]] = {".npz": _write_npz, ".mtx": _write_mtx}
