"""What each processing element has to do: tasks of the two phases, dealt round-robin, in blocks of work.

Multiply phase, task k (for every k that A has a column or B a row for): column k of A times row k of B. It reads both,
and writes one partial row, as long as the row of B, for each entry of the column. Tasks are dealt to the tiles; the
processing elements of a tile share the row of B in their L0 and take the entries of the column in turn. Without
`pes.share_outer_products` one of them does all of the task. Merge phase, task i: the partial rows of output row i, read
and merged into one list by linear insertion, all by one processing element.

    begin an outer product   (blocks of the column + blocks of the row) x request_cycles + task_cycles
    each entry of A          max(entries of the row, blocks of the row x request_cycles)
    merge an output row      max(elements x inputs, blocks of inputs and output x request_cycles) + task_cycles

A request is a block of 64 B: every row, column and partial row is rounded up to whole blocks. A merge of more inputs
than the scratchpad holds heads (`merge_heads`) works in groups, and merges their results in further passes; what lies
between two passes stays on chip, as the published byte count has no place for it. A row of B that L0 cannot hold is
asked for again for each entry of the column, which costs requests but, behind L1, no bytes. Not modelled: hits and
conflicts of single lines, tasks that are dealt to whoever is free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.jit import njit
from sim.outerspace.config import OuterSpaceConfig
from sim.sparch.operand import Operand

ELEMENT_BYTES = 12
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PhaseWork:
    """Tasks of one phase, summed by processing element and block of work.

    cycles, arithmetic: (blocks, tiles, PEs of a tile). loads: (blocks, tiles, channels), bursts.
    """

    cycles: Int64s
    arithmetic: Int64s
    loads: npt.NDArray[np.int32]


def plan_phases(a: Operand, b: Operand, out: Int64s, config: OuterSpaceConfig) -> tuple[PhaseWork, PhaseWork]:
    """Both phases of a · b; `out`: entries of every row of the product."""
    return multiply_work(a, b, config), merge_work(a, b, out, config)


def multiply_work(a: Operand, b: Operand, config: OuterSpaceConfig) -> PhaseWork:
    """One task for each index that A has a column or B a row for."""
    column, row = np.bincount(a.indices, minlength=a.cols).astype(np.int64), np.diff(b.indptr)
    used = (column > 0) | (row > 0)
    column, row = column[used], row[used]
    pes = config.pes
    shared = pes.share_outer_products
    takers, members = (pes.tiles, pes.per_tile) if shared else (pes.tiles * pes.per_tile, 1)
    block, blocks = _blocks_of_work(column.size, takers, config)
    cycles, arithmetic = (np.zeros((blocks, takers, members), np.int64) for _ in range(2))
    bursts = np.zeros((blocks, takers), np.int64)
    row_blocks = _blocks(row, config)
    _multiply(
        column, row, _blocks(column, config), row_blocks,
        np.where(row * ELEMENT_BYTES > config.l0.bytes, row_blocks, 0),
        block, config.latency.request_cycles, config.latency.task_cycles, cycles, arithmetic, bursts,
    )  # fmt: skip
    by_tile = (blocks, pes.tiles, pes.per_tile)
    loads = _channel_loads(bursts.reshape(blocks, pes.tiles, takers // pes.tiles).sum(axis=2), config)
    return PhaseWork(cycles.reshape(by_tile), arithmetic.reshape(by_tile), loads)


@njit
def _multiply(
    column: Int64s, row: Int64s, column_blocks: Int64s, row_blocks: Int64s, again: Int64s,
    block: Int64s, request_cycles: int, task_cycles: int, cycles: Int64s, arithmetic: Int64s, bursts: Int64s,
) -> None:  # fmt: skip
    """Deal outer products to takers, whose members in turn begin them (read column and row) and take entries."""
    takers, members = bursts.shape[1], cycles.shape[2]
    turn = np.zeros(takers, np.int64)
    for task in range(column.size):
        taker, at, entries = task % takers, block[task], column[task]
        read = column_blocks[task] + row_blocks[task]
        bursts[at, taker] += read + entries * row_blocks[task]
        cycles[at, taker, task // takers % members] += read * request_cycles + task_cycles
        each = max(row[task], row_blocks[task] * request_cycles)
        for place in range(min(entries, members)):
            member = (turn[taker] + place) % members
            taken = entries // members + (place < entries % members)
            cycles[at, taker, member] += taken * each
            arithmetic[at, taker, member] += taken * row[task]
            if again[task] > 0:
                cycles[at, taker, member] += (taken - (place == 0)) * again[task] * request_cycles
        turn[taker] = (turn[taker] + entries) % members


def merge_work(a: Operand, b: Operand, out: Int64s, config: OuterSpaceConfig) -> PhaseWork:
    """One task for each output row that has partial rows; `out`: entries of every row of the product."""
    lengths = np.diff(b.indptr)[a.indices]
    inputs = _row_sums(a.indptr, (lengths > 0).astype(np.int64))
    used = inputs > 0
    elements, inputs = _row_sums(a.indptr, lengths)[used], inputs[used]
    bursts = _row_sums(a.indptr, _blocks(lengths, config))[used] + _blocks(out[used], config)
    arithmetic = elements * insertion_steps(inputs, config.pes.merge_heads)
    latency = config.latency
    cycles = np.maximum(arithmetic, bursts * latency.request_cycles) + latency.task_cycles
    pes = config.pes.tiles * config.pes.merge_per_tile
    block, blocks = _blocks_of_work(inputs.size, pes, config)
    place = block * pes + np.arange(inputs.size) % pes

    def dealt(values: Int64s) -> Int64s:
        sums = np.zeros(blocks * pes, np.int64)
        np.add.at(sums, place, values)
        return sums.reshape(blocks, config.pes.tiles, config.pes.merge_per_tile)

    return PhaseWork(dealt(cycles), dealt(arithmetic), _channel_loads(dealt(bursts).sum(axis=2), config))


def insertion_steps(inputs: Int64s, heads: int) -> Int64s:
    """Steps that one element costs: the inputs of each merge that it passes, `heads` of them at most in one merge."""
    steps, left = np.zeros_like(inputs), inputs
    while left.size and left.max() > heads:
        deep = left > heads
        steps = np.where(deep, steps + heads, steps)
        left = np.where(deep, -(-left // heads), left)
    return steps + left


def _blocks_of_work(tasks: int, takers: int, config: OuterSpaceConfig) -> tuple[Int64s, int]:
    """The block of each task, and how many there are: a block is some whole turns of dealing."""
    turns = -(-tasks // takers)
    blocks = min(turns, config.event.blocks)
    return np.arange(tasks, dtype=np.int64) // takers * blocks // max(turns, 1), blocks


def _blocks(elements: Int64s, config: OuterSpaceConfig) -> Int64s:
    return -(-elements * ELEMENT_BYTES // config.dram.burst_bytes)


def _row_sums(indptr: Int64s, values: Int64s) -> Int64s:
    upto = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    sums: Int64s = upto[indptr[1:]] - upto[indptr[:-1]]
    return sums


def _channel_loads(bursts: Int64s, config: OuterSpaceConfig) -> npt.NDArray[np.int32]:
    """Bursts by channel of (blocks, tiles): each tile goes through pages of its own, one after the other."""
    channels, page = config.dram.channels, config.dram.page_bytes // config.dram.burst_bytes
    upto = np.cumsum(bursts, axis=0)
    offset = (np.arange(channels) - np.arange(bursts.shape[1])[:, None]) % channels

    def passed(point: Int64s) -> Int64s:
        pages, rest = np.divmod(point[..., None], page)
        around, on = np.divmod(pages, channels)
        count: Int64s = page * (around + (offset < on)) + rest * (offset == on)
        return count

    loads: npt.NDArray[np.int32] = (passed(upto) - passed(upto - bursts)).astype(np.int32)
    return loads
