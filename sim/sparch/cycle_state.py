"""State of the cycle model: one record of arrays, shared by its units (`cycle_tree` and the others).

FIFOs are numbered as a binary heap: 1 is the root's output, ``ways + s`` is the leaf FIFO of input ``s``, and the node
that fills FIFO ``o`` merges FIFOs ``2 o`` and ``2 o + 1``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.sparch.condensed import Int32s, Int64s
from sim.sparch.config import SpArchConfig
from sim.sparch.product import Float64s
from sim.sparch.round_work import Streams

UInt8s = npt.NDArray[np.uint8]
Bits = npt.NDArray[np.uint64]

NEVER = 2**62
"""A time or key beyond all others."""

# scalars in State.s
(LOOKUP_X, LOOKUP_Q, OLDEST_X, RETIRED_X, A_ISSUED, A_BURST, A_BURST_READY, CHUNK, POOL, PUSHED, WRITTEN, WRITE_END,
 SERVED, B_BURSTS, A_BURSTS, P_BURSTS, SOONEST, SCALARS) = range(18)  # fmt: skip

# units that use the channels: rows of State.queued
FETCH_UNIT, PREFETCH_UNIT, PARTIALS_UNIT, WRITE_UNIT = range(4)

# what a unit did in a cycle
BUSY, STARVED, BLOCKED, MEMORY, IDLE = range(5)


class Machine(NamedTuple):
    """The configuration as plain integers, plus what changes from round to round.

    ring: places of a FIFO in State.key and State.value, a power of two from `depth` on; mask: ``ring - 1``. out: where
    the output of the root begins there.
    """

    ways: int
    layers: int
    width: int
    depth: int
    ring: int
    mask: int
    out: int
    groups: int
    lanes: int
    column_fetchers: int
    lookahead: int
    lines: int
    line_elements: int
    fetchers: int
    pool: int
    writer_depth: int
    partial_bytes: int
    channels: int
    burst_bytes: int
    burst_cycles: int
    latency: int
    queue_cycles: int
    fetch_queue_cycles: int
    fetch_watermark: int
    count_pointers: int
    leaves: int
    partials: int
    cols: int
    out_bytes: int
    burst_a: int
    burst_b: int
    burst_pointers: int
    burst_out: int


class State(NamedTuple):
    """Everything that changes from cycle to cycle.

    Place ``p`` of FIFO ``f`` is element ``f * ring + (p & mask)`` of key and value; all that the root puts out follows
    the last FIFO (out_key and out_value are views of it). awake, able, stuck: one bit for each node, numbered as the
    FIFO that it fills: to be looked at again, can merge, has no room. due: one bit for each input at which the
    multipliers look again; SOONEST is the earliest other time in wait.
    """

    s: Int64s
    free: Int64s
    queued: npt.NDArray[np.int64]
    key: Int64s
    value: Float64s
    head: Int32s
    held: Int32s
    bound: Int64s
    awake: Bits
    able: Bits
    stuck: Bits
    front: Int64s
    urgency: Int64s
    wait: Int64s
    due: Bits
    place: Int64s
    offset: Int64s
    a_ready: Int64s
    line_ready: Int64s
    a_used: UInt8s
    chunk_ready: Int64s
    chunk_next: Int64s
    chunk_first: Int64s
    out_key: Int64s
    out_value: Float64s
    layer_in: Int64s
    ledger: npt.NDArray[np.int64]


def units(layers: int) -> tuple[str, ...]:
    """Names of the rows of the ledger."""
    tree = tuple(f"merge_layer_{layer + 1}" for layer in range(layers))
    return ("column_fetchers", "prefetcher", "multipliers", "partial_fetcher", "writer", *tree)


def new_state(machine: Machine, streams: Streams, free: Int64s, elements_out: int) -> State:
    """Empty machine at the start of a round; `free` is the time at which each channel falls idle."""
    fifos, words = 2 * machine.ways, max(1, machine.ways // 64)
    key = np.empty(machine.out + elements_out, np.int64)
    value = np.empty(machine.out + elements_out)
    key[: machine.out], value[: machine.out] = 0, 0
    value[0] = -0.0  # see cycle_merger.put
    return State(
        s=np.zeros(SCALARS, np.int64),
        free=free,
        queued=np.zeros((4, machine.channels), np.int64),
        key=key,
        value=value,
        head=np.zeros(fifos, np.int32),
        held=np.zeros(fifos, np.int32),
        bound=np.full(fifos, NEVER, np.int64),
        awake=np.full(words, 2**64 - 1, np.uint64),
        able=np.zeros(words, np.uint64),
        stuck=np.zeros(words, np.uint64),
        front=np.full(machine.ways, NEVER, np.int64),
        urgency=np.full(machine.ways, NEVER, np.int64),
        wait=np.zeros(machine.ways, np.int64),
        due=np.zeros(words, np.uint64),
        place=np.zeros(machine.ways, np.int64),
        offset=np.zeros(machine.ways, np.int64),
        a_ready=np.zeros(streams.row.size, np.int64),
        line_ready=np.full(streams.source.size, NEVER, np.int64),
        a_used=np.zeros(streams.row.size + 1, np.uint8),
        chunk_ready=np.full(streams.chunk_begin.size, NEVER, np.int64),
        chunk_next=np.full(streams.chunk_begin.size, -1, np.int64),
        chunk_first=np.full(machine.ways, -1, np.int64),
        out_key=key[machine.out :],
        out_value=value[machine.out :],
        layer_in=np.zeros(machine.layers, np.int64),
        ledger=np.zeros((5 + machine.layers, 5), np.int64),
    )


def machine_of(config: SpArchConfig, **of_round: int) -> Machine:
    """Plain integers of `config` and of the round."""
    partials = of_round["partials"]
    out_bytes = of_round["out_bytes"]
    ring = 1 << (config.merge_tree.fifo_depth - 1).bit_length()
    return Machine(
        ways=config.merge_tree.ways,
        layers=config.layers,
        width=config.merge_tree.width,
        depth=config.merge_tree.fifo_depth,
        ring=ring,
        mask=ring - 1,
        out=2 * config.merge_tree.ways * ring,
        groups=config.multipliers.groups,
        lanes=config.multipliers.lanes,
        column_fetchers=config.column_fetchers,
        lookahead=config.lookahead.elements,
        lines=config.prefetch.lines,
        line_elements=config.prefetch.line_elements,
        fetchers=config.prefetch.fetchers,
        pool=max(config.partials.fifo_depth, (partials + 1) * config.chunk_elements),
        writer_depth=max(config.partials.fifo_depth, -(-config.dram.burst_bytes // out_bytes) + 1),
        partial_bytes=config.partials.element_bytes,
        channels=config.dram.channels,
        burst_bytes=config.dram.burst_bytes,
        burst_cycles=config.burst_cycles,
        latency=config.dram.latency_cycles,
        queue_cycles=config.dram.queue_bursts * config.burst_cycles,
        fetch_queue_cycles=config.fetch_queue_bursts * config.burst_cycles,
        fetch_watermark=config.fetch_watermark,
        count_pointers=int(config.dram.count_row_pointers),
        **of_round,
    )
