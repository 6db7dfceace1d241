"""One merge round of the cycle model on the bench: run it up to any cycle and look at its state."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.sparch.config import load_config
from sim.sparch.cycle_model import _prepare, _run
from sim.sparch.cycle_run import run_cycles, sparse_rows
from sim.sparch.cycle_state import State, machine_of, new_state
from sim.sparch.operand import Operand
from sim.sparch.plan import make_plan
from sim.sparch.product import SparseRows
from sim.sparch.round_work import build_streams

PLAIN = {"dram.burst_bytes": 12, "dram.bytes_per_cycle": 12, "dram.latency_cycles": 50}
"""Every element is one burst, and every burst one cycle: nothing shares a burst."""


class Bench:
    """The last round of ``a @ b``; those before it run to their end. Cycles count from the start of the round."""

    def __init__(self, a: Any, b: Any, **settings: Any) -> None:
        settings = {"dram__gap_cycles": 0, **settings}  # so that times can be added up by hand
        config = load_config(settings={key.replace("__", "."): value for key, value in settings.items()})
        plan = make_plan(Operand.of(a), Operand.of(b), config, keep_partials=True)
        planned = plan.rounds[-1]
        self.cycles = run_cycles(plan).cycles
        leaves, inputs = planned.inputs.leaves.size, planned.inputs.partials
        machine = machine_of(
            config,
            leaves=leaves,
            partials=len(inputs),
            cols=plan.b.cols,
            out_bytes=planned.out_bytes,
            burst_a=plan.addresses.a,
            burst_b=plan.addresses.b,
            burst_pointers=plan.addresses.b_pointers,
            burst_out=planned.out_burst,
        )
        partials = [(_sorted(plan.partials[one], plan.b.cols), plan.rounds[one].out_burst) for one in inputs]
        streams = build_streams(plan.a, plan.b, plan.lines, planned.elements, planned.source, partials, config, leaves)
        self.plan, self.machine, self.streams = plan, machine, streams
        self.state: State = new_state(machine, streams, np.zeros(machine.channels, np.int64), planned.out_nnz)
        _prepare(machine, self.state, streams)
        self.now, self.done = 0, False

    def after(self, cycle: int) -> State:
        """The state at the end of `cycle`, the first being 0."""
        assert cycle + 1 >= self.now, "time runs forward"
        if cycle + 1 > self.now and not self.done:
            self.now, self.done = _run(self.machine, self.state, self.streams, self.now, cycle + 1 - self.now)
        return self.state

    def scalar(self, which: int, cycle: int) -> int:
        """One scalar of the state at the end of `cycle`."""
        return int(self.after(cycle).s[which])

    def end(self) -> int:
        """The cycle at which the round ends."""
        while not self.done:
            self.after(self.now)
        return self.now


def _sorted(partial: SparseRows, cols: int) -> SparseRows:
    key = np.repeat(partial.rows.astype(np.int64), np.diff(partial.start)) * cols + partial.indices
    order = np.argsort(key)
    return sparse_rows(key[order], partial.data[order], cols)
