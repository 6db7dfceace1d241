"""Cycle model: the partial-matrix fetcher and the writer."""

from __future__ import annotations

from sim.jit import forceinline
from sim.sparch.cycle_channels import channels_have_room, transfer
from sim.sparch.cycle_state import (
    BLOCKED,
    BUSY,
    CHUNK,
    IDLE,
    MEMORY,
    NEVER,
    P_BURSTS,
    PARTIALS_UNIT,
    POOL,
    PUSHED,
    SERVED,
    STARVED,
    WRITE_END,
    WRITE_UNIT,
    WRITTEN,
    Machine,
    State,
)
from sim.sparch.cycle_tree import changed, refresh, wake
from sim.sparch.round_work import Streams, span


@forceinline
def tick_partial_fetcher(m: Machine, st: State, w: Streams, t: int) -> int:
    """Deliver up to `width` elements to the emptiest leaf FIFO that waits for a partial matrix; request more chunks."""
    if m.partials == 0:
        return IDLE
    best = NEVER
    chosen = -1
    outstanding = False
    for slot in range(m.leaves, m.leaves + m.partials):
        chunk = st.place[slot]
        if chunk < 0:
            continue
        outstanding = True
        count = st.held[m.ways + slot]
        if st.chunk_ready[chunk] <= t and count < m.depth and count < best:
            best = count
            chosen = slot
    if chosen >= 0:
        _deliver(m, st, w, chosen)
    issued = _request_chunks(m, st, w, t)
    if issued == BUSY or chosen >= 0:
        return BUSY
    return issued if outstanding else IDLE


@forceinline
def _deliver(m: Machine, st: State, w: Streams, slot: int) -> None:
    fifo = m.ways + slot
    p = slot - m.leaves
    chunk = st.place[slot]
    was_empty = st.held[fifo] == 0
    for _ in range(m.width):
        at = w.stream_start[p] + st.offset[slot]
        if st.held[fifo] == m.depth or at == w.chunk_end[chunk]:
            break
        tail = fifo * m.ring + ((st.head[fifo] + st.held[fifo]) & m.mask)
        st.key[tail] = w.key[at]
        st.value[tail] = w.value[at]
        st.held[fifo] += 1
        st.offset[slot] += 1
        st.s[POOL] -= 1
    if w.stream_start[p] + st.offset[slot] == w.chunk_end[chunk]:
        st.place[slot] = st.chunk_next[chunk]
    if was_empty:
        refresh(m, st, fifo)
    else:
        wake(st, fifo >> 1)


@forceinline
def _request_chunks(m: Machine, st: State, w: Streams, t: int) -> int:
    result = STARVED
    for _ in range(m.channels):
        c = st.s[CHUNK]
        if c == w.chunk_begin.size:
            return result
        size = w.chunk_end[c] - w.chunk_begin[c]
        if st.s[POOL] + size > m.pool:
            return BUSY if result == BUSY else BLOCKED
        p = w.chunk_stream[c]
        within = w.chunk_begin[c] - w.stream_start[p]
        first, stop = span(within * m.partial_bytes, size * m.partial_bytes, m.burst_bytes)
        if within > 0 and (within * m.partial_bytes) % m.burst_bytes:
            first += 1  # its first burst came with the chunk before
        first += w.chunk_burst[p]
        stop += w.chunk_burst[p]
        if not channels_have_room(m, st, PARTIALS_UNIT, first, stop, t):
            return BUSY if result == BUSY else MEMORY
        st.chunk_ready[c] = transfer(m, st, PARTIALS_UNIT, first, stop, t) + m.latency
        st.s[P_BURSTS] += stop - first
        st.s[POOL] += size
        st.s[CHUNK] = c + 1
        result = BUSY
    return result


@forceinline
def tick_writer(m: Machine, st: State, t: int) -> int:
    """Write whole bursts of finished elements; the last, shorter one when the root is done."""
    done = min(st.bound[2], st.bound[3]) == NEVER
    final = st.s[PUSHED] if done else max(st.s[PUSHED] - 1, 0)
    size = final * m.out_bytes
    bursts = (size + m.burst_bytes - 1) // m.burst_bytes if done else size // m.burst_bytes
    issued = False
    while st.s[WRITTEN] < bursts:
        burst = m.burst_out + st.s[WRITTEN]
        if not channels_have_room(m, st, WRITE_UNIT, burst, burst + 1, t):
            break
        st.s[WRITE_END] = max(st.s[WRITE_END], transfer(m, st, WRITE_UNIT, burst, burst + 1, t))
        st.s[WRITTEN] += 1
        issued = True
    st.s[SERVED] = min(st.s[WRITTEN] * m.burst_bytes // m.out_bytes, final)
    changed(st, 1)
    if issued:
        return BUSY
    if st.s[WRITTEN] < bursts:
        return MEMORY
    return IDLE if done else STARVED
