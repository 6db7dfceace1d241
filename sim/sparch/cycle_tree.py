"""Cycle model: the merge tree. One merger a layer, node FIFOs, adder slices, and the bounds that inputs announce.

A bound is the least key that can still come out of a FIFO: its first key, or what its inputs can still bring.
"""

from __future__ import annotations

import numpy as np

from sim.jit import forceinline
from sim.sparch.condensed import Int64s
from sim.sparch.cycle_state import BLOCKED, BUSY, IDLE, NEVER, PUSHED, SERVED, STARVED, Machine, State, UInt8s
from sim.sparch.round_work import Streams


@forceinline
def least(values: Int64s, first: int, stop: int) -> int:
    """Minimum of a non-empty slice; unsigned indices let the compiler work on many at once."""
    result = NEVER
    for place in range(np.uint64(first), np.uint64(stop)):
        result = min(result, values[place])
    return result


@forceinline
def any_set(flags: UInt8s, first: int, stop: int) -> bool:
    """Whether one of a slice of flags is set."""
    found = np.uint8(0)
    for place in range(np.uint64(first), np.uint64(stop)):
        found |= flags[place]
    return found != 0


@forceinline
def wake(st: State, o: int) -> None:
    """Have the node that fills FIFO `o` looked at again, unless it is ready anyway."""
    if st.ready[o] <= 0:
        st.awake[o] = 1


@forceinline
def refresh(m: Machine, st: State, fifo: int) -> None:
    """Recompute the least key that can still come out of `fifo`, and carry a change up the tree."""
    while fifo >= 1:
        if st.held[fifo] > 0:
            bound = st.key[fifo, st.head[fifo]]
        elif fifo < m.ways:
            bound = min(st.bound[2 * fifo], st.bound[2 * fifo + 1])
        else:
            return  # empty leaf FIFOs are bounded by their streams: see set_leaf_bound
        parent = fifo >> 1
        if st.bound[fifo] == bound:
            wake(st, parent)
            return
        st.bound[fifo] = bound
        st.awake[parent] = 1
        wake(st, parent >> 1)
        if st.held[parent] > 0:
            return
        fifo = parent


@forceinline
def set_leaf_bound(m: Machine, st: State, fifo: int, bound: int) -> None:
    """An empty leaf FIFO announces the least key that its stream can still bring."""
    parent = fifo >> 1
    wake(st, parent)
    wake(st, parent >> 1)
    if st.held[fifo] == 0 and st.bound[fifo] != bound:
        st.awake[parent] = 1
        st.bound[fifo] = bound
        if st.held[parent] == 0:
            refresh(m, st, parent)


@forceinline
def stream_bound(m: Machine, st: State, w: Streams, slot: int) -> int:
    """Least key that input `slot` has not yet delivered to its leaf FIFO."""
    if slot < m.leaves:
        at = w.leaf_start[slot] + st.place[slot]
        if at >= w.leaf_start[slot + 1]:
            return NEVER
        x = w.leaf_element[at]
        bound = w.row[x] * m.cols
        if st.offset[slot] > 0:
            bound += w.b_indices[w.begin[x] + st.offset[slot] - 1] + 1
        return bound
    p = slot - m.leaves
    if p >= m.partials:
        return NEVER
    at = w.stream_start[p] + st.offset[slot]
    if at >= w.stream_start[p + 1]:
        return NEVER
    return w.key[at - 1] + 1 if st.offset[slot] > 0 else 0


@forceinline
def ready_elements(m: Machine, st: State, fifo: int) -> int:
    """Elements that may be taken from `fifo`: the last one stays while an equal key can still be added to it."""
    count = st.held[fifo]
    if count == 0 or fifo >= m.ways:
        return count
    last = st.head[fifo] + count - 1
    if last >= m.depth:
        last -= m.depth
    if min(st.bound[2 * fifo], st.bound[2 * fifo + 1]) > st.key[fifo, last]:
        return count
    return count - 1


@forceinline
def node_ready(m: Machine, st: State, o: int) -> int:
    """Whether the node that fills FIFO `o` could merge now: 1 yes, 0 no element is sure to be next, -1 no room."""
    x, y = st.bound[2 * o], st.bound[2 * o + 1]
    sure = (x <= y and ready_elements(m, st, 2 * o) > 0) or (y <= x and ready_elements(m, st, 2 * o + 1) > 0)
    if not sure:
        return 0
    room = m.writer_depth - (st.s[PUSHED] - st.s[SERVED]) if o == 1 else m.depth - st.held[o]
    return 1 if room > 0 else -1


@forceinline
def merge(m: Machine, st: State, w: Streams, o: int, layer: int) -> None:
    """One cycle of the layer's merger on the node that fills FIFO `o`: up to `width` elements pass.

    The adder slice and the zero eliminator at its output add an element to an equal last one, else append it.
    """
    a, b = 2 * o, 2 * o + 1
    before = (st.held[a], st.held[b])
    passed = move(m, st, o, ready_elements(m, st, a), ready_elements(m, st, b))
    st.layer_in[layer] += passed
    for fifo in (a, b):
        if fifo >= m.ways:
            slot = fifo - m.ways
            if st.urgency[slot] < NEVER:
                st.urgency[slot] -= before[fifo & 1] - st.held[fifo]
            elif st.wait[slot] == NEVER:
                st.wait[slot] = 0
            if st.held[fifo] == 0:
                set_leaf_bound(m, st, fifo, stream_bound(m, st, w, slot))
            else:
                refresh(m, st, fifo)
        else:
            wake(st, fifo)
            refresh(m, st, fifo)
    if o > 1:
        refresh(m, st, o)


@forceinline
def move(m: Machine, st: State, o: int, left: int, right: int) -> int:
    """Pass elements from FIFOs ``2 o`` and ``2 o + 1``, of which `left` and `right` are ready, to `o`; how many."""
    a, b = 2 * o, 2 * o + 1
    key, value = st.key, st.value
    ua, ub, uo = np.uint64(a), np.uint64(b), np.uint64(o)
    head_a, head_b = int(st.head[a]), int(st.head[b])
    held_a, held_b = int(st.held[a]), int(st.held[b])
    held_o = int(st.held[o])
    tail = st.head[o] + held_o - 1
    if tail >= m.depth:
        tail -= m.depth
    last = key[uo, np.uint64(tail)] if held_o > 0 else -1
    x, y = st.bound[a], st.bound[b]
    passed = 0
    while passed < m.width:
        if left > 0 and x <= y:
            taken, product = x, value[ua, np.uint64(head_a)]
            side = a
        elif right > 0 and y <= x:
            taken, product = y, value[ub, np.uint64(head_b)]
            side = b
        else:
            break
        if o == 1:
            if not write_out(m, st, taken, product):
                break
        elif taken == last:
            value[uo, np.uint64(tail)] += product
        elif held_o < m.depth:
            tail += 1
            if tail >= m.depth:
                tail -= m.depth
            key[uo, np.uint64(tail)] = taken
            value[uo, np.uint64(tail)] = product
            last = taken
            held_o += 1
        else:
            break
        passed += 1
        if side == a:
            left -= 1
            held_a -= 1
            head_a += 1
            if head_a == m.depth:
                head_a = 0
            if held_a > 0:
                x = key[ua, np.uint64(head_a)]
            elif a < m.ways:
                x = min(st.bound[2 * a], st.bound[2 * a + 1])
        else:
            right -= 1
            held_b -= 1
            head_b += 1
            if head_b == m.depth:
                head_b = 0
            if held_b > 0:
                y = key[ub, np.uint64(head_b)]
            elif b < m.ways:
                y = min(st.bound[2 * b], st.bound[2 * b + 1])
    st.head[a], st.head[b], st.held[a], st.held[b] = head_a, head_b, held_a, held_b
    st.held[o] = held_o
    return passed


@forceinline
def write_out(m: Machine, st: State, key: int, value: float) -> bool:
    """What leaves the root goes to the writer; false where its FIFO is full."""
    n = st.s[PUSHED]
    if n > 0 and st.out_key[n - 1] == key:
        st.out_value[n - 1] += value
        return True
    if n - st.s[SERVED] >= m.writer_depth:
        return False
    st.out_key[n] = key
    st.out_value[n] = value
    st.s[PUSHED] = n + 1
    return True


@forceinline
def tick_layer(m: Machine, st: State, w: Streams, layer: int) -> int:
    """The merger of one layer serves the node with the least key of those that can pass something."""
    first = 1 << (m.layers - 1 - layer)
    if any_set(st.awake, first, 2 * first):
        for o in range(first, 2 * first):
            if st.awake[o]:
                st.ready[o] = node_ready(m, st, o)
                st.front[o] = min(st.bound[2 * o], st.bound[2 * o + 1]) if st.ready[o] > 0 else NEVER
                st.awake[o] = 0
    oldest = least(st.front, first, 2 * first)
    if oldest < NEVER:
        chosen = first
        while st.front[chosen] != oldest:
            chosen += 1
        merge(m, st, w, chosen, layer)
        st.awake[chosen] = 1
        return BUSY
    for o in range(first, 2 * first):
        if st.ready[o] < 0:
            return BLOCKED
    if min(st.bound[1], st.bound[2]) == NEVER if layer == m.layers - 1 else _layer_done(st, first):
        return IDLE
    return STARVED


@forceinline
def _layer_done(st: State, first: int) -> bool:
    for child in range(2 * first, 4 * first):  # noqa: SIM110 - a loop compiles
        if st.bound[child] != NEVER:
            return False
    return True
