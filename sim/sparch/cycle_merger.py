"""Cycle model: the busiest loop, one cycle of a layer's merger with its adder slice and zero eliminator.

Which of two inputs has the lesser key, and whether it is the key before, are coin tosses that a processor predicts
badly. So nothing branches on either: ``(x - y - 1) >> 63`` has all bits set where ``x <= y`` and none elsewhere, and
such masks choose the source and step the places. (Written as a condition, the compiler makes a branch of it again.)
"""

from __future__ import annotations

import numpy as np

from sim.jit import forceinline, u
from sim.sparch.cycle_state import Machine, State


@forceinline
def move(
    m: Machine, st: State, o: int, left: int, right: int, first: int, wrap: int, tail: int, joins: bool, room: int
) -> tuple[int, int]:
    """Pass up to `width` elements from FIFOs ``2 o`` and ``2 o + 1``, of which `left` and `right` are ready, to `o`.

    How many passed, and how many of them are new there: an element is added to the last one where the keys are equal
    (`joins`: there is a last one), else appended. Place ``p`` of the output is element ``first + (p & wrap)`` of key
    and value; the next free place is `tail`, and `room` are free.
    """
    key, mask, base, fold = st.key, u(m.mask), u(first), u(wrap)
    base_a, base_b = u(2 * o * m.ring), u((2 * o + 1) * m.ring)
    head_a, head_b = u(st.head[u(2 * o)]), u(st.head[u(2 * o + 1)])
    a, b = head_a, head_b
    end_a, end_b = a + u(left), b + u(right)
    after_a, after_b = after_ready(m, st, 2 * o, left), after_ready(m, st, 2 * o + 1, right)
    place, full = u(tail - 1), u(tail + room)
    last = key[base + (place & fold)] if joins else -1
    passed = 0
    while passed < m.width and a != end_a and b != end_b:  # both inputs have something ready
        at_a, at_b = base_a + (a & mask), base_b + (b & mask)
        from_a = u((key[at_a] - key[at_b] - 1) >> 63)
        source = at_b ^ ((at_a ^ at_b) & from_a)
        taken = key[source]
        fresh = u((last - taken) >> 63)
        if place - fresh == full:
            break
        place = put(st, base, fold, place, fresh, taken, source)
        last = taken
        a -= from_a
        b += u(1) + from_a
        passed += 1
    base_c, c, end, limit = base_a, a, a, after_b
    if a == end_a:
        base_c, c, end, limit = base_b, b, end_b, after_a
    elif b == end_b:
        end = end_a
    while passed < m.width and c != end:  # only one has, up to the least key that the other can bring
        source = base_c + (c & mask)
        taken = key[source]
        fresh = u((last - taken) >> 63)
        if taken > limit or place - fresh == full:
            break
        place = put(st, base, fold, place, fresh, taken, source)
        last = taken
        c += u(1)
        passed += 1
    if base_c == base_a:
        a = c
    else:
        b = c
    st.held[u(2 * o)] -= np.int32(a - head_a)
    st.held[u(2 * o + 1)] -= np.int32(b - head_b)
    st.head[u(2 * o)], st.head[u(2 * o + 1)] = a & mask, b & mask
    return passed, int(np.int64(place)) - (tail - 1)


@forceinline
def put(st: State, base: int, fold: int, place: int, fresh: int, key: int, source: int) -> int:
    """Append the element at `source` (`fresh` has all bits set), or add it to the last one (none), which is at `place`.

    Where it is then. What is added to a fresh element is the -0.0 at index 0, which changes no value.
    """
    before = (base + (place & fold)) & ~fresh
    place -= fresh
    at = base + (place & fold)
    st.key[at] = key
    st.value[at] = st.value[source] + st.value[before]
    return place


@forceinline
def after_ready(m: Machine, st: State, fifo: int, ready: int) -> int:
    """Bound of `fifo` when its `ready` elements have been taken; an empty leaf FIFO still shows its last key."""
    base, head = fifo * m.ring, st.head[u(fifo)]
    bound: int = st.bound[u(fifo)]
    if st.held[u(fifo)] > ready:
        bound = st.key[u(base + ((head + ready) & m.mask))]
    elif fifo < m.ways:
        bound = min(st.bound[u(2 * fifo)], st.bound[u(2 * fifo + 1)])
    elif ready > 0:
        bound = st.key[u(base + ((head + ready - 1) & m.mask))]
    return bound
