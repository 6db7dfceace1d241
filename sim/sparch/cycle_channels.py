"""Cycle model: how a unit of the machine gets bursts through the memory channels."""

from __future__ import annotations

from sim.jit import forceinline
from sim.sparch.cycle_state import A_ISSUED, FETCH_UNIT, LOOKUP_X, Machine, State


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
