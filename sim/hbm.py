"""High-bandwidth memory for the event models: channels that serve bursts in order, with a fixed read latency.

A request is a vector of bursts by channel. Each channel is busy until all it has accepted has passed. The queue of a
channel is bounded, so whoever comes is delayed by at most ``queue_bursts`` bursts of others (`urgent` requests: the
small units that are served first); a bulk reader fills the rest. Not modelled: banks, row buffers, refresh.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.jit import njit


class Hbm:
    """All channels. Times are in cycles."""

    def __init__(self, channels: int, burst_cycles: int, queue_bursts: int, latency_cycles: int) -> None:
        self.free = np.zeros(channels)
        self.latency = latency_cycles
        self.burst_cycles = burst_cycles
        self.queue_cycles = queue_bursts * burst_cycles
        self.bursts = 0

    def transfer(self, now: float, loads: npt.NDArray[np.int32], urgent: bool) -> tuple[float, float]:
        """Queue `loads` bursts; the times at which the first and the last of them have passed their channel."""
        first, last, bursts = _accept(self.free, loads, now, self.burst_cycles, self.queue_cycles, urgent)
        self.bursts += bursts
        return first, last


@njit
def _accept(
    free: npt.NDArray[np.float64],
    loads: npt.NDArray[np.int32],
    now: float,
    burst_cycles: int,
    queue_cycles: int,
    urgent: bool,
) -> tuple[float, float, int]:
    first = np.inf
    last = now
    bursts = 0
    for channel in range(free.size):
        load = loads[channel]
        if load > 0:
            begin = max(free[channel], now)
            free[channel] = begin + load * burst_cycles
            if urgent:
                begin = min(begin, now + queue_cycles)
            first = min(first, begin + burst_cycles)
            last = max(last, begin + load * burst_cycles)
            bursts += load
    return min(first, last), last, bursts
