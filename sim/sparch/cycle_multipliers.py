"""Cycle model: the multiplier groups, which fill the leaf FIFOs, and the release of what they have used."""

from __future__ import annotations

from sim.jit import forceinline
from sim.sparch.cycle_state import (
    BLOCKED,
    BUSY,
    IDLE,
    LOOKUP_Q,
    MEMORY,
    NEVER,
    OLDEST_X,
    RETIRED_X,
    STARVED,
    Machine,
    State,
)
from sim.sparch.cycle_tree import least, refresh, wake
from sim.sparch.round_work import Streams


@forceinline
def chunk_wait(m: Machine, st: State, w: Streams, slot: int, t: int) -> int:
    """When to look at `slot` again (NEVER: a pop or a look-up wakes it); sets its urgency if it can work now."""
    at = w.leaf_start[slot] + st.place[slot]
    if at >= w.leaf_start[slot + 1]:
        return NEVER
    x = w.leaf_element[at]
    chunk = min(m.lanes, w.length[x] - st.offset[slot])
    if m.depth - st.held[m.ways + slot] < min(chunk, (m.depth + 1) // 2):
        return NEVER
    last = w.request[x] + (st.offset[slot] + chunk - 1) // m.line_elements
    if last >= st.s[LOOKUP_Q]:
        return NEVER
    first = w.request[x] + st.offset[slot] // m.line_elements
    ready = max(st.line_ready[first], st.line_ready[last])
    if ready > t:
        return ready
    st.urgency[slot] = w.row[x] * (m.depth + 1) + st.held[m.ways + slot]
    return NEVER


@forceinline
def tick_multipliers(m: Machine, st: State, w: Streams, t: int) -> int:
    """Each group multiplies one element of A by up to `lanes` of B, oldest row first, then emptiest leaf FIFO."""
    worked = False
    if m.leaves and least(st.wait, 0, m.leaves) <= t:
        for slot in range(m.leaves):
            if st.wait[slot] <= t:
                st.wait[slot] = chunk_wait(m, st, w, slot, t)
    for _ in range(m.groups if m.leaves else 0):
        best = least(st.urgency, 0, m.leaves)
        if best == NEVER:
            break
        chosen = 0
        while st.urgency[chosen] != best:
            chosen += 1
        worked = True
        multiply(m, st, w, chosen)
        st.wait[chosen] = chunk_wait(m, st, w, chosen, t)
    if worked:
        return BUSY
    if st.s[RETIRED_X] == w.row.size:
        return IDLE
    waiting = False
    for slot in range(m.leaves):
        if t < st.wait[slot] < NEVER:
            return MEMORY
        at = w.leaf_start[slot] + st.place[slot]
        if at < w.leaf_start[slot + 1] and w.request[w.leaf_element[at]] < st.s[LOOKUP_Q]:
            waiting = True
    return BLOCKED if waiting else STARVED


@forceinline
def multiply(m: Machine, st: State, w: Streams, slot: int) -> None:
    """Push the products of one chunk into the leaf FIFO of `slot`."""
    fifo = m.ways + slot
    x = w.leaf_element[w.leaf_start[slot] + st.place[slot]]
    offset = st.offset[slot]
    chunk = min(m.lanes, w.length[x] - offset, m.depth - st.held[fifo])
    was_empty = st.held[fifo] == 0
    at = st.head[fifo] + st.held[fifo]
    for y in range(w.begin[x] + offset, w.begin[x] + offset + chunk):
        if at >= m.depth:
            at -= m.depth
        st.key[fifo, at] = w.row[x] * m.cols + w.b_indices[y]
        st.value[fifo, at] = w.scale[x] * w.b_data[y]
        at += 1
    st.held[fifo] += chunk
    if offset + chunk == w.length[x]:
        st.a_used[x] = 1
        st.place[slot] += 1
        st.offset[slot] = 0
    else:
        st.offset[slot] = offset + chunk
    retire(st, w)
    st.urgency[slot] = NEVER
    if was_empty:
        refresh(m, st, fifo)
    else:
        wake(st, fifo >> 1)


@forceinline
def retire(st: State, w: Streams) -> None:
    """Lines and look-ahead slots are released row by row, in order: find the oldest row that is still multiplied."""
    x = st.s[RETIRED_X]
    if st.a_used[x]:
        while st.a_used[x]:
            x += 1
        st.s[RETIRED_X] = x
        st.s[OLDEST_X] = w.row_begin[x]
