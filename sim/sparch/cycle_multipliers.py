"""Cycle model: the multiplier groups, which fill the leaf FIFOs, and the release of what they have used."""

from __future__ import annotations

from sim.jit import forceinline, trailing_zeros, u
from sim.sparch.cycle_state import (
    BLOCKED,
    BUSY,
    IDLE,
    LOOKUP_Q,
    MEMORY,
    NEVER,
    OLDEST_X,
    RETIRED_X,
    SOONEST,
    STARVED,
    Machine,
    State,
)
from sim.sparch.cycle_tree import least, refresh, wake
from sim.sparch.round_work import Streams


@forceinline
def chunk_wait(m: Machine, st: State, w: Streams, slot: int, t: int) -> int:
    """When to look at `slot` again (NEVER: a pop or a look-up wakes it); sets its urgency if it can work now.

    Urgency is row, then elements held, then slot, in one number: the least of all is unique and names its slot.
    """
    at = w.leaf_start[u(slot)] + st.place[u(slot)]
    if at >= w.leaf_start[u(slot + 1)]:
        return NEVER
    x = w.leaf_element[u(at)]
    chunk = min(m.lanes, w.length[u(x)] - st.offset[u(slot)])
    if m.depth - st.held[u(m.ways + slot)] < min(chunk, (m.depth + 1) // 2):
        return NEVER
    last = w.request[u(x)] + (st.offset[u(slot)] + chunk - 1) // m.line_elements
    if last >= st.s[LOOKUP_Q]:
        return NEVER
    first = w.request[u(x)] + st.offset[u(slot)] // m.line_elements
    ready = max(st.line_ready[u(first)], st.line_ready[u(last)])
    if ready > t:
        return ready
    st.urgency[u(slot)] = (w.row[u(x)] * (m.depth + 1) + st.held[u(m.ways + slot)]) * m.ways + slot
    return NEVER


@forceinline
def tick_multipliers(m: Machine, st: State, w: Streams, t: int) -> int:
    """Each group multiplies one element of A by up to `lanes` of B, oldest row first, then emptiest leaf FIFO."""
    look_at_due(m, st, w, t)
    worked = False
    for _ in range(m.groups if m.leaves else 0):
        best = least(st.urgency, 0, m.leaves)
        if best == NEVER:
            break
        worked = True
        chosen = best & (m.ways - 1)
        multiply(m, st, w, chosen)
        look_at(m, st, w, chosen, t)
    if worked:
        return BUSY
    if st.s[RETIRED_X] == w.row.size:
        return IDLE
    if st.s[SOONEST] < NEVER:
        return MEMORY
    for slot in range(m.leaves):
        at = w.leaf_start[u(slot)] + st.place[u(slot)]
        if at < w.leaf_start[u(slot + 1)] and w.request[u(w.leaf_element[u(at)])] < st.s[LOOKUP_Q]:
            return BLOCKED
    return STARVED


@forceinline
def look_at_due(m: Machine, st: State, w: Streams, t: int) -> None:
    """Look at the inputs that were woken, and at those whose lines have come."""
    if st.s[SOONEST] <= t:
        st.s[SOONEST] = NEVER
        for slot in range(m.leaves):
            if st.wait[u(slot)] <= t:
                st.due[u(slot >> 6)] |= u(1) << u(slot & 63)
            else:
                st.s[SOONEST] = min(st.s[SOONEST], st.wait[u(slot)])
    for word in range((m.leaves + 63) >> 6):
        due = st.due[u(word)]
        st.due[u(word)] = u(0)
        while due != 0:
            look_at(m, st, w, (word << 6) + int(trailing_zeros(due)), t)
            due &= due - u(1)


@forceinline
def look_at(m: Machine, st: State, w: Streams, slot: int, t: int) -> None:
    """Note when to look at `slot` again."""
    wait = chunk_wait(m, st, w, slot, t)
    st.wait[u(slot)] = wait
    st.s[SOONEST] = min(st.s[SOONEST], wait)


@forceinline
def multiply(m: Machine, st: State, w: Streams, slot: int) -> None:
    """Push the products of one chunk into the leaf FIFO of `slot`."""
    fifo = m.ways + slot
    x = w.leaf_element[u(w.leaf_start[u(slot)] + st.place[u(slot)])]
    offset = st.offset[u(slot)]
    chunk = min(m.lanes, w.length[u(x)] - offset, m.depth - st.held[u(fifo)])
    was_empty = st.held[u(fifo)] == 0
    row, scale = w.row[u(x)] * m.cols, w.scale[u(x)]
    begin, base, mask = u(w.begin[u(x)] + offset), u(fifo * m.ring), u(m.mask)
    tail = u(st.head[u(fifo)] + st.held[u(fifo)])
    for y in range(u(chunk)):
        at = base + ((tail + y) & mask)
        st.key[u(at)] = row + w.b_indices[u(begin + y)]
        st.value[u(at)] = scale * w.b_data[u(begin + y)]
    st.held[u(fifo)] += chunk
    if offset + chunk == w.length[u(x)]:
        st.a_used[u(x)] = 1
        st.place[u(slot)] += 1
        st.offset[u(slot)] = 0
    else:
        st.offset[u(slot)] = offset + chunk
    retire(st, w)
    st.urgency[u(slot)] = NEVER
    if was_empty:
        refresh(m, st, fifo)
    else:
        wake(st, fifo >> 1)


@forceinline
def retire(st: State, w: Streams) -> None:
    """Lines and look-ahead slots are released row by row, in order: find the oldest row that is still multiplied."""
    x = st.s[RETIRED_X]
    if st.a_used[u(x)]:
        while st.a_used[u(x)]:
            x += 1
        st.s[RETIRED_X] = x
        st.s[OLDEST_X] = w.row_begin[u(x)]
