"""A matrix file of any supported kind: found, opened, recognised by its content, and read.

The kind follows from the first bytes, not from the name: gzip (Matrix Market inside), zip (`.npz`), else Matrix Market
text. What the formats hold is the business of `mtx` and `npz`.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import IO, Any, cast

from sim.errors import InputError, nearest

SUFFIXES = (".npz", ".mtx", ".mtx.gz")


def read_matrix(path: str | os.PathLike[str]) -> Any:
    """The matrix in `path` as a canonical `csr_array` of float64.

    Raises `InputError`, one line, if there is no such file, if it cannot be opened, or for any fault of its content.
    """
    try:
        return _read(Path(path))
    except MemoryError as error:
        raise InputError(f"{path}: does not fit in memory") from error


def _read(path: Path) -> Any:
    start = _first_bytes(path)
    if start.startswith(b"PK"):
        from benchmarks.suitesparse.npz import read_npz

        return read_npz(path)
    from benchmarks.suitesparse.mtx import read_mtx

    packed = start.startswith(b"\x1f\x8b")

    def open_text() -> IO[bytes]:
        return cast("IO[bytes]", gzip.open(path, "rb") if packed else open(path, "rb"))

    return read_mtx(open_text, label=str(path), size=path.stat().st_size, packed=packed)


def matrix_name(path: str | os.PathLike[str]) -> str:
    """The file name without its folder and matrix suffix: ``a/wiki-Vote.mtx.gz`` gives ``wiki-Vote``."""
    name = Path(path).name
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix) and name != suffix), name)


def missing_file(path: Path) -> InputError:
    """The error for a `path` that does not exist, offering the nearest file name of its folder."""
    folder = path.parent
    try:
        others = sorted(one.name for one in folder.iterdir() if one.name.endswith(SUFFIXES))
    except OSError:
        return InputError(f"no file {str(path)!r}: there is no folder {str(folder)!r} that can be read")
    return InputError(f"no file {str(path)!r}{nearest(path.name, others)}")


def _first_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{str(path)!r} is a folder, not a matrix file")
        if not path.is_file() and path.exists():
            raise InputError(f"{str(path)!r} is not a regular file")
        with open(path, "rb") as file:
            start = file.read(4)
    except (FileNotFoundError, NotADirectoryError):
        raise missing_file(path) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from error
    if not start:
        raise InputError(f"{path}: the file is empty")
    return start
