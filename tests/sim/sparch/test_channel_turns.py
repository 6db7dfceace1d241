"""Who queues how much at once: a line of B whole, the others burst by burst."""

from __future__ import annotations

import numpy as np
import pytest

from sim.hbm import Hbm
from sim.sparch.channel_turns import set_turns
from sim.sparch.config import load_config
from sim.sparch.operand import Operand
from sim.sparch.plan import make_plan


@pytest.mark.parametrize("channels", [1, 16])
def test_a_line_of_b_is_one_turn(channels: int) -> None:
    config = load_config(settings={"dram.channels": channels, "prefetch.line_elements": 48})
    a = Operand.of(np.ones((48, 48)))  # every row of B is one full line: 48 elements of 12 bytes, 18 bursts of 32
    (planned,) = make_plan(a, a, config).rounds
    hbm = Hbm(channels, config.burst_cycles, 4, config.dram.latency_cycles)
    set_turns(hbm, planned, config)
    assert planned.traffic.b_loads.sum() == 48 * 18
    assert hbm.turn_share == [1.0, {1: 18.0, 16: 1.125}[channels], 1.0, 1.0]
    assert hbm.turn_bursts == (1 if channels == 16 else 2)  # one in a thousand of what a channel passes
