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

from sim.events import BLOCKED, BUSY, IDLE, MEMORY, STARVED, Ledger, Stage, Wait, Window
from sim.hbm import Hbm
from sim.sparch.plan import Plan, RoundPlan
from sim.sparch.product import RoundCounts
from sim.sparch.trace_log import TraceLog
from sim.sparch.tree_rate import LEAF_FIFO_FILL, tree_cycles

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
    queues = (plan.config.fetch_queue_bursts, dram.queue_bursts, dram.queue_bursts, dram.queue_bursts)
    hbm = Hbm(dram.channels, plan.config.burst_cycles, queues, dram.latency_cycles)
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
        machine = _RoundMachine(env, hbm, plan, planned, run.ledgers)
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


class _RoundMachine:
    """One merge round: the stages, the windows between them, and one process for each unit."""

    def __init__(
        self, env: simpy.Environment, hbm: Hbm, plan: Plan, planned: RoundPlan, ledgers: dict[str, Ledger]
    ) -> None:
        self.env, self.hbm, self.config, self.ledgers = env, hbm, plan.config, ledgers
        self.end = env.now
        self.queue_cycles = plan.config.dram.queue_bursts * plan.config.burst_cycles
        counts, traffic, config = planned.counts, planned.traffic, plan.config
        self.blocks = counts.out.size
        self.a_loads, self.b_loads = traffic.a_loads, traffic.b_loads
        self.partial_loads, self.out_loads = traffic.partial_loads, traffic.out_loads
        self.a_upto = [0, *np.cumsum(counts.a_elements).tolist()]
        self.looked_up = 0
        self.fetch_cycles = (counts.a_elements / config.column_fetchers).tolist()
        self.lookup_cycles = (np.maximum(counts.requests, counts.a_elements) / config.prefetch.fetchers).tolist()
        self.multiply_cycles = (counts.slots / config.multipliers.groups).tolist()
        self.tree_cycles = tree_cycles(counts, config)
        self.has_partials = (traffic.partial_loads.sum(axis=1) > 0).tolist()
        self._connect(counts, planned)
        self.processes = [
            env.process(unit())
            for unit in (
                self._fetch_columns,
                self._prefetch,
                self._fetch_partials,
                self._multiply,
                self._merge,
                self._write,
            )
        ]

    def _connect(self, counts: RoundCounts, planned: RoundPlan) -> None:
        config = self.config
        self.fetched, self.lines, self.partials, self.used, self.products, self.merged, self.written = (
            Stage(self.env, self.blocks) for _ in range(7)
        )
        row = counts.row_first  # a row that is larger than a window is let through
        self.lookahead = Window(
            self.used, counts.a_elements, config.lookahead.elements, row, counts.rows, counts.row_last
        )
        self.buffer = Window(self.used, counts.requests, config.prefetch.lines, row, counts.rows, counts.row_last)
        before = np.cumsum(counts.requests) - counts.requests
        self.miss_points = self.buffer.points((before + planned.traffic.last_miss + 1).astype(float))
        self.head_misses = (planned.traffic.first_miss == 0).tolist()
        after_miss = 1 - (planned.traffic.last_miss + 1) / np.maximum(counts.requests, 1)
        self.row_last, self.rows = counts.row_last.tolist(), counts.rows.tolist()
        self.after_miss_cycles = (after_miss * counts.slots / config.multipliers.groups).tolist()
        # half a chunk of every stream is used up but not yet released
        begun = len(planned.inputs.partials) * config.chunk_elements / 2
        self.pool = Window(self.merged, counts.partial_in, config.partials.fifo_depth - begun)
        inputs = planned.inputs.leaves.size + len(planned.inputs.partials)
        entering = counts.layer_in[:, 0] if config.layers else counts.out
        capacity = inputs * config.merge_tree.fifo_depth * LEAF_FIFO_FILL
        self.leaf_fifos = Window(self.merged, entering, capacity)
        self.held_back = np.maximum(1 - capacity / np.maximum(entering, 1), 0.0).tolist()
        self.out_fifo = Window(self.written, counts.out, max(config.partials.fifo_depth, config.merge_tree.width))

    def _until(self, time: float) -> Wait:
        if time > self.env.now:
            yield self.env.timeout(time - self.env.now)

    def _work(self, ledger: Ledger, stage: Stage, block: int, cycles: float, *sources: tuple[Stage, float]) -> Wait:
        """Work on `block` for `cycles`; it does not end before each source has ended it plus a lag."""
        ready = self.env.now + cycles
        known = min(source.ends[block] for source, _ in sources) >= 0
        if known:
            stage.end(block, max(ready, *(source.ends[block] + lag for source, lag in sources)))
            self._passed(stage, block)
        yield from self._until(ready)
        ledger.mark(BUSY)
        if not known:
            for source, _ in sources:
                if source.ends[block] < 0:
                    yield source.wait_end(block)
            stage.end(block, max(ready, *(source.ends[block] + lag for source, lag in sources)))
            self._passed(stage, block)
        yield from self._until(stage.ends[block])

    def _fetch_columns(self) -> Wait:
        ledger, hbm, stage = self.ledgers["column_fetchers"], self.hbm, self.fetched
        for block in range(self.blocks):
            yield from self.lookahead.wait_first(block)
            ledger.mark(BLOCKED)
            near = self.a_upto[block] - self.a_upto[self.looked_up] < self.config.fetch_watermark
            queue = (self.config.dram.queue_bursts if near else self.config.fetch_queue_bursts) * hbm.burst_cycles
            hbm.queue_cycles[0] = queue
            first, last = hbm.transfer(0, self.env.now, self.a_loads[block])
            stage.begin(block, first + hbm.latency)
            yield from self._until(self.env.now + self.fetch_cycles[block])
            ledger.mark(BUSY)
            yield from self._until(last - queue)
            ledger.mark(MEMORY)
            yield from self.lookahead.wait_last(block)
            ledger.mark(BLOCKED)
            stage.end(block, max(last, self.env.now) + hbm.latency)

    def _prefetch(self) -> Wait:
        ledger, hbm, stage = self.ledgers["prefetcher"], self.hbm, self.lines
        for block in range(self.blocks):
            self.looked_up = block
            if self.fetched.began[block] < 0:
                yield self.fetched.wait_begin(block)
            yield from self._until(self.fetched.began[block])
            ledger.mark(STARVED)
            late = self.buffer.late_share[block]
            yield from self.buffer.wait_last(block) if late > 0.5 else self.buffer.wait_first(block)
            ledger.mark(BLOCKED)
            begin = self.env.now
            first, last = hbm.transfer(1, begin, self.b_loads[block])
            misses = last > self.env.now
            stage.begin(block, first + hbm.latency if self.head_misses[block] else self.env.now + 1)
            yield from self._until(self.env.now + self.lookup_cycles[block])
            ledger.mark(BUSY)
            yield from self.buffer.wait(self.miss_points[block])
            ledger.mark(BLOCKED)
            rest = 0.0 if late > 0.5 else late * (last - begin)
            arrived = max(last, self.env.now + rest) + hbm.latency + self.after_miss_cycles[block] if misses else 0.0
            yield from self._until(last - self.queue_cycles)
            ledger.mark(MEMORY)
            yield from self.buffer.wait_last(block)
            ledger.mark(BLOCKED)
            if self.fetched.ends[block] < 0:
                yield self.fetched.wait_end(block)
            yield from self._until(self.fetched.ends[block])
            ledger.mark(STARVED)
            stage.end(block, max(arrived, self.env.now + 1))

    def _fetch_partials(self) -> Wait:
        ledger, hbm, stage = self.ledgers["partial_fetcher"], self.hbm, self.partials
        for block in range(self.blocks):
            if not self.has_partials[block]:
                stage.begin(block, self.env.now)
                stage.end(block, self.env.now)
                continue
            yield from self.pool.wait_first(block)
            ledger.mark(BLOCKED)
            first, last = hbm.transfer(2, self.env.now, self.partial_loads[block])
            stage.begin(block, first + hbm.latency)
            yield from self._until(last - self.queue_cycles)
            ledger.mark(BUSY)
            yield from self.pool.wait_last(block)
            ledger.mark(BLOCKED)
            stage.end(block, max(last, self.env.now) + hbm.latency)

    def _multiply(self) -> Wait:
        """Lines that are there are used while others are awaited: the next block may begin before this one ends."""
        ledger, lines = self.ledgers["multipliers"], self.lines
        for block in range(self.blocks):
            if lines.began[block] < 0:
                yield lines.wait_begin(block)
                ledger.mark(STARVED)
            yield from self._until(lines.began[block])
            ledger.mark(MEMORY)
            yield from self.leaf_fifos.wait_first(block)
            ledger.mark(BLOCKED)
            self.products.begin(block, self.env.now)
            ready = self.env.now + self.multiply_cycles[block]
            yield from self._until(ready)
            ledger.mark(BUSY)
            if lines.ends[block] < 0:
                yield lines.wait_end(block)
                ledger.mark(STARVED)
            late = max(lines.ends[block] + 1 - ready, 0.0)
            self.products.end(block, ready + late)
            if not self.held_back[block]:
                yield from self.leaf_fifos.wait_last(block)
                ledger.mark(BLOCKED)
                self._release(block, self.env.now)

    def _passed(self, stage: Stage, block: int) -> None:
        """A block that is larger than the leaf FIFOs is in them only when the tree has taken the rest."""
        if stage is self.merged and self.held_back[block]:
            begin, end = stage.began[block], stage.ends[block]
            self._release(block, begin + self.held_back[block] * (end - begin))

    def _release(self, block: int, when: float) -> None:
        """Lines of `block` are free again once its products are in the leaf FIFOs."""
        before = self.used.ends[block - 1] if block else 0.0
        self.used.begin(block, max(self.products.began[block], before))
        self.used.end(block, max(when, self.products.ends[block], before))

    def _merge(self) -> Wait:
        """A row can be merged once every input has its first elements of it."""
        ledger, stage, lines = self.ledgers["merge_tree"], self.merged, self.lines
        for block in range(self.blocks):
            for source, needed in ((self.products, block), (self.partials, block), (lines, self.row_last[block])):
                if source.began[needed] < 0:
                    yield source.wait_begin(needed)
                yield from self._until(source.began[needed] + 1)
            if lines.ends[block] < 0:
                yield lines.wait_end(block)
            first_row = (lines.ends[block] - lines.began[block]) / self.rows[block]
            yield from self._until(lines.began[block] + first_row + 1)
            ledger.mark(STARVED)
            yield from self.out_fifo.wait_first(block)
            ledger.mark(BLOCKED)
            stage.begin(block, self.env.now)
            cycles = self.tree_cycles[block]
            last_row = cycles / self.rows[block]
            yield from self._work(
                ledger, stage, block, cycles, (self.products, 1), (self.partials, 1), (lines, last_row)
            )
            ledger.mark(STARVED)

    def _write(self) -> Wait:
        ledger, hbm, stage, merged = self.ledgers["writer"], self.hbm, self.written, self.merged
        for block in range(self.blocks):
            if merged.began[block] < 0:
                yield merged.wait_begin(block)
            yield from self._until(merged.began[block] + self.config.layers)
            ledger.mark(STARVED)
            stage.begin(block, self.env.now)
            _, last = hbm.transfer(3, self.env.now, self.out_loads[block])
            accepted = max(last - self.queue_cycles - self.env.now, 0.0)
            yield from self._work(ledger, stage, block, accepted, (merged, self.config.layers))
            ledger.mark(STARVED)
        self.end = max(self.env.now + hbm.burst_cycles, hbm.free.max(initial=0.0))
