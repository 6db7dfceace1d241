"""High-bandwidth memory for the event models: channels that serve bursts first come, first served, and a fixed latency.

A request is a vector of bursts by channel. A unit may add to a channel's queue only while its own last burst there is
less than its queue away; what does not fit waits with the unit and is asked for again at a later time, behind what the
others have queued by then. So units that want the same channel take turns. `turn_bursts` is how much one turn may
queue at once beyond that: one burst is the machine, more is coarser and takes fewer events. `turn_share` is larger
for a unit whose requests are several bursts in one channel, which it queues together.
Not modelled: banks, row buffers, refresh.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.jit import njit

Loads = npt.NDArray[np.int32]


class Hbm:
    """All channels and units. Times are in cycles. free: when each channel has done all that is queued in it."""

    def __init__(self, channels: int, burst_cycles: int, units: int, latency_cycles: int) -> None:
        self.free = np.zeros(channels)
        self.latency = latency_cycles
        self.burst_cycles = burst_cycles
        self.turn_bursts = 1
        self.turn_share = [1.0] * units
        self.bursts = 0
        self._queued = [np.zeros(channels) for _ in range(units)]

    def queue(self, unit: int, now: float, loads: Loads, queue_cycles: float) -> tuple[float, float, float]:
        """Queue what fits of `loads`, and take it off them; a unit's bursts go in proportion to what each channel has.

        Returns when the first and the last of the queued bursts have passed their channels (`now` where there were none
        to queue, first -1 where none fitted), and when to ask again for the rest: -1 if there is none.
        """
        first, last, again, bursts = _queue(
            self.free,
            self._queued[unit],
            loads,
            now,
            self.burst_cycles,
            queue_cycles,
            max(1, int(self.turn_bursts * self.turn_share[unit])),
        )
        self.bursts += bursts
        return first, last, again


@njit
def _queue(
    free: npt.NDArray[np.float64],
    queued: npt.NDArray[np.float64],
    loads: Loads,
    now: float,
    burst_cycles: int,
    queue_cycles: float,
    turn_bursts: int,
) -> tuple[float, float, float, int]:
    share = 1.0
    again = -1.0
    for channel in range(free.size):
        if loads[channel] > 0:
            again = max(again, queued[channel] - queue_cycles)
            room = int(np.ceil((queue_cycles - max(free[channel] - now, 0.0)) / burst_cycles))
            share = min(share, max(room, turn_bursts) / loads[channel])
    if again > now:
        return -1.0, now, again, 0
    first = np.inf
    last = now
    again = -1.0
    bursts = 0
    for channel in range(free.size):
        if loads[channel] == 0:
            continue
        count = int(loads[channel] * share + 1e-6)
        if count > 0:
            begin = max(free[channel], now)
            free[channel] = queued[channel] = begin + count * burst_cycles
            first = min(first, begin + burst_cycles)
            last = max(last, free[channel])
            loads[channel] -= count
            bursts += count
        if loads[channel] > 0:
            again = max(again, queued[channel] - queue_cycles, now)
    return min(first, last), last, again, bursts
