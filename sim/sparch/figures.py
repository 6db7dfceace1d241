"""From what a run did to the figures of its result: bytes, bounds, actions, cycles of each unit.

Everything here is counted from the plan that both timing models execute, so these figures are the same for both; only
the cycles and their ledger come from the model. `sim.audit` holds the two origins against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.events import BLOCKED, BUSY, IDLE, MEMORY, STARVED, STATES
from sim.result import BoundsCycles, DramBytes, PrefetchRecord, UnitCycles
from sim.sparch.config import SpArchConfig
from sim.sparch.plan import Plan
from sim.sparch.round_work import ELEMENT_BYTES, POINTER_BYTES

MERGE_TREE = "merge_tree"
"""The event model's ledger of the whole tree; results have one row for each layer instead."""


@dataclass(frozen=True)
class PlanTotals:
    """Sums over all rounds and blocks of a plan. layer_in: elements that enter each merge layer.

    a, b: elements read; pointers: of rows of B; out: elements that left the root in all rounds, product: in the last.
    bursts: of all operands together, from the regions' sizes where they are read or written in order.
    """

    a: int
    b: int
    pointers: int
    products: int
    slots: int
    partial_in: int
    partial_out: int
    out: int
    product: int
    layer_in: tuple[int, ...]
    bursts: int

    @staticmethod
    def of(plan: Plan) -> PlanTotals:
        """Add everything up."""
        rounds, burst_bytes = plan.rounds, plan.config.dram.burst_bytes
        partial_out = sum(one.out_nnz for one in rounds[:-1])
        written = [-(-one.out_nnz * one.out_bytes // burst_bytes) for one in rounds]
        reads = sum(int(one.traffic.a_loads.sum()) + int(one.traffic.b_loads.sum()) for one in rounds)
        return PlanTotals(
            a=sum(int(one.counts.a_elements.sum()) for one in rounds),
            b=sum(int(one.traffic.b_elements.sum()) for one in rounds),
            pointers=sum(int(one.traffic.b_pointers.sum()) for one in rounds),
            products=sum(int(one.counts.products.sum()) for one in rounds),
            slots=sum(int(one.counts.slots.sum()) for one in rounds),
            partial_in=sum(int(one.counts.partial_in.sum()) for one in rounds),
            partial_out=partial_out,
            out=sum(int(one.counts.out.sum()) for one in rounds),
            product=plan.product.nnz,
            layer_in=tuple(
                sum(int(one.counts.layer_in[:, layer].sum()) for one in rounds) for layer in range(plan.config.layers)
            ),
            bursts=reads + sum(written) + sum(written[:-1]),
        )


def dram_bytes(totals: PlanTotals, config: SpArchConfig) -> DramBytes:
    """Useful bytes by operand."""
    a_read = ELEMENT_BYTES * totals.a
    b_read = ELEMENT_BYTES * totals.b + POINTER_BYTES * totals.pointers
    partial_read = config.partials.element_bytes * totals.partial_in
    partial_write = config.partials.element_bytes * totals.partial_out
    c_write = ELEMENT_BYTES * totals.product
    return DramBytes(
        a_read=a_read,
        b_read=b_read,
        partial_read=partial_read,
        partial_write=partial_write,
        c_write=c_write,
        total=a_read + b_read + partial_read + partial_write + c_write,
    )


def prefetch_record(totals: PlanTotals) -> PrefetchRecord:
    """Every multiplication asks for one element of B."""
    hits = totals.products - totals.b
    return PrefetchRecord(
        requested_elements=totals.products,
        read_elements=totals.b,
        hit_rate=hits / totals.products if totals.products else 0.0,
    )


def bounds_cycles(totals: PlanTotals, config: SpArchConfig) -> BoundsCycles:
    """What each resource needs if nothing else holds it up."""
    return BoundsCycles(
        bandwidth=-(-totals.bursts * config.burst_cycles // config.dram.channels),
        multiply=-(-totals.slots // config.multipliers.groups),
        merge=-(-max(totals.layer_in, default=0) // config.merge_tree.width),
    )


def action_counts(totals: PlanTotals, useful_bytes: int, config: SpArchConfig) -> dict[str, int]:
    """How often each action of `sim.sparch.energy` happened.

    An element that enters a layer was pushed into a FIFO and popped from it. Every element of A passes the look-ahead
    FIFO (in and out); every element that leaves the root passes the writer, every partial one that is read the fetcher.
    """
    from sim.sparch.merger import comparators

    width, entered = config.merge_tree.width, sum(totals.layer_in)
    return {
        "multiply": totals.products,
        "add": totals.products + totals.partial_in - totals.out,
        "compare": entered * comparators(width) // width,
        "fifo_word": 2 * entered,
        "prefetch_read_element": totals.products,
        "prefetch_write_element": totals.b,
        "lookahead_element": 2 * totals.a,
        "partial_buffer_element": totals.partial_in + totals.out,
        "dram_byte": useful_bytes,
    }


def area_mm2(config: SpArchConfig) -> dict[str, float | str]:
    """Area by part, with what it rests on."""
    from sim.sparch.energy import EnergyTable

    area = EnergyTable.load().area_mm2(
        ways=config.merge_tree.ways,
        width=config.merge_tree.width,
        prefetch_lines=config.prefetch.lines,
        line_elements=config.prefetch.line_elements,
        multipliers=config.multipliers.groups * config.multipliers.lanes,
        column_fetchers=config.column_fetchers,
        lookahead_elements=config.lookahead.elements,
        partial_fifo_depth=config.partials.fifo_depth,
    )
    return {name: value for name, value in area.items() if isinstance(value, float | str)}


def unit_rows(
    ledgers: Mapping[str, Mapping[str, float]], layer_busy: Sequence[float], cycles: int
) -> dict[str, UnitCycles]:
    """Whole cycles by unit and state. A ledger ``merge_tree`` is replaced by one row a layer, from `layer_busy`."""
    rows = {name: whole_cycles(ledger, cycles) for name, ledger in ledgers.items() if name != MERGE_TREE}
    if MERGE_TREE in ledgers:
        for layer, busy in enumerate(layer_busy):
            rows[f"merge_layer_{layer + 1}"] = whole_cycles(layer_ledger(ledgers[MERGE_TREE], busy, cycles), cycles)
    return rows


def layer_ledger(tree: Mapping[str, float], busy: float, cycles: int) -> dict[str, float]:
    """States of one merge layer: works for `busy` cycles, starves while only other layers work, else as the tree."""
    busy = min(busy, float(cycles))
    starved = tree[STARVED] + max(tree[BUSY] - busy, 0.0)
    others = {STARVED: starved, BLOCKED: tree[BLOCKED], MEMORY: tree[MEMORY], IDLE: tree[IDLE]}
    left, total = cycles - busy, sum(others.values())
    if total <= 0:
        return {BUSY: busy, STARVED: left, BLOCKED: 0.0, MEMORY: 0.0, IDLE: 0.0}
    return {BUSY: busy, **{state: share * left / total for state, share in others.items()}}


def whole_cycles(ledger: Mapping[str, float], cycles: int) -> UnitCycles:
    """Round down, then hand the missing cycles to the largest remainders, so that the row sums to `cycles`."""
    whole = {state: int(ledger[state]) for state in STATES}
    missing = cycles - sum(whole.values())
    by_remainder = sorted(STATES, key=lambda state: ledger[state] - whole[state], reverse=True)
    for state in by_remainder[: max(missing, 0)]:
        whole[state] += 1
    return UnitCycles(**whole)
