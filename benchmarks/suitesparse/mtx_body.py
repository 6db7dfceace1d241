"""The entries of a Matrix Market file, checked and cleaned while they stream into the parser.

SciPy's parser is fast because it is trusting: it refuses comments between entries and a leading plus, reads ``1.0D3``
as 1, ignores what follows the last field of a line, and can read past the end of the text when the last number is
cut off. So every chunk of whole lines is first checked against the grammar of decimal numbers, on all bytes at once:
each byte becomes one of eight classes, and a pair of neighbours that no number contains betrays a bad line. That
costs one to two nanoseconds a byte and holds one chunk in memory. Removed comments leave an empty line behind, which
keeps the parser's line numbers true.
"""

from __future__ import annotations

import gzip
import re
import zlib
from typing import IO

from sim.errors import InputError

CHUNK_BYTES = 1 << 20
LONGEST_LINE = 1 << 24

_DIGIT, _MINUS, _PLUS, _EXPONENT, _DOT, _OTHER, _BLANK, _NEWLINE = range(8)
_BYTES = {_DIGIT: b"0123456789", _MINUS: b"-", _PLUS: b"+", _EXPONENT: b"eE", _DOT: b".", _BLANK: b" \t\r"}
_BYTES |= {_NEWLINE: b"\n"}
_FOLLOWERS = {
    _DIGIT: (_DIGIT, _EXPONENT, _DOT, _BLANK, _NEWLINE),
    _MINUS: (_DIGIT, _DOT),
    _PLUS: (_DIGIT, _DOT),
    _EXPONENT: (_DIGIT, _MINUS, _PLUS),
    _DOT: (_DIGIT, _EXPONENT, _BLANK, _NEWLINE),
    _OTHER: (),
    _BLANK: (_DIGIT, _MINUS, _PLUS, _DOT, _BLANK, _NEWLINE),
    _NEWLINE: (_DIGIT, _MINUS, _PLUS, _DOT, _BLANK, _NEWLINE),
}
_CLASS_OF = bytes(next((kind for kind, group in _BYTES.items() if byte in group), _OTHER) for byte in range(256))
_GOOD_PAIRS = bytes(first << 3 | second for first, seconds in _FOLLOWERS.items() for second in seconds)
_OUTSIDE_EXPONENT = bytes([_DIGIT, _MINUS, _PLUS])
_TWO_IN_ONE_NUMBER = (bytes([_DOT, _DOT]), bytes([_EXPONENT, _DOT]), bytes([_EXPONENT, _EXPONENT]))

_COMMENT = re.compile(rb"%[^\n]*")
_LEADING_PLUS = re.compile(rb"(?<![eE])\+")
_INTEGER = re.compile(rb"[+-]?\d+\Z")
_REAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_NOT_FINITE = re.compile(rb"[+-]?(nan|inf|infinity)\Z", re.IGNORECASE)


class BodyStream:
    """A readable byte stream: `prefix`, then the checked lines of `source`.

    `fields` is the number of fields of an entry (2 for a pattern, else 3), `whole` says that the value must be an
    integer, `first_line` is the number of the first line of `source`. Faults do not leave `read`, which is called from
    compiled code; the stream ends early instead and `fault` holds the error for the caller to raise.
    """

    def __init__(self, source: IO[bytes], prefix: bytes, *, label: str, fields: int, whole: bool, first_line: int):
        self.fault: InputError | None = None
        self.tokens = 0
        self._source, self._label, self._fields, self._whole = source, label, fields, whole
        self._buffer, self._at = prefix, 0
        self._tail = b""
        self._line = first_line
        self._ended = False

    @property
    def entries(self) -> int:
        """Entries seen so far; exact once the stream has been read to its end."""
        return self.tokens // self._fields

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of checked text; empty at the end and after a fault."""
        if self._at >= len(self._buffer) and not self._ended:
            self._buffer, self._at = self._next_chunk(), 0
        stop = len(self._buffer) if size < 0 else self._at + size
        piece = self._buffer[self._at : stop]
        self._at += len(piece)
        return piece

    def drain(self) -> None:
        """Read what is left, so that `entries` and `fault` speak for the whole file."""
        while self.read(CHUNK_BYTES):
            pass

    def _next_chunk(self) -> bytes:
        try:
            lines = self._whole_lines()
            if not lines:
                self._ended = True
                return b""
            clean = self._checked(lines)
            self._line += lines.count(b"\n")
            return clean
        except InputError as error:
            self.fault = error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.fault = InputError(f"{self._label}: the compressed file is cut off or damaged ({error})")
        except OSError as error:
            self.fault = InputError(f"{self._label}: cannot be read to its end ({error})")
        self._ended = True
        return b""

    def _whole_lines(self) -> bytes:
        """The next chunk up to its last line end; the last chunk is given a line end if it lacks one."""
        parts, size = [self._tail], len(self._tail)
        while True:
            piece = self._source.read(CHUNK_BYTES)
            if not piece:
                self._tail = b""
                rest = b"".join(parts)
                return rest if not rest or rest.endswith(b"\n") else rest + b"\n"
            cut = piece.rfind(b"\n") + 1
            if cut:
                self._tail = piece[cut:]
                return b"".join([*parts, piece[:cut]])
            parts.append(piece)
            size += len(piece)
            if size > LONGEST_LINE:
                raise InputError(f"{self._label} line {self._line}: longer than {LONGEST_LINE:,} bytes; not a matrix")

    def _checked(self, lines: bytes) -> bytes:
        import numpy as np

        if b"%" in lines:
            lines = _COMMENT.sub(b"", lines)
        classes = (b"\n" + lines).translate(_CLASS_OF)
        codes = np.frombuffer(classes, dtype=np.uint8)
        pairs = (codes[:-1] << 3) | codes[1:]
        if pairs.tobytes().translate(None, _GOOD_PAIRS):
            raise self._explain(lines)
        skeleton = classes.translate(None, _OUTSIDE_EXPONENT)
        if any(pair in skeleton for pair in _TWO_IN_ONE_NUMBER):
            raise self._explain(lines)
        if self._whole and (bytes([_DOT]) in skeleton or bytes([_EXPONENT]) in skeleton):
            raise self._explain(lines)
        tokens = int(np.count_nonzero((codes[:-1] >= _BLANK) & (codes[1:] < _BLANK)))
        solid = np.frombuffer(classes.translate(None, bytes([_BLANK])), dtype=np.uint8)
        filled_lines = int(np.count_nonzero((solid[:-1] == _NEWLINE) & (solid[1:] != _NEWLINE)))
        if tokens != filled_lines * self._fields:
            raise self._explain(lines)
        self.tokens += tokens
        return _LEADING_PLUS.sub(b"", lines) if b"+" in lines else lines

    def _explain(self, lines: bytes) -> InputError:
        """The first fault of `lines` in words. Slow and plain, run only when there is one."""
        return self._first_fault(lines) or InputError(f"{self._label}: line {self._line} or a later one is malformed")

    def _first_fault(self, lines: bytes) -> InputError | None:
        for number, line in enumerate(lines.split(b"\n"), start=self._line):
            what = fault_of_entry(line.split(), self._fields, self._whole)
            if what:
                return InputError(f"{self._label} line {number}: {what}")
        return None


def fault_of_entry(fields: list[bytes], expected: int, whole: bool) -> str | None:
    """What is wrong with one entry split into `fields`, of which there should be `expected`; None if nothing is."""
    if not fields:
        return None
    form = "row column" if expected == 2 else "row column value"
    for field in fields[:2]:
        if not _INTEGER.match(field):
            return f"{_shown(field)} is not an index; an entry is: {form}"
    for field in fields[2:3]:
        if _NOT_FINITE.match(field):
            return f"value {_shown(field)} is not finite"
        if not (_INTEGER if whole else _REAL).match(field):
            return f"value {_shown(field)} is not {'an integer' if whole else 'a decimal number'}"
    if len(fields) != expected:
        return f"{len(fields)} field{'s' * (len(fields) != 1)} where the header announces {expected}: {form}"
    return None


def _shown(field: bytes) -> str:
    """A field of the file fit for one line on a terminal."""
    text = field[:40].decode("ascii", errors="backslashreplace")
    return repr(text) + ("..." if len(field) > 40 else "")
