"""What one merge round asks of the machine, laid out for the cycle model: streams, requests, chunks, addresses.

DRAM holds, one after the other and aligned to bursts: A, B, the row pointers of B, and one region for each matrix that
a round writes. Consecutive bursts lie in consecutive channels. Elements of A and B and of the product take 12 bytes.

Partial matrices are fetched in chunks, in the order in which the merge will need them (forecasting: a stream's next
chunk is needed when its previous chunk is used up, and the writer has kept the last key of each chunk).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.jit import njit
from sim.sparch.condensed import Int32s, Int64s, RoundElements
from sim.sparch.config import SpArchConfig
from sim.sparch.distance import LineMap
from sim.sparch.operand import Operand
from sim.sparch.product import Float64s, SparseRows

ELEMENT_BYTES = 12
POINTER_BYTES = 8


@dataclass(frozen=True)
class AddressMap:
    """First burst of each region."""

    a: int
    b: int
    b_pointers: int
    written: int

    @staticmethod
    def of(a: Operand, b: Operand, burst_bytes: int) -> AddressMap:
        """Regions for operands `a` and `b`."""

        def bursts(size: int) -> int:
            return -(-size // burst_bytes)

        at_b = bursts(a.nnz * ELEMENT_BYTES)
        at_pointers = at_b + bursts(b.nnz * ELEMENT_BYTES)
        return AddressMap(0, at_b, at_pointers, at_pointers + bursts(b.rows * POINTER_BYTES))


class Streams(NamedTuple):
    """Inputs of the tree in one round. Keys are ``row * columns + column``.

    Leaf s < leaves: elements ``leaf_element[leaf_start[s] : leaf_start[s + 1]]`` of A in round order. Per element of A:
    row, row_begin (first element of its row), slot, begin and length (of its row of B), scale, request (its first one),
    a_index (place in memory), b_row. Per request: source. Partial stream p is input ``leaves + p``:
    ``key[stream_start[p] : stream_start[p + 1]]``. Chunks are in the order in which they are fetched.
    """

    leaf_start: Int64s
    leaf_element: Int64s
    row: Int64s
    row_begin: Int64s
    slot: Int32s
    begin: Int64s
    length: Int64s
    scale: Float64s
    request: Int64s
    source: Int32s
    a_index: Int64s
    b_row: Int32s
    b_indices: Int32s
    b_data: Float64s
    stream_start: Int64s
    key: Int64s
    value: Float64s
    chunk_stream: Int32s
    chunk_begin: Int64s
    chunk_end: Int64s
    chunk_burst: Int64s


def build_streams(
    a: Operand,
    b: Operand,
    lines: LineMap,
    elements: RoundElements,
    source: Int32s,
    partials: list[tuple[SparseRows, int]],
    config: SpArchConfig,
    leaves: int,
) -> Streams:
    """Streams of one round; `partials` come with the first burst of their region, `leaves` is the number of columns."""
    b_row = a.indices[elements.element]
    order = np.argsort(elements.slot, kind="stable")
    order = order[b.indptr[b_row[order] + 1] > b.indptr[b_row[order]]]  # empty rows of B bring nothing
    leaf_start = np.searchsorted(elements.slot[order], np.arange(leaves + 1)).astype(np.int64)
    parts = lines.first[b_row + 1] - lines.first[b_row]
    keys = [sorted_stream(partial, b.cols) for partial, _ in partials]
    stream_start = np.cumsum([0, *(key.size for key, _ in keys)]).astype(np.int64)
    key = np.concatenate([np.zeros(0, np.int64), *(key for key, _ in keys)])
    chunks = _chunks(stream_start, key, config.chunk_elements)
    return Streams(
        leaf_start=leaf_start,
        leaf_element=order.astype(np.int64),
        row=np.repeat(elements.rows.astype(np.int64), np.diff(elements.start)),
        row_begin=np.append(np.repeat(elements.start[:-1], np.diff(elements.start)), elements.element.size),
        slot=elements.slot,
        begin=b.indptr[b_row],
        length=b.indptr[b_row + 1] - b.indptr[b_row],
        scale=a.data[elements.element],
        request=np.concatenate([[0], np.cumsum(parts)]).astype(np.int64),
        source=source,
        a_index=elements.element if config.condensing else np.arange(elements.element.size, dtype=np.int64),
        b_row=b_row,
        b_indices=b.indices,
        b_data=b.data,
        stream_start=stream_start,
        key=key,
        value=np.concatenate([np.zeros(0), *(value for _, value in keys)]),
        chunk_stream=chunks.stream,
        chunk_begin=chunks.begin,
        chunk_end=chunks.end,
        chunk_burst=np.array([*(burst for _, burst in partials), 0], np.int64),
    )


def sorted_stream(partial: SparseRows, cols: int) -> tuple[Int64s, Float64s]:
    """Keys and values of a partial matrix in row-major order."""
    rows = np.repeat(partial.rows.astype(np.int64), np.diff(partial.start))
    key = rows * cols + partial.indices
    order = np.argsort(key, kind="stable")
    return key[order], partial.data[order]


class _Chunks(NamedTuple):
    stream: Int32s
    begin: Int64s
    end: Int64s


def _chunks(stream_start: Int64s, key: Int64s, size: int) -> _Chunks:
    """Chunks of `size` elements of every stream, in the order in which the merge comes to need them."""
    parts = [_Chunks(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))]
    need: list[Int64s] = [np.zeros(0, np.int64)]
    for p in range(stream_start.size - 1):
        first = np.arange(stream_start[p], stream_start[p + 1], size, dtype=np.int64)
        parts.append(_Chunks(np.full(first.size, p, np.int32), first, np.minimum(first + size, stream_start[p + 1])))
        need.append(np.where(first > stream_start[p], key[np.maximum(first - 1, 0)], -1))
    order = np.argsort(np.concatenate(need), kind="stable")
    stream, begin, end = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
    return _Chunks(stream, begin, end)


@njit
def span(byte: int, size: int, burst_bytes: int) -> tuple[int, int]:
    """First burst and one past the last burst that ``size > 0`` bytes from `byte` touch."""
    return byte // burst_bytes, (byte + size - 1) // burst_bytes + 1
