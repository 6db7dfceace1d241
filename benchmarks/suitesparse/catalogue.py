"""The 20 benchmark matrices of the OuterSPACE and SpArch papers with their exact published statistics.

The figures live in `catalogue.toml` beside this file and concern C = A·A on the expanded matrix. They serve twice:
as what a user wants to know before a download of hundreds of megabytes, and as what a copy is held to afterwards.
`grade` says how far the two product figures can be trusted. Values of the matrices are not described.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import InputError, nearest

if TYPE_CHECKING:
    from benchmarks.suitesparse.matrix import Matrix

COLLECTION_PAGE = "https://sparse.tamu.edu"


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """One matrix of the benchmark suite; counts are of stored entries of the expanded matrix.

    `multiplications` and `output_nnz` belong to A·A, `output_nnz` being structural. `first_round_ways` and
    `merge_rounds` are those of a 64-way merge. `grade` (recomputed, published, single, unverified) concerns the two
    product figures. `pattern_order_known` is false where `pattern_sha256` stems from a copy whose numbering may
    differ from the collection's.
    """

    name: str
    rows: int
    cols: int
    nnz: int
    symmetric: bool
    max_row_nnz: int
    multiplications: int
    output_nnz: int
    first_round_ways: int
    merge_rounds: int
    grade: str
    group: str | None = None
    output_nnz_also: int | None = None
    pattern_sha256: str | None = None
    pattern_order_known: bool = True
    note: str = ""

    @property
    def downloadable(self) -> bool:
        """Whether the SuiteSparse collection holds the matrix under this name."""
        return self.group is not None

    @property
    def page(self) -> str | None:
        """Address of the matrix's page in the collection."""
        return f"{COLLECTION_PAGE}/{self.group}/{self.name}" if self.group else None

    def accepts_output_nnz(self, count: int) -> bool:
        """Whether `count` equals a published figure for the structural entries of A·A."""
        return count in (self.output_nnz, self.output_nnz_also)

    def mismatch(self, matrix: Matrix, *, pattern: bool = True) -> str | None:
        """What sets `matrix` apart from this entry, in words with both figures; None if it is the one.

        Compares sizes, the longest row, the multiplications of A·A unless they are unverified, and with `pattern`
        also the position of every entry where its hash is known.
        """
        from benchmarks.suitesparse.matrix import max_row_nnz, multiplications

        if (matrix.rows, matrix.cols) != (self.rows, self.cols):
            return f"it is {matrix.rows:,} x {matrix.cols:,}, not {self.rows:,} x {self.cols:,}"
        if matrix.nnz != self.nnz:
            return f"it has {matrix.nnz:,} entries, not {self.nnz:,}"
        longest = max_row_nnz(matrix.csr)
        if longest != self.max_row_nnz:
            return f"its longest row has {longest:,} entries, not {self.max_row_nnz:,}"
        products = multiplications(matrix.csr, matrix.csr)
        if self.grade != "unverified" and products != self.multiplications:
            return f"A·A takes {products:,} multiplications, not {self.multiplications:,}"
        if not pattern or self.pattern_sha256 is None or not self.pattern_order_known:
            return None
        if matrix.pattern_sha256 != self.pattern_sha256:
            return f"its pattern sha256 is {matrix.pattern_sha256[:16]}, not {self.pattern_sha256[:16]}"
        return None


@functools.cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """All 20 entries in alphabetical order (capitals and digits as in the papers' tables)."""
    import tomllib

    text = Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8")
    return tuple(CatalogueEntry(name=name, **fields) for name, fields in tomllib.loads(text).items())


def names() -> tuple[str, ...]:
    """Names of all 20 matrices, in the order of `catalogue`."""
    return tuple(one.name for one in catalogue())


def find(name: str) -> CatalogueEntry | None:
    """The entry called exactly `name`, or None."""
    return next((one for one in catalogue() if one.name == name), None)


def entry(name: str) -> CatalogueEntry:
    """The entry called exactly `name`. Raises `InputError` that offers the nearest name."""
    found = find(name)
    if found is None:
        raise InputError(f"no matrix called {name!r} in the catalogue{nearest(name, names())}")
    return found
