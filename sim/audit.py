"""Self-audit of a result: figures that must agree, checked on every run.

A figure that has two origins is compared: bytes of the plan with bursts that the channels counted, cycles of each unit
with the length of the run, cycles with every bound, the size of the product with the size that was announced.
A broken invariant is an `InvariantError` with both numbers; it is a bug of the simulator and never a user's mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.errors import InvariantError

if TYPE_CHECKING:
    from sim.result import SimulationResult


@dataclass(frozen=True)
class Counted:
    """What the run itself counted, apart from the plan that the result is made from.

    bursts: that passed the channels. product_nnz: entries of the product. multiplications: from the operands alone.
    tree_elements: that entered the layers of the merge tree, where the model sees each (else None). ledger_cycles: sum
    over the states of each unit before rounding.
    """

    bursts: int
    burst_bytes: int
    product_nnz: int
    multiplications: int
    tree_elements: int | None
    ledger_cycles: dict[str, float]


def audit(result: SimulationResult, counted: Counted) -> None:
    """Check `result` against itself and against what its run counted. Raises InvariantError."""
    for unit, cycles in counted.ledger_cycles.items():
        if not abs(cycles - result.cycles) <= 0.5:
            raise InvariantError(f"audit: the ledger of {unit} holds {cycles!r} cycles, the run took {result.cycles}")
    audit_record(result)
    moved = counted.bursts * counted.burst_bytes
    _equal(result.channel_bytes, moved, "channel_bytes", "bytes of the bursts that the channels counted")
    _equal(result.output_nnz, counted.product_nnz, "output_nnz", "entries of the product")
    _equal(result.multiplications, counted.multiplications, "multiplications", "products of the operands' patterns")
    if counted.tree_elements is not None:
        words = 2 * counted.tree_elements
        _equal(result.actions.get("fifo_word", 0), words, "actions.fifo_word", "2 x elements that entered the layers")


def audit_record(result: SimulationResult) -> None:
    """Check what must hold inside a result, wherever it comes from. Raises InvariantError."""
    _audit_bytes(result)
    _audit_cycles(result)
    _equal(result.flops, 2 * result.multiplications - result.output_nnz, "flops", "2 x multiplications - output_nnz")
    _at_most(result.output_nnz, result.multiplications, "output_nnz", "multiplications")
    rounds = (result.condensed_columns, result.merge_rounds, result.first_round_ways, result.prefetch)
    absent = sum(part is None for part in rounds)
    if absent not in (0, len(rounds)):
        raise InvariantError(f"audit: {absent} of the {len(rounds)} figures of merge rounds and row buffer are absent")
    if prefetch := result.prefetch:
        _at_most(prefetch.read_elements, prefetch.requested_elements, "prefetch.read_elements", "requested_elements")
        if not 0 <= prefetch.hit_rate <= 1:
            raise InvariantError(f"audit: prefetch.hit_rate = {prefetch.hit_rate!r} is outside 0..1")
    if result.bandwidth_utilization > 1:
        raise InvariantError(f"audit: bandwidth_utilization = {result.bandwidth_utilization!r} is over 1")


def _audit_bytes(result: SimulationResult) -> None:
    parts = result.dram_bytes
    total = parts.a_read + parts.b_read + parts.partial_read + parts.partial_write + parts.c_write
    _equal(parts.total, total, "dram_bytes.total", "sum of its parts")
    _equal(parts.partial_read, parts.partial_write, "dram_bytes.partial_read", "dram_bytes.partial_write")
    _at_most(parts.total, result.channel_bytes, "dram_bytes.total", "channel_bytes")


def _audit_cycles(result: SimulationResult) -> None:
    for name, unit in result.units.items():
        _equal(unit.total, result.cycles, f"sum of the states of {name}", "cycles")
    bounds = result.bounds_cycles
    _at_most(bounds.bandwidth, result.cycles, "bounds_cycles.bandwidth", "cycles")
    _at_most(bounds.multiply, result.cycles, "bounds_cycles.multiply", "cycles")
    _at_most(bounds.merge, result.cycles, "bounds_cycles.merge", "cycles")


def _equal(found: int, expected: int, what: str, other: str) -> None:
    if found != expected:
        raise InvariantError(f"audit: {what} = {found}, but {other} = {expected}")


def _at_most(found: int, limit: int, what: str, other: str) -> None:
    if found > limit:
        raise InvariantError(f"audit: {what} = {found} is more than {other} = {limit}")
