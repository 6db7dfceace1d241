"""One merge round in the event model: its units as SimPy processes, and what they wait for.

Where the rows of the output matter one by one (small buffers, long latency), four things decide, and are here: lines
for which there is room only once an older row is done are asked for then; a line that another block asked for arrives
when that block's lines do; a row is merged, and written, from when its last input has its first line, so that the
writer is in the channels before the lines of the next row; and while the tree waits for that, its first layer works
ahead as far as the node FIFOs hold.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from sim.events import BLOCKED, BUSY, MEMORY, STARVED, Ledger, Stage, Wait, Window
from sim.hbm import Hbm, Loads
from sim.sparch.channel_turns import set_turns
from sim.sparch.plan import Plan, RoundPlan
from sim.sparch.product import RoundCounts
from sim.sparch.row_release import last_heads, last_parts, loaded_by, merged_share
from sim.sparch.tree_rate import LEAF_FIFO_FILL, ahead_cycles, layer_cycles

Transfer = Generator[simpy.Event, Any, float]


class RoundMachine:
    """One merge round: the stages, the windows between them, and one process for each unit."""

    def __init__(
        self, env: simpy.Environment, hbm: Hbm, plan: Plan, planned: RoundPlan, ledgers: dict[str, Ledger]
    ) -> None:
        self.env, self.hbm, self.config, self.ledgers = env, hbm, plan.config, ledgers
        self.end = env.now
        self.queue_cycles = plan.config.dram.queue_bursts * plan.config.burst_cycles
        self.fetch_watermark = plan.config.fetch_watermark
        self.far_queue_cycles = plan.config.fetch_queue_bursts * plan.config.burst_cycles
        counts, traffic, config = planned.counts, planned.traffic, plan.config
        set_turns(hbm, planned, config)
        self.blocks = counts.out.size
        self.a_loads, self.b_loads = list(traffic.a_loads.copy()), list(traffic.b_loads.copy())
        self.partial_loads, self.out_loads = list(traffic.partial_loads.copy()), list(traffic.out_loads.copy())
        self.a_upto = [0, *np.cumsum(counts.a_elements).tolist()]
        self.looked_up = 0
        self.delivered = env.now
        self.first = [0.0] * 4
        self.fetch_cycles = (counts.a_elements / config.column_fetchers).tolist()
        self.lookup_cycles = (np.maximum(counts.requests, counts.a_elements) / config.prefetch.fetchers).tolist()
        self.multiply_cycles = (counts.slots / config.multipliers.groups).tolist()
        by_layer = layer_cycles(counts, config)
        self.layer_cycles, self.tree_cycles = by_layer.tolist(), by_layer.max(axis=1).tolist()
        chunk = config.chunk_elements
        deliver = -(-chunk // config.merge_tree.width) / chunk
        self.deliver_cycles = (counts.partial_in * deliver).tolist()
        self.request_cycles = (counts.partial_in / (chunk * config.dram.channels)).tolist()
        self.has_partials = (traffic.partial_loads.sum(axis=1) > 0).tolist()
        self._connect(counts, planned, plan)
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

    def _connect(self, counts: RoundCounts, planned: RoundPlan, plan: Plan) -> None:
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
        self.misses = (planned.traffic.last_miss >= 0).tolist()
        self.late = [0.0 if late < 0.02 else 1.0 if late > 0.98 else late for late in self.buffer.late_share]
        self.row_last, self.rows = counts.row_last.tolist(), counts.rows.tolist()
        self.after_miss_cycles = (after_miss * counts.slots / config.multipliers.groups).tolist()
        # half a chunk of every stream is used up but not yet released; what is in the leaf FIFOs has left the pool
        streams = len(planned.inputs.partials)
        delivered = streams * (config.merge_tree.fifo_depth * LEAF_FIFO_FILL - config.chunk_elements / 2)
        self.pool = Window(self.merged, counts.partial_in, config.partials.fifo_depth + delivered)
        inputs = planned.inputs.leaves.size + len(planned.inputs.partials)
        entering = counts.layer_in[:, 0] if config.layers else counts.out
        capacity = inputs * config.merge_tree.fifo_depth * LEAF_FIFO_FILL
        self.leaf_fifos = Window(self.merged, entering, capacity)
        self.held_back = np.maximum(1 - capacity / np.maximum(entering, 1), 0.0).tolist()
        depth = config.merge_tree.fifo_depth
        parts = counts.row_last - counts.row_first + 1
        self.loaded_by = loaded_by(planned.source, counts.requests).tolist()
        self.arrived = [0.0] * self.blocks
        self.merged_share = merged_share(plan.a, plan.b, planned, depth).tolist()
        self.row_cycles = (np.array(self.tree_cycles) * parts / np.maximum(counts.rows, 1)).tolist()
        self.row_first, self.requests = counts.row_first.tolist(), counts.requests.tolist()
        self.ahead = [0.0] * self.blocks
        last_lines = last_parts(plan.a, plan.lines, planned)
        self.last_lines, self.last_heads = np.maximum(last_lines, 1).tolist(), last_heads(last_lines, counts)
        self.early, self.misses_from = [-1.0] * self.blocks, [-1.0] * self.blocks
        active = counts.a_elements * parts / np.maximum(counts.rows, 1) + streams * (counts.partial_in > 0)
        self.ahead_cycles = ahead_cycles(active, config).tolist()
        self.out_fifo = Window(self.written, counts.out, max(config.partials.fifo_depth, config.merge_tree.width))

    def _until(self, time: float) -> Wait:
        if time > self.env.now:
            yield self.env.timeout(time - self.env.now)

    def _work(self, ledger: Ledger, stage: Stage, block: int, cycles: float, *sources: tuple[Stage, float]) -> Wait:
        """Work on `block` for `cycles`; it does not end before each source has ended it plus a lag."""
        ready = self.env.now + cycles
        for source, _ in sources:
            if source.ends[block] < 0:
                yield source.wait_end(block)
        stage.end(block, max(ready, *(source.ends[block] + lag for source, lag in sources)))
        self._passed(stage, block)
        ledger.mark(BUSY, min(ready, self.env.now))
        yield from self._until(ready)
        ledger.mark(BUSY, ready)
        yield from self._until(stage.ends[block])

    def _transfer(self, unit: int, block: int, loads: Loads, stage: Stage | None = None) -> Transfer:
        """Queue `loads` in turns; the time at which the last has passed. `stage` begins the block with the first."""
        hbm, waiting = self.hbm, True
        while True:
            first, last, again = hbm.queue(unit, self.env.now, loads, self._queue_cycles(unit, block))
            if first >= 0 and waiting:
                self.first[unit], waiting = first + hbm.latency, False
                if stage:
                    stage.begin(block, first + hbm.latency)
            if again < 0:
                return last
            yield from self._until(again)

    def _queue_cycles(self, unit: int, block: int) -> float:
        """The column fetchers leave DRAM to the others while enough elements wait for look-up."""
        if unit > 0 or self.a_upto[block] - self.a_upto[self.looked_up] < self.fetch_watermark:
            return self.queue_cycles
        return self.far_queue_cycles

    def _fetch_columns(self) -> Wait:
        ledger, hbm, stage = self.ledgers["column_fetchers"], self.hbm, self.fetched
        for block in range(self.blocks):
            yield from self.lookahead.wait_first(block)
            ledger.mark(BLOCKED)
            busy = self.env.now + self.fetch_cycles[block]
            last = yield from self._transfer(0, block, self.a_loads[block], stage)
            ledger.mark(MEMORY)
            yield from self._until(busy)
            ledger.mark(BUSY)
            yield from self.lookahead.wait_last(block)
            ledger.mark(BLOCKED)
            stage.end(block, max(last, self.env.now) + hbm.latency)

    def _prefetch(self) -> Wait:
        """Lines for which there is room only late are asked for late."""
        ledger, hbm, stage = self.ledgers["prefetcher"], self.hbm, self.lines
        for block in range(self.blocks):
            self.looked_up = block
            if self.fetched.began[block] < 0:
                yield self.fetched.wait_begin(block)
            yield from self._until(self.fetched.began[block])
            ledger.mark(STARVED)
            late = self.late[block]
            yield from self.buffer.wait_last(block) if late == 1 else self.buffer.wait_first(block)
            ledger.mark(BLOCKED)
            loads = self.b_loads[block]
            busy = self.env.now + self.lookup_cycles[block]
            head = self.head_misses[block]
            if not head:
                stage.begin(block, self.env.now + 1)
            later = None
            if 0 < late < 1:
                later = np.diff(np.floor(np.cumsum(loads) * late + 0.5), prepend=0).astype(np.int32)
                loads = loads - later
            last = yield from self._transfer(1, block, loads, stage if head else None)
            ledger.mark(MEMORY)
            self.misses_from[block] = self.first[1]
            yield from self._until(busy)
            ledger.mark(BUSY)
            if later is not None:
                self.early[block] = max(last, self.env.now) + hbm.latency
                yield from self.buffer.wait_last(block)
                ledger.mark(BLOCKED)
                last = max(last, (yield from self._transfer(1, block, later)))
                self.misses_from[block] = self.first[1]
                ledger.mark(MEMORY)
            yield from self.buffer.wait(self.miss_points[block])
            if self.misses[block]:
                self.arrived[block] = max(last, self.env.now + hbm.burst_cycles) + hbm.latency
            arrived = self.arrived[block] + self.after_miss_cycles[block] if self.misses[block] else 0.0
            if 0 <= self.loaded_by[block] < block:
                arrived = max(arrived, self.arrived[self.loaded_by[block]])
            if self.row_first[block] < block:
                arrived = max(arrived, stage.ends[block - 1])
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
            busy = self.env.now + self.request_cycles[block]
            last = yield from self._transfer(2, block, self.partial_loads[block], stage)
            yield from self._until(busy)
            ledger.mark(BUSY)
            yield from self.pool.wait_last(block)
            ledger.mark(BLOCKED)
            head = max(stage.began[block], self.delivered)
            self.delivered = max(max(last, self.env.now) + hbm.latency, head + self.deliver_cycles[block])
            stage.end(block, self.delivered)

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
            if not self.held_back[block] and not self.merged_share[block]:
                yield from self.leaf_fifos.wait_last(block)
                ledger.mark(BLOCKED)
                self._release(block, self.env.now)
            elif self.merged.began[self.row_first[block]] >= 0:
                self._row_begins(block)

    def _passed(self, stage: Stage, block: int) -> None:
        """A block that is larger than the leaf FIFOs is in them only when the tree has taken the rest."""
        if stage is not self.merged or self.used.ends[block] >= 0:
            return
        if self.held_back[block] or self.merged_share[block]:
            begin, end = stage.began[block], stage.ends[block]
            when = begin + self.held_back[block] * (end - begin)
            if self.merged_share[block]:
                last = end - (1 - self.merged_share[block]) * self.row_cycles[block]
                when = max(when, last if self.rows[block] > 1 else self._row_used(block))
            self._release(block, min(when, end))

    def _row_used(self, block: int) -> float:
        """When the tree has taken so much of the row of `block` that the rest of its inputs is in the leaf FIFOs."""
        first = self.row_first[block]
        taken = self.merged_share[block] * self.row_cycles[block]
        return float(self.merged.began[first] + max(taken - self.ahead[first], 0.0))

    def _row_begins(self, first: int) -> None:
        """What `_row_used` says is known for all blocks of a row as soon as its first is being merged."""
        for block in range(first, self.row_last[first] + 1):
            known = self.products.ends[block] >= 0 and self.rows[block] == 1
            if not known or self.held_back[block] or not self.merged_share[block] or self.used.ends[block] >= 0:
                return
            self._release(block, self._row_used(block))

    def _release(self, block: int, when: float) -> None:
        """Lines of `block` are free again once its products are in the leaf FIFOs."""
        before = self.used.ends[block - 1] if block else 0.0
        self.used.begin(block, max(self.products.began[block], before))
        self.used.end(block, max(when, self.products.ends[block], before))

    def _arrives(self, block: int, behind: int) -> float:
        """When the line of `block` arrives that `behind` requests follow there; in the first row, if it has many."""
        began, ends, requests = self.lines.began[block], self.lines.ends[block], self.requests[block]
        if self.rows[block] > 1:
            rows = self.rows[block]
            return float(began + (ends - began) / rows * max(1 - behind * rows / max(requests, 1), 0.0))
        late = self.late[block] * requests if self.early[block] >= 0 else requests
        if behind >= late:
            return max(self.early[block], began)
        before = behind / late * max(ends - self.misses_from[block], 0.0) if self.misses[block] else 0.0
        return float(ends - before)

    def _merge(self) -> Wait:
        """A row can be merged once every input has its first elements of it.

        Until then the other layers work ahead of the root, as far as their node FIFOs hold what they pass (`pool`).
        """
        ledger, stage, lines = self.ledgers["merge_tree"], self.merged, self.lines
        pool = [0.0] * max(self.config.layers, 1)
        for block in range(self.blocks):
            free = self.env.now
            for source in (self.products, self.partials):
                if source.began[block] < 0:
                    yield source.wait_begin(block)
                yield from self._until(source.began[block] + 1)
            last, behind = self.last_heads[block]
            if lines.ends[last] < 0:
                yield lines.wait_end(last)
            yield from self._until(self._arrives(last, behind) + 1)
            ledger.mark(STARVED)
            yield from self.out_fifo.wait_first(block)
            ledger.mark(BLOCKED)
            stage.begin(block, self.env.now)
            cycles = self.tree_cycles[block]
            last_line = min(cycles, self.row_cycles[block] / self.last_lines[block])
            waited, most = self.env.now - free, max(self.env.now - self.products.began[block] - 1, 0.0)
            work, held = self.layer_cycles[block], self.ahead_cycles[block]
            ahead = [min(done + waited, room, most) for done, room in zip(pool, held, strict=True)]
            self.ahead[block] = ahead[0]
            cycles = max(one - done for one, done in zip(work, ahead, strict=True))
            pool = [max(done + cycles - one, 0.0) for done, one in zip(ahead, work, strict=True)]
            if self.row_first[block] == block and self.merged_share[block]:
                self._row_begins(block)
            yield from self._work(
                ledger, stage, block, cycles, (self.products, 1), (self.partials, 1), (lines, last_line)
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
            yield from self._transfer(3, block, self.out_loads[block])
            yield from self._work(ledger, stage, block, 0.0, (merged, self.config.layers))
            ledger.mark(STARVED)
        self.end = max(self.env.now + hbm.burst_cycles, hbm.free.max(initial=0.0))
