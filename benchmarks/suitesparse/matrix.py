"""A matrix with its name, origin and fingerprint, and `load_matrix`, which makes one from what a user types.

The counts that a schedule follows from (longest row, multiplications, merge rounds) are here as plain functions, each
one pass over the indices. Products themselves belong to the simulators.
"""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.suitesparse import catalogue, generators, locate, readers
from benchmarks.suitesparse.standins import recipe
from sim.errors import InputError, nearest

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class Matrix:
    """A named sparse matrix.

    `csr` holds float64 values and sorted, unique int32 (int64 where needed) columns; explicit zeros count as entries.
    `source` is a path, ``generator``, ``download cache`` or ``stand-in``; the name of a stand-in ends in ``~``.
    """

    name: str
    csr: csr_array[Any]
    source: str

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.csr.shape[0])

    @property
    def cols(self) -> int:
        """Number of columns."""
        return int(self.csr.shape[1])

    @property
    def nnz(self) -> int:
        """Number of stored entries, explicit zeros included."""
        return int(self.csr.nnz)

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest over what `pattern_sha256` covers and the values (float64, little endian)."""
        digest = _pattern_digest(self.csr)
        _update(digest, self.csr.data, "<f8")
        return digest.hexdigest()

    @functools.cached_property
    def pattern_sha256(self) -> str:
        """Hex digest over rows, cols, indptr (int64) and indices (int32; int64 if a column needs it), little endian."""
        return _pattern_digest(self.csr).hexdigest()

    def check_against_catalogue(self) -> str | None:
        """What sets the matrix apart from the catalogue's of the same name; None if nothing does or there is none."""
        known = catalogue.find(self.name)
        return known.mismatch(self) if known else None


def load_matrix(spec: str, *, seed: int | None = None) -> Matrix:
    """The matrix that `spec` names: a path (.mtx, .mtx.gz, .npz), a catalogue name, a stand-in, or a generator.

    A generator reads ``rmat:n=16384,edges=8,seed=1``; a seed in it wins over the argument. A catalogue name is looked
    up in the folders of HWLOOP_DATA, then in the download cache, and else fetched. With ``~`` behind it, it names the
    matrix's stand-in, which is made here with the seed it was fitted with. Raises `InputError` or `ConfigError`, each
    with the nearest valid thing.
    """
    if not spec.strip():
        raise InputError(f"no matrix named: a path, a generator or a catalogue name{_offer(spec)}")
    if catalogue.find(spec) is not None:
        return _load_named(spec)
    if spec.endswith(recipe.MARK) and not _looks_like_path(spec):
        return _load_standin(spec)
    if _looks_like_path(spec):
        return Matrix(readers.matrix_name(spec), readers.read_matrix(spec), str(spec))
    if ":" in spec:
        name, csr = generators.generate(spec, seed=seed)
        return Matrix(name, csr, "generator")
    copy = locate.find_in_data_folders(spec)
    if copy is None:
        raise InputError(f"no matrix called {spec!r}: neither a file nor in the catalogue{_offer(spec)}")
    return Matrix(spec, readers.read_matrix(copy), str(copy))


def max_row_nnz(csr: Any) -> int:
    """Entries of the longest row, which is the number of condensed columns."""
    import numpy as np

    return int(np.diff(csr.indptr).max(initial=0))


def multiplications(a: Any, b: Any) -> int:
    """Scalar multiplications of a·b: over the entries (i, k) of `a`, the sum of the lengths of row k of `b`."""
    import numpy as np

    uses = np.bincount(a.indices, minlength=b.shape[0])
    return int(np.dot(uses.astype(np.int64), np.diff(b.indptr).astype(np.int64)))


def merge_schedule(columns: int, ways: int = 64) -> tuple[int, int]:
    """Inputs of the first round and number of rounds that merge `columns` streams, `ways` at a time."""
    if columns <= ways:
        return columns, min(columns, 1)
    first = (columns - 2) % (ways - 1) + 2
    return first, 1 + (columns - first) // (ways - 1)


def structural_output_nnz(a: Any, b: Any) -> int:
    """Entries of the pattern product a·b, whatever the values."""
    from benchmarks.suitesparse.features import pattern_product_nnz

    return pattern_product_nnz(a, b)


def _load_named(name: str) -> Matrix:
    copy = locate.find_in_data_folders(name)
    if copy is not None:
        return Matrix(name, readers.read_matrix(copy), str(copy))
    from benchmarks.suitesparse import fetch

    try:
        fetched = fetch.fetch_matrix(name)
    except InputError as error:
        if recipe.find_standin(name) is None:
            raise
        raise InputError(f"{error}; nearest: its stand-in {name}{recipe.MARK}") from error
    return Matrix(name, readers.read_matrix(fetched), "download cache")


def _load_standin(name: str) -> Matrix:
    recipe.split_name(name)
    from benchmarks.suitesparse.standins import make_standin

    return Matrix(name, make_standin(name), "stand-in")


def _looks_like_path(spec: str) -> bool:
    """An existing file, a matrix suffix or a folder in front make a path; a bare word is a name."""
    separators = tuple(one for one in (os.sep, os.altsep) if one)
    if spec.endswith(readers.SUFFIXES) or any(one in spec for one in separators):
        return True
    try:
        return Path(spec).exists()
    except (OSError, ValueError):
        return False


def _offer(word: str) -> str:
    """The nearest name, one that differs in capitals alone before all others."""
    same = [name for name in catalogue.names() if name.casefold() == word.casefold()]
    return nearest(word, same) or nearest(word, [*catalogue.names(), *generators.KINDS])


def _pattern_digest(csr: Any) -> hashlib._Hash:
    import numpy as np

    digest = hashlib.sha256(np.array(csr.shape, dtype="<i8").tobytes())
    _update(digest, csr.indptr, "<i8")
    _update(digest, csr.indices, "<i4" if csr.shape[1] <= 2**31 else "<i8")
    return digest


def _update(digest: hashlib._Hash, array: Any, dtype: str) -> None:
    """Feed `array` as `dtype` to `digest`, converting a bounded piece at a time."""
    import numpy as np

    for start in range(0, array.size, 1 << 20):
        digest.update(np.ascontiguousarray(array[start : start + (1 << 20)].astype(dtype, copy=False)).data)
