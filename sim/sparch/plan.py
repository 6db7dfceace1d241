"""The plan of a run: everything that follows from the operands and the configuration, and not from time.

Rounds and their inputs, the order of the line requests, hits and misses, what each block of output rows holds, bursts
of each operand by channel, the product itself. Both timing models execute the same plan, so their bytes are the same by
construction of the machine and are still counted apart: the cycle model counts the bursts that it issues.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.errors import WorkloadError
from sim.sparch.accumulator import Accumulator
from sim.sparch.condensed import Int32s, Leaves, RoundElements
from sim.sparch.config import SpArchConfig
from sim.sparch.distance import LineMap, Requests, line_requests
from sim.sparch.operand import Operand
from sim.sparch.prefetcher import line_sources
from sim.sparch.product import BlockLimits, RoundCounts, SparseRows, merge_round
from sim.sparch.round_work import ELEMENT_BYTES, AddressMap
from sim.sparch.scheduler import RoundInputs, Scheduler
from sim.sparch.traffic import BlockTraffic, Loads, count_a_loads, count_b_loads, cut_long_rows, sequential_loads


@dataclass(frozen=True)
class RoundPlan:
    """One merge round. out_burst: first burst of the matrix that it writes."""

    inputs: RoundInputs
    elements: RoundElements
    counts: RoundCounts
    traffic: BlockTraffic
    source: Int32s
    out_nnz: int
    out_bytes: int
    out_burst: int


@dataclass(frozen=True)
class Plan:
    """The whole run. partials: the matrices written by all rounds but the last, kept only for the cycle model."""

    a: Operand
    b: Operand
    config: SpArchConfig
    lines: LineMap
    addresses: AddressMap
    rounds: list[RoundPlan]
    product: SparseRows
    partials: list[SparseRows]
    condensed_columns: int


def make_plan(
    a: Operand,
    b: Operand,
    config: SpArchConfig,
    *,
    keep_partials: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Plan:
    """Schedule and execute all rounds. Raises WorkloadError where the shapes do not multiply."""
    if a.cols != b.rows:
        raise WorkloadError(
            f"shapes do not multiply: {a.rows} x {a.cols} times {b.rows} x {b.cols}; B needs {a.cols} rows"
        )
    return _Planner(a, b, config, keep_partials).run(progress)


def block_limits(config: SpArchConfig) -> BlockLimits:
    """Blocks small enough that the machine's windows hold many of them; two where the line buffer is roomy.

    It is when it holds twice the bursts that are under way while a first byte travels. Elsewhere nearly every output
    row is a block or several: what a row waits for then decides, and no row is like the mean of a block.
    """
    bursts_in_flight = config.dram.latency_cycles * config.dram.channels / config.burst_cycles
    roomy = config.prefetch.lines >= 2 * bursts_in_flight
    return BlockLimits(
        elements=config.event.block_elements,
        requests=max(1, config.prefetch.lines // (2 if roomy else 16)),
        a_elements=max(1, config.lookahead.elements // (8 if roomy else 32)),
        partial_in=max(1, config.partials.fifo_depth // (2 if roomy else 16)),
        shares=128,
    )


def crowded_share(plan: Plan) -> float:
    """Share of the line requests that belong to output rows which need more than a third of the row buffer at once.

    There the order in which single lines come and go decides, which a block of rows does not resolve.
    """
    total = crowded = 0
    for planned in plan.rounds:
        counts = planned.counts
        by_row = np.bincount(counts.row_first, counts.requests, counts.out.size)[counts.row_first] / counts.rows
        total += int(counts.requests.sum())
        crowded += int(counts.requests[3 * by_row > plan.config.prefetch.lines].sum())
    return crowded / total if total else 0.0


@dataclass(frozen=True)
class _Merged:
    """A round that is merged, its line requests not yet decided."""

    inputs: RoundInputs
    elements: RoundElements
    requests: Requests
    counts: RoundCounts
    nnz: int
    out_bytes: int
    out_burst: int
    partial_loads: Loads
    limits: BlockLimits


class _Planner:
    def __init__(self, a: Operand, b: Operand, config: SpArchConfig, keep_partials: bool) -> None:
        self.a, self.b, self.config, self.keep_partials = a, b, config, keep_partials
        self.leaves = Leaves(a, config.condensing)
        self.lines = LineMap.of(b, config.prefetch.line_elements)
        self.addresses = AddressMap.of(a, b, config.dram.burst_bytes)
        self.accumulator = Accumulator.of(b.cols, config.merge_tree.ways)
        self.next_burst = self.addresses.written
        self.pending: dict[int, SparseRows] = {}
        self.kept: list[SparseRows] = []
        self.first_burst: list[int] = []
        self.merged: list[_Merged] = []

    def run(self, progress: Callable[[int, int], None]) -> Plan:
        scheduler = Scheduler(self._weights(), self.config.merge_tree.ways, self.config.schedule)
        rounds: list[RoundPlan] = []
        product = SparseRows(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0))
        for index in range(scheduler.rounds):
            inputs = scheduler.next_round()
            product = self._merge(index, inputs)
            scheduler.written(product.nnz)
            if not self.config.prefetch.keep_between_rounds:
                rounds.append(self._finish(self.merged.pop()))
            progress(index + 1, scheduler.rounds)
        if self.config.prefetch.keep_between_rounds:
            rounds = self._finish_together()
        return Plan(
            self.a, self.b, self.config, self.lines, self.addresses, rounds, product, self.kept, self.leaves.count
        )

    def _weights(self) -> npt.NDArray[np.float64]:
        b_lengths = np.diff(self.b.indptr)
        if self.config.schedule.leaf_weight == "exact":
            return self.leaves.products(b_lengths).astype(np.float64)
        return self.leaves.sizes.astype(np.float64) * (self.b.nnz / max(self.b.rows, 1))

    def _merge(self, index: int, inputs: RoundInputs) -> SparseRows:
        elements = self.leaves.gather(inputs.leaves)
        partials = [self.pending.pop(partial) for partial in inputs.partials]
        result = merge_round(
            self.a,
            self.b,
            elements,
            partials,
            ways=self.config.merge_tree.ways,
            lanes=min(self.config.multipliers.lanes, self.config.merge_tree.fifo_depth),  # a leaf FIFO takes no more
            line_elements=self.config.prefetch.line_elements,
            limits=block_limits(self.config),
            accumulator=self.accumulator,
        )
        out_bytes = ELEMENT_BYTES if inputs.last else self.config.partials.element_bytes
        nnz = result.merged.nnz
        self.first_burst.append(self.next_burst)
        self.next_burst += -(-nnz * out_bytes // self.config.dram.burst_bytes)
        self.merged.append(
            _Merged(
                inputs=inputs,
                elements=elements,
                requests=line_requests(self.a, self.lines, elements),
                counts=result.counts,
                nnz=nnz,
                out_bytes=out_bytes,
                out_burst=self.first_burst[index],
                partial_loads=self._partial_loads(inputs, partials, result.counts),
                limits=result.limits,
            )
        )
        if not inputs.last:
            self.pending[index] = result.merged
            if self.keep_partials:
                self.kept.append(result.merged)
        return result.merged

    def _partial_loads(self, inputs: RoundInputs, partials: list[SparseRows], counts: RoundCounts) -> Loads:
        size = self.config.partials.element_bytes
        loads = np.zeros((counts.out.size, self.config.dram.channels), np.int32)
        for index, partial in zip(inputs.partials, partials, strict=True):
            upto = partial.start[np.searchsorted(partial.rows, counts.last_row, side="right")]
            loads += sequential_loads(upto * size, self.first_burst[index], self.config)
        return loads

    def _finish(self, merged: _Merged, source: Int32s | None = None) -> RoundPlan:
        if source is None:
            source = line_sources(merged.requests, self.lines.count, self.config)
        counts, traffic = cut_long_rows(merged.counts, self._traffic(merged, source), merged.limits)
        if counts is not merged.counts:
            traffic = self._misses(merged, source, counts, traffic)
        return RoundPlan(
            merged.inputs,
            merged.elements,
            counts,
            traffic,
            source,
            merged.nnz,
            merged.out_bytes,
            merged.out_burst,
        )

    def _finish_together(self) -> list[RoundPlan]:
        """Replacement over the requests of all rounds as one sequence: the buffer stays warm."""
        places = np.cumsum([0, *(merged.elements.element.size for merged in self.merged)])
        everything = Requests(
            np.concatenate([np.zeros(0, np.int32), *(merged.requests.line for merged in self.merged)]),
            np.concatenate(
                [np.zeros(0, np.int32)]
                + [merged.requests.place + np.int32(place) for merged, place in zip(self.merged, places, strict=False)]
            ).astype(np.int32),
        )
        source = line_sources(everything, self.lines.count, self.config)
        rounds, first = [], 0
        for merged in self.merged:
            size = merged.requests.line.size
            local = np.maximum(source[first : first + size].astype(np.int64) - first, -1).astype(np.int32)
            rounds.append(self._finish(merged, local))
            first += size
        return rounds

    def _traffic(self, merged: _Merged, source: Int32s) -> BlockTraffic:
        dram, counts, elements = self.config.dram, merged.counts, merged.elements
        blocks = counts.a_elements.size
        a_loads = np.zeros((blocks, dram.channels), np.int32)
        a_place = elements.element if self.config.condensing else np.arange(elements.element.size, dtype=np.int64)
        count_a_loads(a_place, np.cumsum(counts.a_elements), self.addresses.a, dram.burst_bytes, a_loads)
        out_loads = sequential_loads(np.cumsum(counts.out) * merged.out_bytes, merged.out_burst, self.config)
        return self._with_b(merged, source, counts, a_loads, merged.partial_loads, out_loads)

    def _misses(self, merged: _Merged, source: Int32s, counts: RoundCounts, traffic: BlockTraffic) -> BlockTraffic:
        """What the blocks read from B, where they hold parts of rows."""
        return self._with_b(merged, source, counts, traffic.a_loads, traffic.partial_loads, traffic.out_loads)

    def _with_b(
        self, merged: _Merged, source: Int32s, counts: RoundCounts, a_loads: Loads, partial_loads: Loads, out: Loads
    ) -> BlockTraffic:
        dram, blocks = self.config.dram, counts.out.size
        b_loads = np.zeros((blocks, dram.channels), np.int32)
        b_elements, b_pointers = np.zeros(blocks, np.int64), np.zeros(blocks, np.int64)
        first_miss, last_miss = np.full(blocks, -1, np.int64), np.full(blocks, -1, np.int64)
        count_b_loads(
            self.a.indices, self.b.indptr, merged.elements.element, self.lines.first, self.lines.line_elements,
            source, np.cumsum(counts.requests),
            self.addresses.b, self.addresses.b_pointers, dram.burst_bytes, dram.count_row_pointers,
            b_loads, b_elements, b_pointers, first_miss, last_miss,
        )  # fmt: skip
        return BlockTraffic(a_loads, b_loads, partial_loads, out, b_elements, b_pointers, first_miss, last_miss)
