"""All merge rounds of a plan through the cycle model, one after the other.

What a round merges is what the rounds before it produced here, not what the plan computed: elements, values and order
go through the simulated tree from the operands to the product. From the plan come the schedule, the order of the line
requests and which of them miss. Channels stay as busy as a round leaves them; the buffer's content is the plan's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sim.events import STATES
from sim.jit import njit
from sim.sparch.condensed import Int32s, Int64s
from sim.sparch.cycle_model import CycleRound, run_round
from sim.sparch.cycle_state import machine_of, units
from sim.sparch.plan import Plan, RoundPlan
from sim.sparch.product import Float64s, SparseRows
from sim.sparch.round_work import build_streams


@dataclass
class CycleRun:
    """Outcome of the cycle model. bursts: by operand (a, b, partial, out). ledgers: cycles by unit and state.

    layer_in: elements that entered each merge layer, over all rounds. product: what left the root in the last round.
    """

    cycles: int
    bursts: dict[str, int]
    ledgers: dict[str, dict[str, int]]
    layer_in: Int64s
    product: SparseRows
    round_ends: list[int] = field(default_factory=list)


def run_cycles(plan: Plan, *, progress: Callable[[int, int], None] = lambda done, total: None) -> CycleRun:
    """Simulate all merge rounds of `plan` cycle by cycle; `progress` is told rounds done and in total.

    Raises InvariantError where the machine deadlocks or passes another number of elements than planned.
    """
    names = units(plan.config.layers)
    ledger = np.zeros((len(names), len(STATES)), np.int64)
    run = CycleRun(
        0, dict.fromkeys(("a", "b", "partial", "out"), 0), {}, np.zeros(plan.config.layers, np.int64), _none()
    )
    free = np.zeros(plan.config.dram.channels, np.int64)
    pending: dict[int, SparseRows] = {}
    for index, planned in enumerate(plan.rounds):
        done = _run_round(
            plan, planned, pending, free, run.cycles, lambda _: progress(len(run.round_ends), len(plan.rounds))
        )
        run.product = pending[index] = sparse_rows(done.key, done.value, max(plan.b.cols, 1))
        run.cycles = done.end
        run.round_ends.append(done.end)
        run.layer_in += done.layer_in
        ledger += done.ledger
        for operand, bursts in done.bursts.items():
            run.bursts[operand] += bursts
        progress(index + 1, len(plan.rounds))
    run.ledgers = {name: dict(zip(STATES, row, strict=True)) for name, row in zip(names, ledger.tolist(), strict=True)}
    return run


def sparse_rows(key: Int64s, value: Float64s, cols: int) -> SparseRows:
    """Rows from elements in row-major order; ``key = row * cols + column``."""
    rows, start = np.empty(key.size, np.int32), np.empty(key.size + 1, np.int64)
    indices = np.empty(key.size, np.int32)
    count = _cut_rows(key, cols, rows, start, indices)
    return SparseRows(rows[:count].copy(), start[: count + 1].copy(), indices, value)


@njit
def _cut_rows(key: Int64s, cols: int, rows: Int32s, start: Int64s, indices: Int32s) -> int:
    """Fill the arrays of `SparseRows`; how many rows there are."""
    count = 0
    begin = end = 0
    for place in range(key.size):
        if key[place] >= end:
            begin = key[place] // cols * cols
            end = begin + cols
            rows[count] = begin // cols
            start[count] = place
            count += 1
        indices[place] = key[place] - begin
    start[count] = key.size
    return count


def _none() -> SparseRows:
    return SparseRows(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0))


def _run_round(
    plan: Plan,
    planned: RoundPlan,
    pending: dict[int, SparseRows],
    free: Int64s,
    start: int,
    progress: Callable[[int], None],
) -> CycleRound:
    leaves, partials = planned.inputs.leaves.size, planned.inputs.partials
    machine = machine_of(
        plan.config,
        leaves=leaves,
        partials=len(partials),
        cols=max(plan.b.cols, 1),
        out_bytes=planned.out_bytes,
        burst_a=plan.addresses.a,
        burst_b=plan.addresses.b,
        burst_pointers=plan.addresses.b_pointers,
        burst_out=planned.out_burst,
    )
    streams = build_streams(
        plan.a,
        plan.b,
        plan.lines,
        planned.elements,
        planned.source,
        [(pending.pop(partial), plan.rounds[partial].out_burst) for partial in partials],
        plan.config,
        leaves,
    )
    return run_round(machine, streams, free, planned.out_nnz, start, progress)
