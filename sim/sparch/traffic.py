"""DRAM traffic of each block of a merge round: bursts by operand and channel, and where B misses the buffer.

Consecutive bursts of a region lie in consecutive channels. A burst that two neighbouring elements share is read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.jit import njit
from sim.sparch.condensed import Int32s, Int64s
from sim.sparch.config import SpArchConfig
from sim.sparch.product import BlockLimits, RoundCounts
from sim.sparch.round_work import ELEMENT_BYTES, POINTER_BYTES, span

Loads = npt.NDArray[np.int32]

CUT_ELEMENTS = 512
"""A row of no more than twice so many products is not cut for their sake."""


@dataclass(frozen=True)
class BlockTraffic:
    """DRAM traffic of each block. loads: (blocks, channels) bursts. b_elements, b_pointers: read from B, by block.

    first_miss, last_miss: place of the first and last, from 0; -1 where all hit.
    """

    a_loads: Loads
    b_loads: Loads
    partial_loads: Loads
    out_loads: Loads
    b_elements: Int64s
    b_pointers: Int64s
    first_miss: Int64s
    last_miss: Int64s


def cut_long_rows(counts: RoundCounts, traffic: BlockTraffic, limits: BlockLimits) -> tuple[RoundCounts, BlockTraffic]:
    """Cut blocks of one long row into even slices, so that every block keeps to the limits (but for rounding)."""
    slices = np.maximum.reduce(
        [
            -(-(counts.products + counts.partial_in) // (2 * max(limits.elements, CUT_ELEMENTS))),
            -(-counts.requests // (2 * limits.requests)),
            -(-counts.partial_in // (2 * limits.partial_in)),
            np.ones_like(counts.out),
        ]
    )
    if slices.max(initial=1) == 1:
        return counts, traffic
    block = np.repeat(np.arange(slices.size), slices)
    part = np.arange(block.size) - np.repeat(np.cumsum(slices) - slices, slices)

    def cut(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        whole, place, pieces = values[block].astype(np.int64), part, slices[block]
        if values.ndim == 2:
            place, pieces = place[:, None], pieces[:, None]
        return (whole * (place + 1) // pieces - whole * place // pieces).astype(values.dtype)

    def spread(values: Int64s, requests: Int64s, last: bool) -> Int64s:
        inside = np.where(values[block] < 0, -1, requests - 1 if last else 0)
        return np.where(slices[block] == 1, values[block], inside)

    parts = {name: cut(getattr(counts, name)) for name in _COUNTED}
    loads = {name: cut(getattr(traffic, name)) for name in _LOADED}
    return (
        RoundCounts(
            **parts,
            rows=counts.rows[block],
            last_row=counts.last_row[block],
            row_first=np.arange(block.size) - part,
            row_last=np.arange(block.size) - part + slices[block] - 1,
        ),
        BlockTraffic(
            **loads,
            first_miss=spread(traffic.first_miss, parts["requests"], last=False),
            last_miss=spread(traffic.last_miss, parts["requests"], last=True),
        ),
    )


_COUNTED = ("a_elements", "products", "slots", "requests", "partial_in", "layer_in", "out")


_LOADED = ("a_loads", "b_loads", "partial_loads", "out_loads", "b_elements", "b_pointers")


def sequential_loads(upto_bytes: Int64s, first_burst: int, config: SpArchConfig) -> Loads:
    """(blocks, channels) bursts of a region read or written in order; `upto_bytes` is the end of each block."""
    channels = config.dram.channels
    bursts = np.concatenate([[0], -(-upto_bytes // config.dram.burst_bytes)])
    count = np.diff(bursts)
    even = count // channels
    place = (np.arange(channels)[None, :] - (first_burst + bursts[:-1])[:, None]) % channels
    loads = even[:, None] + (place < (count - even * channels)[:, None])
    return loads.astype(np.int32)


@njit
def count_a_loads(place: Int64s, ends: Int64s, base: int, burst_bytes: int, loads: Loads) -> None:
    channels = loads.shape[1]
    previous = -1
    x = 0
    for block in range(ends.size):
        while x < ends[block]:
            first, stop = span(place[x] * ELEMENT_BYTES, ELEMENT_BYTES, burst_bytes)
            if first == previous:
                first += 1
            for burst in range(first, stop):
                loads[block, (base + burst) % channels] += 1
            previous = stop - 1
            x += 1


@njit
def count_b_loads(
    a_indices: Int32s, indptr: Int64s, element: Int64s, first_line: Int64s, line_elements: int, source: Int32s,
    ends: Int64s, base: int, base_pointers: int, burst_bytes: int, count_pointers: bool,
    loads: Loads, elements: Int64s, pointers: Int64s, first_miss: Int64s, last_miss: Int64s,
) -> None:  # fmt: skip
    channels = loads.shape[1]
    q = 0
    x = -1
    part = parts = k = 0
    for block in range(ends.size):
        begun = q
        while q < ends[block]:
            while part == parts:
                x += 1
                k = a_indices[element[x]]
                part, parts = 0, first_line[k + 1] - first_line[k]
            if source[q] == q:
                begin = indptr[k] + part * line_elements
                size = min(line_elements, indptr[k + 1] - begin)
                elements[block] += size
                last_miss[block] = q - begun
                if first_miss[block] < 0:
                    first_miss[block] = q - begun
                first, stop = span(begin * ELEMENT_BYTES, size * ELEMENT_BYTES, burst_bytes)
                for burst in range(base + first, base + stop):
                    loads[block, burst % channels] += 1
                if count_pointers and part == 0:
                    pointers[block] += 1
                    first, stop = span(k * POINTER_BYTES, POINTER_BYTES, burst_bytes)
                    for burst in range(base_pointers + first, base_pointers + stop):
                        loads[block, burst % channels] += 1
            part += 1
            q += 1
