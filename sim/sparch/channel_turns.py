"""How the units of the event model take turns at the memory channels in one merge round."""

from __future__ import annotations

import numpy as np

from sim.hbm import Hbm
from sim.sparch.config import SpArchConfig
from sim.sparch.plan import RoundPlan

TURNS, LONGEST_TURN = 1000, 128
"""A channel's bursts of a round pass in about so many turns, of no more than so many bursts (resolution only)."""


def set_turns(hbm: Hbm, planned: RoundPlan, config: SpArchConfig) -> None:
    """Turns for the round: a line of B is queued whole, and A and the output burst by burst.

    So where they compete for few channels, the prefetcher gets more of them. A chunk of a partial matrix is queued
    whole too, but it is the pool that its fetcher waits for.
    """
    traffic = planned.traffic
    loads = traffic.a_loads + traffic.b_loads + traffic.partial_loads + traffic.out_loads
    hbm.turn_bursts = int(np.clip(loads.sum(axis=0).max(initial=0) // TURNS, 1, LONGEST_TURN))
    misses = int(np.count_nonzero(planned.source == np.arange(planned.source.size)))
    line_bursts = float(traffic.b_loads.sum()) / max(misses, 1)
    hbm.turn_share = [1.0, max(1.0, line_bursts / config.dram.channels), 1.0, 1.0]
