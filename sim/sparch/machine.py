"""The event model: each hardware unit is a SimPy process, and blocks of output rows travel between them.

What a block holds (elements at every merge layer, lines missed, multiplier slots, bursts by channel) comes from `plan`.
When anything happens comes from the engine: units overlap on a block, wait for one another's data, for room in bounded
FIFOs, for lines and look-ahead slots to be released, and for HBM channels that they share.

    column fetchers -> look-ahead FIFO -> prefetcher -> line buffer -> multipliers -> leaf FIFOs -> merge tree -> writer
                                                        partial-matrix fetcher ----------^

Inside a block a unit is taken to work evenly, at the rate of its widest part; the merge tree at that of its busiest
layer. That is what the block size resolves, and where shallow node FIFOs (under two merger widths) break the picture:
such results are flagged. Choices that both models share are listed in `cycle_model`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import simpy

from sim.events import IDLE, Ledger
from sim.hbm import Hbm
from sim.sparch.plan import Plan
from sim.sparch.round_machine import RoundMachine
from sim.sparch.trace_log import TraceLog

UNITS = ("column_fetchers", "prefetcher", "multipliers", "partial_fetcher", "writer")


@dataclass
class EventRun:
    """Outcome of the event model. ledgers: cycles by state for each unit; layer_busy: cycles for each merge layer.

    counters: for the time line, (cycle, value) samples of DRAM bandwidth and of the lines held in the buffer.
    """

    cycles: int = 0
    bursts: int = 0
    events: int = 0
    round_ends: list[int] = field(default_factory=list)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    layer_busy: list[float] = field(default_factory=list)
    counters: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def run_events(
    plan: Plan,
    *,
    keep_slices: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> EventRun:
    """Simulate all merge rounds of `plan`, one after the other."""
    env = simpy.Environment()
    dram = plan.config.dram
    hbm = Hbm(dram.channels, plan.config.burst_cycles, 4, dram.latency_cycles)
    run = EventRun(ledgers={name: Ledger(env, keep_slices) for name in (*UNITS, "merge_tree")})
    run.layer_busy = [0.0] * plan.config.layers
    log = TraceLog() if keep_slices else None
    with _no_garbage_collection():
        _run_rounds(env, hbm, plan, run, log, progress)
    if log:
        run.counters = log.counters(plan.config.dram.burst_bytes)
    run.cycles = int(env.now)
    run.bursts = hbm.bursts
    run.events = next(env._eid)  # SimPy numbers its events
    return run


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """The engine makes many short-lived objects; looking for cycles among them costs more than it frees."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _run_rounds(
    env: simpy.Environment,
    hbm: Hbm,
    plan: Plan,
    run: EventRun,
    log: TraceLog | None,
    progress: Callable[[int, int], None],
) -> None:
    for index, planned in enumerate(plan.rounds):
        machine = RoundMachine(env, hbm, plan, planned, run.ledgers)
        env.run(until=env.all_of(machine.processes))
        end = float(np.ceil(machine.end))
        if end > env.now:
            env.run(until=end)
        for ledger in run.ledgers.values():
            ledger.mark(IDLE)
        for layer, elements in enumerate(planned.counts.layer_in.sum(axis=0).tolist()):
            run.layer_busy[layer] += elements / plan.config.merge_tree.width
        run.round_ends.append(int(env.now))
        if log:
            log.add(
                planned,
                fetched=machine.fetched,
                lines=machine.lines,
                partials=machine.partials,
                written=machine.written,
                used=machine.used,
            )
        progress(index + 1, len(plan.rounds))
