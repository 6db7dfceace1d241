"""From what a run did to the figures of its result: bytes, bounds, actions.

    DRAM bytes = 12 x (nnz(A) + nnz(B) + 2 x multiplications + nnz(C))

Every partial product is written once and read once. Counted from the work of both phases; the cycles come from the
machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.outerspace.config import OuterSpaceConfig
from sim.outerspace.work import ELEMENT_BYTES, PhaseWork
from sim.result import BoundsCycles, DramBytes


@dataclass(frozen=True)
class Totals:
    """Sums over a product. insert_steps: of the merge phase. bursts: blocks of both phases."""

    a: int
    b: int
    products: int
    product: int
    insert_steps: int
    bursts: int

    @staticmethod
    def of(a_nnz: int, b_nnz: int, product_nnz: int, phases: tuple[PhaseWork, PhaseWork]) -> Totals:
        """Add everything up."""
        multiply, merge = phases
        return Totals(
            a=a_nnz,
            b=b_nnz,
            products=int(multiply.arithmetic.sum()),
            product=product_nnz,
            insert_steps=int(merge.arithmetic.sum()),
            bursts=int(multiply.loads.sum(dtype="int64") + merge.loads.sum(dtype="int64")),
        )


def dram_bytes(totals: Totals) -> DramBytes:
    """Useful bytes by operand."""
    partial = ELEMENT_BYTES * totals.products
    a_read, b_read, c_write = (ELEMENT_BYTES * count for count in (totals.a, totals.b, totals.product))
    return DramBytes(
        a_read=a_read,
        b_read=b_read,
        partial_read=partial,
        partial_write=partial,
        c_write=c_write,
        total=a_read + b_read + 2 * partial + c_write,
    )


def bounds_cycles(totals: Totals, config: OuterSpaceConfig) -> BoundsCycles:
    """What the channels, and the arithmetic of each phase spread evenly, need if nothing else holds them up."""
    return BoundsCycles(
        bandwidth=-(-totals.bursts * config.dram.burst_cycles // config.dram.channels),
        multiply=-(-totals.products // config.multiply_pes),
        merge=-(-totals.insert_steps // config.merge_pes),
    )


def action_counts(totals: Totals, useful_bytes: int) -> dict[str, int]:
    """How often each action of energies.toml happened.

    L0: each element of A, one of B for each product, and each product on its way out. Scratchpad: in and out.
    """
    return {
        "multiply": totals.products,
        "add": totals.products - totals.product,
        "insert_step": totals.insert_steps,
        "l0_element": totals.a + 2 * totals.products,
        "scratchpad_element": 2 * totals.products,
        "crossbar_byte": useful_bytes,
        "dram_byte": useful_bytes,
    }
