"""High-bandwidth memory for the event models: channels shared fairly by the units, with a fixed read latency.

A request is a vector of bursts by channel. Each unit may have a bounded number of bursts waiting in a channel, so units
that want it at the same time get shares in proportion to their queues: a request of ``w`` bursts waits for its own
unit's earlier ones and, of what another unit still has to transfer, for at most that share of ``w`` plus a full queue.
A channel never does more than one burst at a time: `free` is when it has done all that was asked of it.
Not modelled: banks, row buffers, refresh.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.jit import njit


class Hbm:
    """All channels, for one unit an entry of `queue_bursts`. Times are in cycles."""

    def __init__(self, channels: int, burst_cycles: int, queue_bursts: tuple[int, ...], latency_cycles: int) -> None:
        self.free = np.zeros(channels)
        self.latency = latency_cycles
        self.burst_cycles = burst_cycles
        self.queue_cycles = np.array(queue_bursts, dtype=np.float64) * burst_cycles
        self.bursts = 0
        self._asked = np.zeros((len(queue_bursts), channels))

    def transfer(self, unit: int, now: float, loads: npt.NDArray[np.int32]) -> tuple[float, float]:
        """Queue `loads` bursts; the times at which the first and the last of them have passed their channel."""
        first, last, bursts = _accept(self.free, self._asked, unit, loads, now, self.burst_cycles, self.queue_cycles)
        self.bursts += bursts
        return first, last


@njit
def _accept(
    free: npt.NDArray[np.float64],
    asked: npt.NDArray[np.float64],
    unit: int,
    loads: npt.NDArray[np.int32],
    now: float,
    burst_cycles: int,
    queue_cycles: npt.NDArray[np.float64],
) -> tuple[float, float, int]:
    first = np.inf
    last = now
    bursts = 0
    for channel in range(free.size):
        if loads[channel] == 0:
            continue
        work = loads[channel] * burst_cycles
        begin = max(asked[unit, channel], now)
        ahead = 0.0
        shared = 0.0
        for other in range(asked.shape[0]):
            pending = asked[other, channel] - begin
            if other != unit and pending > 0:
                queue = queue_cycles[other]
                ahead += min(pending, queue)
                shared += min(pending, queue + work * min(max(queue / queue_cycles[unit], 0.25), 4.0))
        free[channel] = max(free[channel], now) + work
        end = min(begin + shared + work, free[channel])
        asked[unit, channel] = end
        first = min(first, min(begin + ahead, free[channel] - work) + burst_cycles)
        last = max(last, end)
        bursts += loads[channel]
    return min(first, last), last, bursts
