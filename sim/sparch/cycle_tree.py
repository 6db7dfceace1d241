"""Cycle model: the merge tree. One merger a layer, node FIFOs, adder slices, and the bounds that inputs announce.

A bound is the least key that can still come out of a FIFO: its first key, or what its inputs can still bring.
"""

from __future__ import annotations

from sim.jit import forceinline, trailing_zeros, u
from sim.sparch.condensed import Int64s
from sim.sparch.cycle_merger import move
from sim.sparch.cycle_state import BLOCKED, BUSY, IDLE, NEVER, PUSHED, SERVED, STARVED, Machine, State
from sim.sparch.round_work import Streams


@forceinline
def least(values: Int64s, first: int, stop: int) -> int:
    """Minimum of a non-empty slice; unsigned indices let the compiler work on many at once."""
    result = NEVER
    for place in range(u(first), u(stop)):
        result = min(result, values[place])
    return result


@forceinline
def first_of(values: Int64s, wanted: int, first: int, stop: int) -> int:
    """Place of the first `wanted` in a slice that holds one; without a branch, as `least`."""
    result = u(stop)
    for place in range(u(first), u(stop)):
        result = min(result, place if values[place] == wanted else u(stop))
    return int(result)


@forceinline
def look_again(st: State, slot: int) -> None:
    """Have the multipliers look at input `slot` in their next cycle."""
    st.wait[u(slot)] = 0
    st.due[u(slot >> 6)] |= u(1) << u(slot & 63)


@forceinline
def wake(st: State, o: int) -> None:
    """Have the node that fills FIFO `o` looked at again, unless it can merge anyway."""
    bit = u(1) << u(o & 63)
    st.awake[u(o >> 6)] |= bit & ~st.able[u(o >> 6)]


@forceinline
def changed(st: State, o: int) -> None:
    """Have the node that fills FIFO `o` looked at again: the least key of an input is another."""
    st.awake[u(o >> 6)] |= u(1) << u(o & 63)


@forceinline
def refresh(m: Machine, st: State, fifo: int) -> None:
    """Recompute the least key that can still come out of `fifo`, and carry a change up the tree."""
    while fifo >= 1:
        if st.held[u(fifo)] > 0:
            bound = st.key[u(fifo * m.ring + st.head[u(fifo)])]
        elif fifo < m.ways:
            bound = min(st.bound[u(2 * fifo)], st.bound[u(2 * fifo + 1)])
        else:
            return  # empty leaf FIFOs are bounded by their streams: see set_leaf_bound
        parent = fifo >> 1
        if st.bound[u(fifo)] == bound:
            wake(st, parent)
            return
        st.bound[u(fifo)] = bound
        changed(st, parent)
        wake(st, parent >> 1)
        if st.held[u(parent)] > 0:
            return
        fifo = parent


@forceinline
def set_leaf_bound(m: Machine, st: State, fifo: int, bound: int) -> None:
    """An empty leaf FIFO announces the least key that its stream can still bring."""
    parent = fifo >> 1
    wake(st, parent)
    wake(st, parent >> 1)
    if st.held[u(fifo)] == 0 and st.bound[u(fifo)] != bound:
        changed(st, parent)
        st.bound[u(fifo)] = bound
        if st.held[u(parent)] == 0:
            refresh(m, st, parent)


@forceinline
def stream_bound(m: Machine, st: State, w: Streams, slot: int) -> int:
    """Least key that input `slot` has not yet delivered to its leaf FIFO."""
    if slot < m.leaves:
        at = w.leaf_start[u(slot)] + st.place[u(slot)]
        if at >= w.leaf_start[u(slot + 1)]:
            return NEVER
        x = w.leaf_element[u(at)]
        bound = w.row[u(x)] * m.cols
        if st.offset[u(slot)] > 0:
            bound += w.b_indices[u(w.begin[u(x)] + st.offset[u(slot)] - 1)] + 1
        return bound
    p = slot - m.leaves
    if p >= m.partials:
        return NEVER
    at = w.stream_start[u(p)] + st.offset[u(slot)]
    if at >= w.stream_start[u(p + 1)]:
        return NEVER
    return w.key[u(at - 1)] + 1 if st.offset[u(slot)] > 0 else 0


@forceinline
def ready_elements(m: Machine, st: State, fifo: int) -> int:
    """Elements that may be taken from `fifo`: the last one stays while an equal key can still be added to it."""
    count = st.held[u(fifo)]
    if count == 0 or fifo >= m.ways:
        return count
    last = (st.head[u(fifo)] + count - 1) & m.mask
    if min(st.bound[u(2 * fifo)], st.bound[u(2 * fifo + 1)]) > st.key[u(fifo * m.ring + last)]:
        return count
    return count - 1


@forceinline
def has_ready(m: Machine, st: State, fifo: int) -> bool:
    """Whether `ready_elements` is not 0."""
    count = st.held[u(fifo)]
    if count != 1 or fifo >= m.ways:
        return count > 0
    return min(st.bound[u(2 * fifo)], st.bound[u(2 * fifo + 1)]) > st.bound[u(fifo)]


@forceinline
def node_ready(m: Machine, st: State, o: int) -> int:
    """Whether the node that fills FIFO `o` could merge now: 1 yes, 0 no element is sure to be next, -1 no room."""
    x, y = st.bound[u(2 * o)], st.bound[u(2 * o + 1)]
    nearer = 2 * o + int(y < x)
    if not (has_ready(m, st, nearer) or (x == y and has_ready(m, st, 2 * o + 1))):
        return 0
    room = m.writer_depth - (st.s[PUSHED] - st.s[SERVED]) if o == 1 else m.depth - st.held[u(o)]
    return 1 if room > 0 else -1


@forceinline
def merge(m: Machine, st: State, w: Streams, o: int, layer: int) -> None:
    """One cycle of the layer's merger on the node that fills FIFO `o`: up to `width` elements pass.

    The adder slice and the zero eliminator at its output add an element to an equal last one, else append it.
    """
    a, b = 2 * o, 2 * o + 1
    before = (st.held[u(a)], st.held[u(b)])
    left, right = ready_elements(m, st, a), ready_elements(m, st, b)
    if o == 1:
        n = st.s[PUSHED]
        passed, fresh = move(m, st, 1, left, right, m.out, -1, n, n > 0, m.writer_depth - (n - st.s[SERVED]))
        st.s[PUSHED] = n + fresh
    else:
        held = st.held[u(o)]
        tail = st.head[u(o)] + held
        passed, fresh = move(m, st, o, left, right, o * m.ring, m.mask, tail, held > 0, m.depth - held)
        st.held[u(o)] = held + fresh
    st.layer_in[u(layer)] += passed
    for fifo in (a, b):
        if fifo >= m.ways:
            slot = fifo - m.ways
            if st.urgency[u(slot)] < NEVER:
                st.urgency[u(slot)] -= (before[fifo & 1] - st.held[u(fifo)]) * m.ways
            elif st.wait[u(slot)] == NEVER:
                look_again(st, slot)
            if st.held[u(fifo)] == 0:
                set_leaf_bound(m, st, fifo, stream_bound(m, st, w, slot))
            else:
                refresh(m, st, fifo)
        else:
            wake(st, fifo)
            refresh(m, st, fifo)
    if o > 1:
        refresh(m, st, o)


@forceinline
def tick_layer(m: Machine, st: State, w: Streams, layer: int) -> int:
    """The merger of one layer serves the node with the least key of those that can pass something."""
    first = 1 << (m.layers - 1 - layer)
    look_at_woken(m, st, first)
    oldest = least(st.front, first, 2 * first)
    if oldest < NEVER:
        chosen = first_of(st.front, oldest, first, 2 * first)
        merge(m, st, w, chosen, layer)
        changed(st, chosen)
        return BUSY
    for word in range(first >> 6, (2 * first + 63) >> 6):
        if st.stuck[u(word)] & nodes_of(first):
            return BLOCKED
    if min(st.bound[1], st.bound[2]) == NEVER if layer == m.layers - 1 else _layer_done(st, first):
        return IDLE
    return STARVED


@forceinline
def nodes_of(first: int) -> int:
    """Bits of the nodes ``first : 2 first`` in each of their words."""
    return ~u(0) if first >= 64 else ((u(1) << u(first)) - u(1)) << u(first)


@forceinline
def look_at_woken(m: Machine, st: State, first: int) -> None:
    """Find out anew which of the woken nodes ``first : 2 first`` can merge, and at which key."""
    for word in range(first >> 6, (2 * first + 63) >> 6):
        woken = st.awake[u(word)] & nodes_of(first)
        if woken == 0:
            continue
        st.awake[u(word)] ^= woken
        able, stuck = st.able[u(word)] & ~woken, st.stuck[u(word)] & ~woken
        while woken != 0:
            bit = woken & (~woken + u(1))
            o = (word << 6) + int(trailing_zeros(woken))
            woken ^= bit
            ready = node_ready(m, st, o)
            st.front[u(o)] = NEVER
            if ready > 0:
                able |= bit
                st.front[u(o)] = min(st.bound[u(2 * o)], st.bound[u(2 * o + 1)])
            elif ready < 0:
                stuck |= bit
        st.able[u(word)], st.stuck[u(word)] = able, stuck


@forceinline
def _layer_done(st: State, first: int) -> bool:
    for child in range(2 * first, 4 * first):  # noqa: SIM110 - a loop compiles
        if st.bound[u(child)] != NEVER:
            return False
    return True
