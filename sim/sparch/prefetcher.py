"""Row prefetcher: which line requests hit the buffer, and which line each miss replaces (SpArch section II-D).

``lookahead``: the distance list knows the next use of a line only inside the look-ahead window; further uses are
"infinite". A free line is filled first; then the resident line with the farthest next use goes, and of several
infinite ones that with the highest number (the reduction tree breaks ties by tag; a *choice*, which matters only where
the window is short for the buffer). An incoming line that is needed later than every resident one bypasses the buffer.
A resident line's distance is refreshed as soon as its next use enters the window.
``lru``: least recently used. ``none``: every request is read (without condensing: each row once a round, since a
column of A multiplies one row of B).

Decisions follow the order of the requests and never time, so both timing models share them. Tags, comparisons and
the reduction tree that finds the farthest use are not modelled as hardware; fetching is (`cycle_model`, `machine`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.jit import inline, njit
from sim.sparch.condensed import Int32s
from sim.sparch.config import SpArchConfig
from sim.sparch.distance import Requests, next_use

UInt64s = npt.NDArray[np.uint64]


def line_sources(requests: Requests, lines: int, config: SpArchConfig) -> Int32s:
    """For each request, the index of the request that read its line from DRAM; its own index where it missed.

    `lines` is the number of lines of B, ``config.prefetch.lines`` that of the buffer.
    """
    policy = config.prefetch.policy
    if policy == "none":
        own = np.arange(requests.line.size, dtype=np.int32)
        return own if config.condensing else _first_uses(requests.line, lines)
    source = np.empty(requests.line.size, np.int32)
    slot_of = np.full(lines, -1, np.int32)
    if policy == "lru":
        _least_recently_used(requests.line, config.prefetch.lines, slot_of, source)
    else:
        _farthest_use(
            requests.line, requests.place, next_use(requests.line, lines), config.lookahead.elements,
            config.prefetch.lines, slot_of, source, *_bit_set(requests.line.size), *_bit_set(lines),
        )  # fmt: skip
    return source


def _bit_set(keys: int) -> tuple[UInt64s, UInt64s, UInt64s]:
    """An empty set of keys below `keys`: a bit for each, and two levels that say which words are not zero."""
    words = keys // 64 + 1
    return np.zeros(words, np.uint64), np.zeros(words // 64 + 1, np.uint64), np.zeros(words // 4096 + 1, np.uint64)


def _first_uses(line: Int32s, lines: int) -> Int32s:
    """The first request for the same line; by sorting where a round asks for few of many lines."""
    if line.size * 16 < lines:
        _, first, place = np.unique(line, return_index=True, return_inverse=True)
        return first[place].astype(np.int32)
    return _first_use(line, np.full(lines, -1, np.int32), np.arange(line.size, dtype=np.int32))


@njit
def _first_use(line: Int32s, seen: Int32s, source: Int32s) -> Int32s:
    for q in range(line.size):
        if seen[line[q]] < 0:
            seen[line[q]] = q
        source[q] = seen[line[q]]
    return source


@inline
def _unlink(older: Int32s, newer: Int32s, slot: int) -> None:
    newer[older[slot]] = newer[slot]
    older[newer[slot]] = older[slot]


@inline
def _append(older: Int32s, newer: Int32s, slot: int) -> None:
    end = older.size - 1  # sentinel: newer[end] is the oldest, older[end] the newest
    newest = older[end]
    newer[newest] = slot
    older[slot] = newest
    newer[slot] = end
    older[end] = slot


@njit
def _least_recently_used(line: Int32s, capacity: int, slot_of: Int32s, source: Int32s) -> None:
    older = np.full(capacity + 1, capacity, np.int32)
    newer = np.full(capacity + 1, capacity, np.int32)
    held = np.empty(capacity, np.int32)
    loaded = np.empty(capacity, np.int32)
    used = 0
    for q in range(line.size):
        slot = slot_of[line[q]]
        if slot >= 0:
            _unlink(older, newer, slot)
        else:
            if used < capacity:
                slot = used
                used += 1
            else:
                slot = newer[capacity]
                _unlink(older, newer, slot)
                slot_of[held[slot]] = -1
            held[slot] = line[q]
            slot_of[line[q]] = slot
            loaded[slot] = q
        source[q] = loaded[slot]
        _append(older, newer, slot)


@inline
def _highest_bit(word: np.uint64) -> int:
    bit = 0
    for step in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(step):
            word = word >> np.uint64(step)
            bit += step
    return bit


@inline
def _set(words: UInt64s, middle: UInt64s, top: UInt64s, key: int) -> None:
    one = np.uint64(1)
    words[key >> 6] |= one << np.uint64(key & 63)
    middle[key >> 12] |= one << np.uint64((key >> 6) & 63)
    top[key >> 18] |= one << np.uint64((key >> 12) & 63)


@inline
def _clear(words: UInt64s, middle: UInt64s, top: UInt64s, key: int) -> None:
    one = np.uint64(1)
    words[key >> 6] &= ~(one << np.uint64(key & 63))
    if words[key >> 6] == 0:
        middle[key >> 12] &= ~(one << np.uint64((key >> 6) & 63))
        if middle[key >> 12] == 0:
            top[key >> 18] &= ~(one << np.uint64((key >> 12) & 63))


@njit
def _highest(words: UInt64s, middle: UInt64s, top: UInt64s, below: int) -> int:
    """Highest key in the set, which must not be empty; no key is `below` or above."""
    t = (below - 1) >> 18
    while top[t] == 0:
        t -= 1
    m = (t << 6) + _highest_bit(top[t])
    w = (m << 6) + _highest_bit(middle[m])
    return (w << 6) + _highest_bit(words[w])


@njit
def _farthest_use(
    line: Int32s, place: Int32s, following: Int32s, window: int, capacity: int, slot_of: Int32s, source: Int32s,
    words: UInt64s, middle: UInt64s, top: UInt64s, far_words: UInt64s, far_middle: UInt64s, far_top: UInt64s,
) -> None:  # fmt: skip
    # resident lines: next use inside the window -> that request in one bit set; else the line itself in the "far" one
    held = np.empty(capacity, np.int32)
    loaded = np.empty(capacity, np.int32)
    is_far = np.zeros(capacity, np.bool_)
    total = line.size
    used = 0
    far = 0
    front = 0  # requests below it are inside the window
    for q in range(total):
        while front < total and place[front] < place[q] + window:
            slot = slot_of[line[front]]
            if slot >= 0 and is_far[slot]:
                is_far[slot] = False
                far -= 1
                _clear(far_words, far_middle, far_top, line[front])
                _set(words, middle, top, front)
            front += 1
        slot = slot_of[line[q]]
        coming = following[q]
        if slot >= 0:
            source[q] = loaded[slot]
            _clear(words, middle, top, q)
        else:
            source[q] = q
            if used < capacity:
                slot = used
                used += 1
            elif far > 0:
                victim = _highest(far_words, far_middle, far_top, slot_of.size)
                _clear(far_words, far_middle, far_top, victim)
                far -= 1
                slot = slot_of[victim]
                slot_of[victim] = -1
            else:
                farthest = _highest(words, middle, top, front)
                if coming >= front or coming > farthest:
                    continue  # bypass
                slot = slot_of[line[farthest]]
                _clear(words, middle, top, farthest)
                slot_of[held[slot]] = -1
            held[slot] = line[q]
            slot_of[line[q]] = slot
            loaded[slot] = q
        is_far[slot] = coming >= front
        if is_far[slot]:
            far += 1
            _set(far_words, far_middle, far_top, line[q])
        else:
            _set(words, middle, top, coming)
