"""The units of the cycle model: what each of them does in one cycle. See `cycle_model` for the order within a cycle.

A unit returns one of BUSY, STARVED (nothing to work on), BLOCKED (no room downstream), MEMORY (waits for DRAM or for
room in its queue), IDLE (its work of the round is done).
"""

from __future__ import annotations

import numpy as np

from sim.jit import forceinline
from sim.sparch.condensed import Int64s
from sim.sparch.cycle_state import (
    A_BURST,
    A_BURST_READY,
    A_BURSTS,
    A_ISSUED,
    B_BURSTS,
    BLOCKED,
    BUSY,
    CHUNK,
    FETCH_UNIT,
    IDLE,
    LOOKUP_Q,
    LOOKUP_X,
    MEMORY,
    NEVER,
    OLDEST_X,
    P_BURSTS,
    PARTIALS_UNIT,
    POOL,
    PREFETCH_UNIT,
    PROGRESS,
    PUSHED,
    RETIRED_X,
    SERVED,
    STARVED,
    WRITE_END,
    WRITE_UNIT,
    WRITTEN,
    Machine,
    State,
    UInt8s,
)
from sim.sparch.round_work import ELEMENT_BYTES, POINTER_BYTES, Streams, span


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
def channels_have_room(m: Machine, st: State, unit: int, first: int, stop: int, t: int) -> bool:
    """Whether `unit` may queue one more burst in every channel that bursts ``first : stop`` fall into."""
    limit = m.queue_cycles
    if unit == FETCH_UNIT and st.s[A_ISSUED] - st.s[LOOKUP_X] >= m.fetch_watermark:
        limit = m.fetch_queue_cycles
    for burst in range(first, min(stop, first + m.channels)):  # noqa: SIM110 - a loop compiles
        if st.queued[unit, burst % m.channels] - t >= limit:
            return False
    return True


@forceinline
def transfer(m: Machine, st: State, unit: int, first: int, stop: int, t: int) -> int:
    """Queue bursts of `unit` in their channels; the time at which the last of them has passed its channel."""
    end = t
    for burst in range(first, stop):
        channel = burst % m.channels
        done = max(st.free[channel], t) + m.burst_cycles
        st.free[channel] = done
        st.queued[unit, channel] = done
        end = max(end, done)
    return end


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
        st.s[PROGRESS] += 1
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
        st.s[PROGRESS] += 1
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
        st.s[PROGRESS] += 1
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
        tail = st.head[fifo] + st.held[fifo]
        if tail >= m.depth:
            tail -= m.depth
        st.key[fifo, tail] = w.key[at]
        st.value[fifo, tail] = w.value[at]
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
        st.s[PROGRESS] += 1
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
    if st.wait[w.slot[x]] == NEVER and st.urgency[w.slot[x]] == NEVER:
        st.wait[w.slot[x]] = 0
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
        st.s[PROGRESS] += 1
        return BUSY
    return reason


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
    st.awake[1] = 1
    if issued:
        st.s[PROGRESS] += 1
        return BUSY
    if st.s[WRITTEN] < bursts:
        return MEMORY
    return IDLE if done else STARVED
