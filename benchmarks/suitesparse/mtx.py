"""Matrix Market files, in every form that the SuiteSparse collection uses.

Read: coordinate format; pattern, real and integer values; general, symmetric and skew-symmetric storage; comments and
blank lines anywhere; plain or gzip. Symmetric storage is expanded: off-diagonal entries are mirrored, the diagonal is
not doubled. Duplicates are summed and explicit zeros stay stored entries. An entry above the diagonal of a symmetric
file is mirrored like one below it, as SciPy does. Integers beyond 2^53 are rounded to the nearest float64.
Not read: complex and hermitian values, and the dense ``array`` format.

The numbers are parsed by `scipy.io.mmread`; the header is parsed here, before anything is allocated for its promises.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from benchmarks.suitesparse.memory import require_memory
from benchmarks.suitesparse.mtx_body import BodyStream, fault_of_entry
from sim.errors import InputError, nearest

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_FIELDS = {"real": "real", "double": "real", "integer": "integer", "unsigned-integer": "integer", "pattern": "pattern"}
_SYMMETRIES = ("general", "symmetric", "skew-symmetric")
_HEADER_LINE = 1 << 16
_GZIP_RATIO = 1032
_INT64_MAX = 2**63 - 1
_COMPLEX = "complex values are not supported: SpArch multiplies real numbers"
_DENSE = "the dense 'array' format is not supported: a dense matrix has no sparsity to exploit; use 'coordinate'"


@dataclass(frozen=True)
class Header:
    """Banner and size line; `line` is the number of the size line, `offset` the bytes up to its end."""

    field: str
    symmetry: str
    rows: int
    cols: int
    entries: int
    line: int
    offset: int

    @property
    def fields(self) -> int:
        """Fields of one entry: row, column and, but for a pattern, value."""
        return 2 if self.field == "pattern" else 3

    @property
    def stored(self) -> int:
        """The most entries that the expanded matrix can have."""
        return self.entries if self.symmetry == "general" else 2 * self.entries


def read_mtx(open_source: Callable[[], IO[bytes]], *, label: str, size: int | None = None, packed: bool = False) -> Any:
    """The matrix as a `csr_array` with float64 data and sorted, unique columns in each row.

    `open_source` opens the decompressed text anew at each call; `label` names it in messages. `size` is its size in
    bytes, with `packed` that of the gzip file. Raises `InputError` for everything that is wrong with the text.
    """
    with open_source() as source:
        try:
            header = read_header(source, label)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(f"{label}: the file is cut off or damaged ({error})") from error
        check_promises(header, label, size=size, packed=packed)
        body = BodyStream(
            source,
            _clean_header(header),
            label=label,
            fields=header.fields,
            whole=header.field == "integer",
            first_line=header.line + 1,
        )
        parsed = _parse(body, header, label, open_source)
    matrix = to_csr(parsed)
    del parsed
    require_finite(matrix, label)
    if header.symmetry == "skew-symmetric" and matrix.diagonal().any():
        raise InputError(f"{label}: a skew-symmetric matrix has a zero diagonal, this one does not")
    return matrix


def read_header(source: IO[bytes], label: str) -> Header:
    """Banner, comments and size line from the start of `source`. Raises `InputError` for any other text."""
    banner = source.readline(_HEADER_LINE)
    field, symmetry = _read_banner(banner, label)
    line, offset = 1, len(banner)
    while True:
        text = source.readline(_HEADER_LINE)
        line, offset = line + 1, offset + len(text)
        if not text:
            raise InputError(f"{label}: ends before the size line (rows columns entries)")
        if not text.endswith(b"\n") and len(text) == _HEADER_LINE:
            raise InputError(f"{label} line {line}: longer than {_HEADER_LINE:,} bytes")
        content = text.partition(b"%")[0].split()
        if content:
            rows, cols, entries = _read_size(content, f"{label} line {line}")
            return Header(field, symmetry, rows, cols, entries, line, offset)


def check_promises(header: Header, label: str, *, size: int | None, packed: bool) -> None:
    """Raise `InputError` if the file cannot hold what its header promises, or memory cannot."""
    rows, cols, entries = header.rows, header.cols, header.entries
    if header.symmetry != "general" and rows != cols:
        raise InputError(f"{label}: a {header.symmetry} matrix is square, this one is {rows} x {cols}")
    if entries and not (rows and cols):
        raise InputError(f"{label}: the header promises {entries} entries in a matrix of {rows} x {cols}")
    if size is not None:
        text_size = size * _GZIP_RATIO if packed else size - header.offset
        room = (text_size + 1) // (2 * header.fields)
        if entries > room:
            most = max(room, 0)
            raise InputError(f"{label}: the header promises {entries} entries, the file has room for {most} at most")
    index_bytes = 4 if max(rows, cols, header.stored) < 2**31 else 8
    needed = (rows + 1) * index_bytes + header.stored * 2 * (2 * index_bytes + 8)
    require_memory(needed, f"{label}: a matrix of {rows} x {cols} with {entries} stored entries")


def to_csr(matrix: Any) -> csr_array[Any]:
    """Any SciPy sparse matrix as canonical CSR: float64, sorted columns, duplicates summed, explicit zeros kept."""
    import numpy as np
    from scipy import sparse

    csr = sparse.csr_array(matrix)
    csr.sum_duplicates()
    if csr.data.dtype != np.float64:
        csr.data = csr.data.astype(np.float64)
    return csr


def require_finite(csr: Any, label: str) -> None:
    """Raise `InputError` naming the first stored value that is NaN or infinite."""
    import numpy as np

    finite = np.isfinite(csr.data)
    if finite.all():
        return
    at = int(np.argmin(finite))
    row = int(np.searchsorted(csr.indptr, at, side="right")) - 1
    where = f"row {row + 1}, column {int(csr.indices[at]) + 1}"
    raise InputError(f"{label}: the value at {where} is not finite: {float(csr.data[at])}")


def _read_banner(banner: bytes, label: str) -> tuple[str, str]:
    if not banner:
        raise InputError(f"{label}: the file is empty")
    words = banner.removeprefix(b"\xef\xbb\xbf").decode("ascii", errors="replace").lower().split()
    if not words or words[0] not in ("%%matrixmarket", "%matrixmarket"):
        raise InputError(f"{label}: not a matrix: no %%MatrixMarket in the first line, nor the start of an .npz")
    if len(words) < 5:
        raise InputError(
            f"{label}: the banner has {len(words)} words of: %%MatrixMarket matrix coordinate FIELD SYMMETRY"
        )
    thing, form, field, symmetry = words[1:5]
    if thing != "matrix":
        raise InputError(f"{label}: holds a {thing!r}, only 'matrix' is supported")
    if form == "array":
        raise InputError(f"{label}: {_DENSE}")
    if form != "coordinate":
        raise InputError(
            f"{label}: unknown format {form!r}{nearest(form, ['coordinate'])}; only 'coordinate' is supported"
        )
    if field == "complex" or symmetry == "hermitian":
        raise InputError(f"{label}: {_COMPLEX}")
    if field not in _FIELDS:
        raise InputError(f"{label}: unknown kind of values {field!r}{nearest(field, _FIELDS)}")
    if symmetry not in _SYMMETRIES:
        raise InputError(f"{label}: unknown symmetry {symmetry!r}{nearest(symmetry, _SYMMETRIES)}")
    return _FIELDS[field], symmetry


def _read_size(words: list[bytes], where: str) -> tuple[int, int, int]:
    shown = b" ".join(words)[:60].decode("ascii", errors="backslashreplace")
    if len(words) != 3 or not all(re.fullmatch(rb"[+-]?\d{1,40}", word) for word in words):
        raise InputError(f"{where}: the size line {shown!r} is not three whole numbers: rows columns entries")
    numbers = [int(word) for word in words]
    if min(numbers) < 0:
        raise InputError(f"{where}: negative size in {shown!r}; rows, columns and entries are at least 0")
    if max(numbers) > _INT64_MAX:
        raise InputError(f"{where}: {max(numbers)} is beyond 64-bit integers (at most {_INT64_MAX})")
    return numbers[0], numbers[1], numbers[2]


def _clean_header(header: Header) -> bytes:
    """A header without surprises for SciPy's parser, with as many lines as the file's own."""
    field = "pattern" if header.field == "pattern" else "real"
    banner = f"%%MatrixMarket matrix coordinate {field} {header.symmetry}\n"
    return (banner + "%\n" * (header.line - 2) + f"{header.rows} {header.cols} {header.entries}\n").encode()


def _parse(body: BodyStream, header: Header, label: str, reopen: Callable[[], IO[bytes]]) -> Any:
    """SciPy's triplets of the whole text, with every failure turned into one readable line."""
    from scipy import io

    try:
        parsed = io.mmread(cast("IO[bytes]", body))
    except (ValueError, OverflowError) as error:
        if body.fault is None:
            raise InputError(_explain(error, body, header, label, reopen)) from error
    except MemoryError as error:
        raise InputError(f"{label}: {header.entries} entries do not fit in memory") from error
    body.drain()
    if body.fault is not None:
        raise body.fault
    if body.entries != header.entries:
        raise InputError(f"{label}: the header promises {header.entries} entries, the file holds {body.entries}")
    return parsed


def _explain(error: Exception, body: BodyStream, header: Header, label: str, reopen: Callable[[], IO[bytes]]) -> str:
    """SciPy's complaint as a sentence about the file itself, quoting the line that it points to."""
    pointed = re.match(r"Line (\d+): ", str(error))
    if pointed and "too long" not in str(error):
        number = int(pointed[1])
        with reopen() as source:
            text = next((line for at, line in enumerate(source, start=1) if at == number), b"")
        what = _fault_of_line(text.partition(b"%")[0].split(), header)
        if what:
            return f"{label} line {number}: {what}"
    body.drain()
    if body.fault is not None:
        return str(body.fault)
    if body.entries != header.entries:
        return f"{label}: the header promises {header.entries} entries, the file holds {body.entries}"
    return f"{label}: {error}"


def _fault_of_line(fields: list[bytes], header: Header) -> str | None:
    fault = fault_of_entry(fields, header.fields, header.field == "integer")
    if fault or not fields:
        return fault
    for what, text, limit in zip(("row", "column"), fields, (header.rows, header.cols), strict=False):
        index = int(text[:40])
        if not 1 <= index <= limit:
            hint = "; indices start at 1" if index == 0 else ""
            return f"{what} index {index} is outside 1..{limit}{hint}"
    return None
