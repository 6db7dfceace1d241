"""A quantised, perhaps pruned tensor as the bytes that hold it, in the smallest of these forms.

dense: a code for every weight. bitmap: a bit for every group (weight, row or block), codes for the groups that stay.
gaps: codes of the weights that stay, each with the number of zeros before it in few bits; where a gap is too long, a
zero is stored in between. raw: float32. Bytes of codes, index and codebook are counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compress.prune import group_scores, matrix, spread

Array = NDArray[Any]
_GAP_BITS = range(2, 9)


@dataclass(frozen=True)
class Packed:
    """arrays: ``codes``, ``index``, ``codebook`` or ``raw``, as stored. entries: how many codes there are."""

    shape: tuple[int, ...]
    form: str
    bits: int = 32
    entries: int = 0
    group: tuple[int, int] = (1, 1)
    gap_bits: int = 0
    arrays: dict[str, Array] = field(default_factory=dict)

    @property
    def value_bytes(self) -> int:
        """Codes, or raw values."""
        return sum(one.nbytes for name, one in self.arrays.items() if name in ("codes", "raw"))

    @property
    def index_bytes(self) -> int:
        """Where the weights are."""
        return self.arrays["index"].nbytes if "index" in self.arrays else 0

    @property
    def codebook_bytes(self) -> int:
        """What the codes mean."""
        return self.arrays["codebook"].nbytes if "codebook" in self.arrays else 0

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(one.nbytes for one in self.arrays.values())

    def unpack(self) -> Array:
        """The float32 tensor. Raises ValueError where the arrays do not fit the form."""
        if self.form == "raw":
            return self.arrays["raw"].reshape(self.shape)
        book, codes = self.arrays["codebook"], from_bits(self.arrays["codes"], self.bits, self.entries)
        if self.entries and int(codes.max()) >= len(book):
            raise ValueError("a code beyond the codebook")
        size = int(np.prod(self.shape, dtype=np.int64))
        values = book[codes]
        if self.form == "dense":
            return values.reshape(self.shape)
        flat = np.zeros(size, np.float32)
        if self.form == "gaps":
            places = np.cumsum(from_bits(self.arrays["index"], self.gap_bits, self.entries).astype(np.int64) + 1) - 1
            flat[places] = values
        else:
            flat[self._places()] = values
        return flat.reshape(self.shape)

    def _places(self) -> Array:
        rows = self.shape[0]
        columns = int(np.prod(self.shape[1:], dtype=np.int64))
        grid = (-(-rows // self.group[0]), -(-columns // self.group[1]))
        chosen = from_bits(self.arrays["index"], 1, grid[0] * grid[1]).astype(bool).reshape(grid)
        return np.asarray(spread(chosen, (rows, columns), self.group).ravel())


def raw(values: Array) -> Packed:
    """A tensor as it is."""
    whole = np.ascontiguousarray(values, np.float32)
    return Packed(tuple(whole.shape), "raw", arrays={"raw": whole.ravel()})


def pack(codes: Array, codebook: Array, bits: int, *, pruned: bool, group: tuple[int, int] = (1, 1)) -> Packed:
    """The smallest form. codes: integers of the tensor's shape; in a pruned tensor code 0 is zero."""
    shape, flat = tuple(codes.shape), codes.ravel()
    book = np.ascontiguousarray(codebook, np.float32)
    forms = [Packed(shape, "dense", bits, flat.size, arrays={"codes": to_bits(flat, bits), "codebook": book})]
    if pruned:
        forms.append(_bitmap(codes, book, bits, group))
        if group == (1, 1):
            forms += [_gaps(flat, shape, book, bits, gap_bits) for gap_bits in _best_gaps(flat, bits)]
    return min(forms, key=lambda one: one.bytes)


def _bitmap(codes: Array, book: Array, bits: int, group: tuple[int, int]) -> Packed:
    flat = matrix(codes)
    chosen = group_scores((flat != 0).astype(np.float64), group) > 0
    inside = flat[spread(chosen, flat.shape, group)]
    arrays = {"codes": to_bits(inside, bits), "index": to_bits(chosen.ravel(), 1), "codebook": book}
    return Packed(tuple(codes.shape), "bitmap", bits, inside.size, group, arrays=arrays)


def _best_gaps(flat: Array, bits: int) -> list[int]:
    """The gap width that takes the fewest bits, without packing any."""
    gaps = np.diff(np.flatnonzero(flat), prepend=-1) - 1
    costs = {width: int((gaps // 2**width + 1).sum()) * (width + bits) for width in _GAP_BITS}
    return [min(costs, key=lambda width: costs[width])] if len(gaps) else []


def _gaps(flat: Array, shape: tuple[int, ...], book: Array, bits: int, width: int) -> Packed:
    places = np.flatnonzero(flat)
    gaps = np.diff(places, prepend=-1) - 1
    fillers = gaps // 2**width
    entries = np.zeros(int((fillers + 1).sum()), np.uint8)
    steps = np.full(entries.size, 2**width - 1, np.uint8)
    ends = np.cumsum(fillers + 1) - 1
    entries[ends], steps[ends] = flat[places], gaps % 2**width
    arrays = {"codes": to_bits(entries, bits), "index": to_bits(steps, width), "codebook": book}
    return Packed(shape, "gaps", bits, entries.size, gap_bits=width, arrays=arrays)


def to_bits(values: Array, bits: int) -> Array:
    """Unsigned numbers below 2**bits, side by side."""
    small = np.ascontiguousarray(values, np.uint8)
    if bits == 8:
        return small
    return np.packbits(np.unpackbits(small[:, None], axis=1)[:, 8 - bits :])


def from_bits(packed: Array, bits: int, count: int) -> Array:
    """The numbers again. Raises ValueError where there are not enough bits."""
    if packed.size != -(-count * bits // 8):
        raise ValueError(f"{packed.size} bytes for {count} numbers of {bits} bits")
    if bits == 8:
        return packed
    wide = np.zeros((count, 8), np.uint8)
    wide[:, 8 - bits :] = np.unpackbits(packed, count=count * bits).reshape(count, bits)
    return np.packbits(wide, axis=1)[:, 0]
