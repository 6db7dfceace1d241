"""The cycle model: one step a cycle, every FIFO, every merge layer, every multiplier group, element by element.

Slow and plain: the reference that the event model (`machine`) is held to. They share the schedule, the order of the
requests, the replacement and the counts of `plan`; they share no timing code.

Within a cycle the tree acts from its end to its start (writer, root layer ... first layer, multipliers), so data
pushed in one cycle moves on in the next, and room made in a cycle can be used in it; then the readers ask for data
(column fetchers, prefetcher, partial-matrix fetcher), the one that everything else waits for first. Merge rounds follow
one another: a round starts when the last write of the one before has passed its channel.

Choices where the paper is silent (README has the list): every input announces the least key it can still bring, so
that the tree never waits for an input that has nothing for the current row; the last element of a node FIFO waits
while an equal key can still arrive; a layer serves the node with the least key, and a leaf FIFO that runs empty ends
its merger's cycle; multiplier groups may work on one element of A, each on other elements of its row of B; lines and
look-ahead slots are held from their look-up until the whole row of the output has been multiplied, and released in
order, and the oldest row always gets its lines. Not modelled: banks, refresh and page misses of the HBM, SRAM port
conflicts, and the comparators one by one (see `merger` for those).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.errors import InvariantError
from sim.jit import forceinline
from sim.sparch.condensed import Int64s
from sim.sparch.cycle_multipliers import tick_multipliers
from sim.sparch.cycle_partials import tick_partial_fetcher, tick_writer
from sim.sparch.cycle_readers import tick_column_fetchers, tick_prefetcher
from sim.sparch.cycle_state import (
    A_BURSTS,
    B_BURSTS,
    LOOKUP_X,
    NEVER,
    P_BURSTS,
    PUSHED,
    WRITE_END,
    WRITTEN,
    Machine,
    State,
    new_state,
)
from sim.sparch.cycle_tree import set_leaf_bound, stream_bound, tick_layer
from sim.sparch.product import Float64s
from sim.sparch.round_work import Streams

_SLICE = 200_000
"""Cycles between two looks at the keyboard and the progress bar."""


@dataclass(frozen=True)
class CycleRound:
    """What one round took. ledger: (units, 5) cycles busy, starved, blocked, memory, idle."""

    end: int
    ledger: npt.NDArray[np.int64]
    layer_in: Int64s
    bursts: dict[str, int]
    key: Int64s
    value: Float64s


def run_round(
    machine: Machine,
    streams: Streams,
    free: Int64s,
    elements_out: int,
    start: int,
    progress: Callable[[int], None],
) -> CycleRound:
    """Simulate one merge round from cycle `start`; `free` (channels) is updated.

    Raises InvariantError where nothing moves any more, or the root passes another number of elements than planned.
    """
    state = new_state(machine, streams, free, elements_out)
    _prepare(machine, state, streams)
    t = start
    while True:
        before = state.s.copy()
        t, done = _run(machine, state, streams, t, _SLICE)
        if done:
            break
        if np.array_equal(state.s, before):
            raise InvariantError(f"cycle model: nothing moved for {_SLICE} cycles up to cycle {t}")
        progress(t)
    s = state.s
    if int(s[PUSHED]) != elements_out:
        raise InvariantError(f"cycle model: the root passed {int(s[PUSHED])} elements, {elements_out} were expected")
    return CycleRound(
        end=t,
        ledger=state.ledger,
        layer_in=state.layer_in,
        bursts={"a": int(s[A_BURSTS]), "b": int(s[B_BURSTS]), "partial": int(s[P_BURSTS]), "out": int(s[WRITTEN])},
        key=state.out_key,
        value=state.out_value,
    )


@forceinline
def _prepare(m: Machine, st: State, w: Streams) -> None:
    for c in range(w.chunk_begin.size - 1, -1, -1):
        slot = m.leaves + w.chunk_stream[c]
        st.chunk_next[c] = st.chunk_first[slot]
        st.chunk_first[slot] = c
    for slot in range(m.leaves, m.leaves + m.partials):
        st.place[slot] = st.chunk_first[slot]
    for slot in range(m.leaves + m.partials):
        set_leaf_bound(m, st, m.ways + slot, stream_bound(m, st, w, slot))


@forceinline
def _run(m: Machine, st: State, w: Streams, t: int, cycles: int) -> tuple[int, bool]:
    for now in range(t, t + cycles):
        ledger = st.ledger
        ledger[4, tick_writer(m, st, now)] += 1
        for layer in range(m.layers - 1, -1, -1):
            ledger[5 + layer, tick_layer(m, st, w, layer)] += 1
        ledger[2, tick_multipliers(m, st, w, now)] += 1
        ledger[0, tick_column_fetchers(m, st, w, now)] += 1
        ledger[1, tick_prefetcher(m, st, w, now)] += 1
        ledger[3, tick_partial_fetcher(m, st, w, now)] += 1
        finished = min(st.bound[2], st.bound[3]) == NEVER and st.s[LOOKUP_X] == w.row.size
        if finished and st.s[WRITTEN] * m.burst_bytes >= st.s[PUSHED] * m.out_bytes and now + 1 >= st.s[WRITE_END]:
            return now + 1, True
    return t + cycles, False
