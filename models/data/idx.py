"""IDX files, the format of MNIST and its successors: a big-endian header, then bytes; plain, .gz or .xz.

Header: two zero bytes, the type (8 = unsigned byte), the number of dimensions, then each dimension as a 32-bit number.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sim.errors import InputError

_READERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress, "": bytes}


def find_idx(folder: Path, stem: str) -> Path | None:
    """The file `stem` in `folder`, compressed or not, or None."""
    return next((path for suffix in _READERS if (path := folder / f"{stem}{suffix}").is_file()), None)


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file of bytes. Raises InputError: unreadable, not IDX, cut short."""
    try:
        raw = _READERS[path.suffix if path.suffix in _READERS else ""](path.read_bytes())
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"cannot read {str(path)!r}: {error}") from None
    dimensions = raw[3] if len(raw) > 3 else 0
    if raw[:3] != b"\0\0\x08" or not dimensions or len(raw) < 4 + 4 * dimensions:
        raise InputError(f"{str(path)!r} is no IDX file of bytes")
    shape = tuple(int(size) for size in np.frombuffer(raw[4 : 4 + 4 * dimensions], ">u4"))
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
    if body.size != int(np.prod(shape, dtype=np.int64)):
        raise InputError(f"{str(path)!r} is cut short or damaged: {body.size:,} bytes for the shape {shape}")
    return body.reshape(shape)
