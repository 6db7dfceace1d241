"""Cycle model: the column fetchers and the row prefetcher, which read A and B."""

from __future__ import annotations

from sim.jit import forceinline
from sim.sparch.cycle_channels import channels_have_room, transfer
from sim.sparch.cycle_multipliers import retire
from sim.sparch.cycle_state import (
    A_BURST,
    A_BURST_READY,
    A_BURSTS,
    A_ISSUED,
    B_BURSTS,
    BLOCKED,
    BUSY,
    FETCH_UNIT,
    IDLE,
    LOOKUP_Q,
    LOOKUP_X,
    MEMORY,
    NEVER,
    OLDEST_X,
    PREFETCH_UNIT,
    STARVED,
    Machine,
    State,
)
from sim.sparch.cycle_tree import look_again
from sim.sparch.round_work import ELEMENT_BYTES, POINTER_BYTES, Streams, span


@forceinline
def tick_prefetcher(m: Machine, st: State, w: Streams, t: int) -> int:
    """Look up to `fetchers` lines up, in order; a miss requests its line from DRAM."""
    looked_up = 0
    reason = IDLE
    while looked_up < m.fetchers:
        x = st.s[LOOKUP_X]
        if x == w.row.size:
            break
        if x >= st.s[A_ISSUED] or st.a_ready[x] > t:
            reason = STARVED
            break
        if w.length[x] == 0:
            st.s[LOOKUP_X] = x + 1
            st.a_used[x] = 1
            retire(st, w)
            looked_up += 1
            continue
        if w.row_begin[x] != st.s[OLDEST_X] and st.s[LOOKUP_Q] - w.request[st.s[OLDEST_X]] >= m.lines:
            reason = BLOCKED
            break
        if not _look_up(m, st, w, x, t):
            reason = MEMORY
            break
        looked_up += 1
    if looked_up:
        return BUSY
    return reason


@forceinline
def _look_up(m: Machine, st: State, w: Streams, x: int, t: int) -> bool:
    q = st.s[LOOKUP_Q]
    part = q - w.request[x]
    source = w.source[q]
    if source == q:
        size = min(m.line_elements, w.length[x] - part * m.line_elements)
        first, stop = span((w.begin[x] + part * m.line_elements) * ELEMENT_BYTES, size * ELEMENT_BYTES, m.burst_bytes)
        first += m.burst_b
        stop += m.burst_b
        if not channels_have_room(m, st, PREFETCH_UNIT, first, stop, t):
            return False
        done = transfer(m, st, PREFETCH_UNIT, first, stop, t)
        st.s[B_BURSTS] += stop - first
        if m.count_pointers and part == 0:
            first, stop = span(w.b_row[x] * POINTER_BYTES, POINTER_BYTES, m.burst_bytes)
            done = max(done, transfer(m, st, PREFETCH_UNIT, m.burst_pointers + first, m.burst_pointers + stop, t))
            st.s[B_BURSTS] += stop - first
        st.line_ready[q] = done + m.latency
    elif source >= 0:
        st.line_ready[q] = max(st.line_ready[source], t + 1)
    else:
        st.line_ready[q] = t + 1  # kept from an earlier round
    st.s[LOOKUP_Q] = q + 1
    if q + 1 == w.request[x + 1]:
        st.s[LOOKUP_X] = x + 1
    slot = w.slot[x]
    if st.wait[slot] == NEVER and st.urgency[slot] == NEVER:
        look_again(st, slot)
    return True


@forceinline
def tick_column_fetchers(m: Machine, st: State, w: Streams, t: int) -> int:
    """Request up to `column_fetchers` elements of A, in order, while the look-ahead FIFO has room for them."""
    issued = 0
    reason = IDLE
    while issued < m.column_fetchers:
        x = st.s[A_ISSUED]
        if x == w.row.size:
            break
        if w.row_begin[x] != st.s[OLDEST_X] and x - st.s[OLDEST_X] >= m.lookahead:
            reason = BLOCKED
            break
        first, stop = span(w.a_index[x] * ELEMENT_BYTES, ELEMENT_BYTES, m.burst_bytes)
        if x > 0 and first == st.s[A_BURST]:
            first += 1
        if not channels_have_room(m, st, FETCH_UNIT, m.burst_a + first, m.burst_a + stop, t):
            reason = MEMORY
            break
        if stop > first:
            ready = transfer(m, st, FETCH_UNIT, m.burst_a + first, m.burst_a + stop, t) + m.latency
            st.s[A_BURST_READY] = max(ready, st.s[A_BURST_READY])
            st.s[A_BURSTS] += stop - first
            st.s[A_BURST] = stop - 1
        st.a_ready[x] = st.s[A_BURST_READY]
        st.s[A_ISSUED] = x + 1
        issued += 1
    if issued:
        return BUSY
    return reason
