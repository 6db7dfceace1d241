"""One merge round, executed: the merged matrix and exactly how many elements each layer of the tree passes.

Each output column of a row carries a mask with one bit for each input of the tree that contributes to it. Folding the
mask pairwise, layer by layer, gives the elements that leave each layer (after the adder slices):
``popcount(mask)`` elements enter layer 1, ``popcount(fold(mask))`` leave it, and so on up to one at the root.
All of it is counted in one sweep over the products, in blocks of whole output rows. These are counts, not time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim.jit import inline, njit
from sim.sparch.accumulator import Accumulator
from sim.sparch.condensed import Int32s, Int64s, RoundElements
from sim.sparch.operand import Operand

Float64s = npt.NDArray[np.float64]
UInt64s = npt.NDArray[np.uint64]
_EVEN_BITS = tuple(
    np.uint64(sum(1 << b for b in range(0, 64, 2 * step)))  # one bit for each pair of 2 * step inputs
    for step in (1, 2, 4, 8, 16, 32)
)
_FOLD_1, _FOLD_2, _FOLD_4, _FOLD_8, _FOLD_16, _FOLD_32 = _EVEN_BITS


@dataclass(frozen=True)
class SparseRows:
    """A partial matrix or the product: only rows that hold something. Columns of a row are in no particular order.

    rows: ascending. start: (rows + 1) offsets into indices and data.
    """

    rows: Int32s
    start: Int64s
    indices: Int32s
    data: Float64s

    @property
    def nnz(self) -> int:
        """Stored elements."""
        return int(self.indices.size)


@dataclass(frozen=True)
class BlockLimits:
    """When a block of output rows is closed (it always holds at least one).

    elements: products and elements of partial matrices. requests: line look-ups. a_elements: of A. partial_in:
    elements of partial matrices. shares: a round is cut into about so many blocks where the other limits allow fewer.
    """

    elements: int
    requests: int
    a_elements: int
    partial_in: int
    shares: int

    def of_round(self, elements: int) -> BlockLimits:
        """Limits for a round of `elements`."""
        return replace(self, elements=max(1, min(self.elements, elements // self.shares)))


@dataclass(frozen=True)
class RoundCounts:
    """What each block of a round holds; every array has one entry (or row) a block.

    a_elements: elements of A. products: multiplications. slots: multiplier-group slots. requests: B line look-ups that
    name a line. partial_in: elements read from partial matrices. layer_in: (blocks, layers), elements entering each
    merge layer. out: elements leaving the root. rows: output rows. last_row: the last of them. row_first, row_last:
    where a long row is cut into several blocks, the first and last of these; else the block itself.
    """

    a_elements: Int64s
    products: Int64s
    slots: Int64s
    requests: Int64s
    partial_in: Int64s
    layer_in: Int64s
    out: Int64s
    rows: Int64s
    last_row: Int64s
    row_first: Int64s
    row_last: Int64s


@dataclass(frozen=True)
class MergedRound:
    """Result of `merge_round`."""

    merged: SparseRows
    counts: RoundCounts
    limits: BlockLimits


def merge_round(
    a: Operand,
    b: Operand,
    elements: RoundElements,
    partials: list[SparseRows],
    *,
    ways: int,
    lanes: int,
    line_elements: int,
    limits: BlockLimits,
    accumulator: Accumulator | None = None,
) -> MergedRound:
    """Merge the products of `elements` with `partials`, whose tree inputs follow those of the leaves."""
    scratch = accumulator or Accumulator.of(b.cols, ways)
    rows = elements.rows
    for partial in partials:
        rows = np.union1d(rows, partial.rows).astype(np.int32)
    flat = _flatten(partials)
    first_partial_slot = int(elements.slot.max(initial=-1)) + 1
    layers = ways.bit_length() - 1
    from_partials = sum(partial.nnz for partial in partials)
    products, bound = _output_bound(a.indices, b.indptr, elements.start, elements.element, b.cols)
    capacity = bound + from_partials
    limits = limits.of_round(products + from_partials)
    start = np.empty(rows.size + 1, np.int64)
    indices = np.empty(capacity, np.int32)
    data = np.empty(capacity, np.float64)
    blocks = np.empty((rows.size, 8 + layers), np.int64)
    n, n_blocks = _merge(
        a.indices, a.data, b.indptr, b.indices, b.data,
        elements.rows, elements.start, elements.element, elements.slot,
        *flat, first_partial_slot,
        rows, layers, lanes, line_elements, limits.elements, limits.requests, limits.a_elements, limits.partial_in,
        scratch.value, scratch.mask, scratch.mask_high,
        start, indices, data, blocks,
    )  # fmt: skip
    held = blocks[:n_blocks].copy()
    own = np.arange(n_blocks)
    a_elements, multiplied, slots, requests, partial_in = held[:, :5].T
    counts = RoundCounts(
        a_elements,
        multiplied,
        slots,
        requests,
        partial_in,
        held[:, 5:-3],
        held[:, -3],
        held[:, -2],
        held[:, -1],
        own,
        own,
    )
    return MergedRound(SparseRows(rows, start, indices[:n], data[:n]), counts, limits)


def _flatten(partials: list[SparseRows]) -> tuple[Int64s, Int32s, Int64s, Int32s, Float64s]:
    """All partial matrices end to end: rows of partial p are ``row_start[p] : row_start[p + 1]``."""
    row_start = np.cumsum([0, *(partial.rows.size for partial in partials)]).astype(np.int64)
    offsets = np.cumsum([0, *(partial.nnz for partial in partials)])
    if len(partials) == 1:
        only = partials[0]
        return row_start, only.rows, only.start, only.indices, only.data
    starts = [partial.start[:-1] + offset for partial, offset in zip(partials, offsets, strict=False)]
    return (
        row_start,
        np.concatenate([np.zeros(0, np.int32), *(partial.rows for partial in partials)]),
        np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
        np.concatenate([np.zeros(0, np.int32), *(partial.indices for partial in partials)]),
        np.concatenate([np.zeros(0), *(partial.data for partial in partials)]),
    )


@njit
def _output_bound(a_indices: Int32s, b_indptr: Int64s, start: Int64s, element: Int64s, cols: int) -> tuple[int, int]:
    total = 0
    bound = 0
    for r in range(start.size - 1):
        products = 0
        for x in range(start[r], start[r + 1]):
            k = a_indices[element[x]]
            products += b_indptr[k + 1] - b_indptr[k]
        total += products
        bound += min(products, cols)
    return total, bound


@inline
def popcount(x: np.uint64) -> int:
    """Number of set bits."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))  # type: ignore[return-value]


@njit
def count_layers(mask: np.uint64, counts: Int64s, layers: int) -> None:
    """Add to ``counts[l]`` the elements of one output column that enter layer ``l``; `mask` has 64 inputs."""
    one = np.uint64(1)
    if layers > 0:
        counts[0] += popcount(mask)
    if layers > 1:
        mask = (mask | (mask >> one)) & _FOLD_1
        counts[1] += popcount(mask)
    if layers > 2:
        mask = (mask | (mask >> np.uint64(2))) & _FOLD_2
        counts[2] += popcount(mask)
    if layers > 3:
        mask = (mask | (mask >> np.uint64(4))) & _FOLD_4
        counts[3] += popcount(mask)
    if layers > 4:
        mask = (mask | (mask >> np.uint64(8))) & _FOLD_8
        counts[4] += popcount(mask)
    if layers > 5:
        mask = (mask | (mask >> np.uint64(16))) & _FOLD_16
        counts[5] += popcount(mask)


@njit
def _merge(
    a_indices: Int32s, a_data: Float64s, b_indptr: Int64s, b_indices: Int32s, b_data: Float64s,
    el_rows: Int32s, el_start: Int64s, element: Int64s, slot: Int32s,
    p_row_start: Int64s, p_rows: Int32s, p_start: Int64s, p_indices: Int32s, p_data: Float64s, first_partial_slot: int,
    rows: Int32s, layers: int, lanes: int, line_elements: int,
    limit_elements: int, limit_requests: int, limit_a: int, limit_partial: int,
    value: Float64s, mask: UInt64s, mask_high: UInt64s,
    start: Int64s, indices: Int32s, data: Float64s, blocks: Int64s,
) -> tuple[int, int]:  # fmt: skip
    wide = mask_high.size > 0
    one = np.uint64(1)
    cursor = p_row_start[:-1].copy()
    layer_in = np.zeros(max(layers, 1), np.int64)
    n = 0
    e = 0
    n_blocks = 0
    b_a = b_products = b_slots = b_requests = b_partial = b_out = 0
    singles = 0
    first_row = 0
    for r in range(rows.size):
        row = rows[r]
        start[r] = n
        if e < el_rows.size and el_rows[e] == row:
            for x in range(el_start[e], el_start[e + 1]):
                at = element[x]
                k = a_indices[at]
                begin = b_indptr[k]
                end = b_indptr[k + 1]
                length = end - begin
                b_products += length
                b_slots += (length + lanes - 1) // lanes
                b_requests += (length + line_elements - 1) // line_elements
                scale = a_data[at]
                s = slot[x]
                if wide:
                    bit = one << np.uint64(s & 63)
                    marks = mask_high if s >= 64 else mask
                    for y in range(begin, end):
                        c = b_indices[y]
                        if mask[c] == 0 and mask_high[c] == 0:
                            indices[n] = c
                            n += 1
                            value[c] = scale * b_data[y]
                        else:
                            value[c] += scale * b_data[y]
                        marks[c] |= bit
                else:  # the hot loop: unsigned indices spare the test for negative ones
                    bit = one << np.uint64(s)
                    for y in range(np.uint64(begin), np.uint64(end)):
                        c = np.uint32(b_indices[y])
                        product = scale * b_data[y]
                        held = mask[c]
                        if held == 0:
                            indices[np.uint64(n)] = c
                            n += 1
                            value[c] = product
                        else:
                            value[c] += product
                        mask[c] = held | bit
            b_a += el_start[e + 1] - el_start[e]
            e += 1
        for p in range(cursor.size):
            place = cursor[p]
            if place < p_row_start[p + 1] and p_rows[place] == row:
                s = first_partial_slot + p
                high = s >= 64
                bit = one << np.uint64(s - 64 if high else s)
                for y in range(p_start[place], p_start[place + 1]):
                    c = p_indices[y]
                    if mask[c] == 0 and (not wide or mask_high[c] == 0):
                        indices[n] = c
                        n += 1
                        value[c] = p_data[y]
                    else:
                        value[c] += p_data[y]
                    if high:
                        mask_high[c] |= bit
                    else:
                        mask[c] |= bit
                b_partial += p_start[place + 1] - p_start[place]
                cursor[p] = place + 1
        for y in range(start[r], n):
            c = indices[y]
            data[y] = value[c]
            held = mask[c]
            mask[c] = 0
            if wide:
                low_top = held != 0
                high_top = mask_high[c] != 0
                count_layers(held, layer_in, 6)
                count_layers(mask_high[c], layer_in, 6)
                if layers > 6:
                    layer_in[6] += np.int64(low_top) + np.int64(high_top)
                mask_high[c] = 0
            elif held & (held - one) == 0:
                singles += 1
            else:
                count_layers(held, layer_in, layers)
        b_out += n - start[r]
        if (
            r + 1 == rows.size
            or b_products + b_partial >= limit_elements
            or b_requests >= limit_requests
            or b_a >= limit_a
            or b_partial >= limit_partial
        ):
            blocks[n_blocks, 0] = b_a
            blocks[n_blocks, 1] = b_products
            blocks[n_blocks, 2] = b_slots
            blocks[n_blocks, 3] = b_requests
            blocks[n_blocks, 4] = b_partial
            for layer in range(layers):
                blocks[n_blocks, 5 + layer] = layer_in[layer] + singles
                layer_in[layer] = 0
            blocks[n_blocks, 5 + layers] = b_out
            blocks[n_blocks, 6 + layers] = r + 1 - first_row
            blocks[n_blocks, 7 + layers] = row
            first_row = r + 1
            n_blocks += 1
            b_a = b_products = b_slots = b_requests = b_partial = b_out = 0
            singles = 0
    start[rows.size] = n
    return n, n_blocks
