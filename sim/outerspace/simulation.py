"""`simulate`: one sparse product on one OuterSPACE machine, from operands to an audited and verified result.

Bytes follow the published formula exactly. Time is calibrated on five published run times (`calibration`), energy on
the published split (`energy`); how both move from matrix to matrix is the model's. The order of work is SpArch's, with
which this shares operands, product, record and verification.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sim.audit import Counted, audit
from sim.errors import WorkloadError
from sim.outerspace import figures
from sim.outerspace.config import OuterSpaceConfig
from sim.outerspace.energy import EnergyTable
from sim.outerspace.machine import OuterSpaceRun, run_events
from sim.outerspace.product import given_product, multiply, row_lengths
from sim.outerspace.work import ELEMENT_BYTES, plan_phases
from sim.result import EnergyRecord, MatrixRecord, SimulationResult, SimulationTrace, WallSeconds
from sim.sparch.figures import whole_cycles
from sim.sparch.operand import Operand
from sim.sparch.simulation import matrix_record, operand_pair, product_csr, verified

Progress = Callable[[str, int, int], None]
"""Told a stage (compile, plan, event or verify), steps done, steps in total."""

_compiled = False


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def simulate(
    a: Any,
    b: Any = None,
    *,
    config: OuterSpaceConfig | None = None,
    product: Any = None,
    verify: bool = True,
    name: str = "matrix",
    b_name: str = "matrix B",
    sha256: str | None = None,
    b_sha256: str | None = None,
    seed: int | None = None,
    load_s: float = 0.0,
    trace: bool = False,
    progress: Progress = _silent,
) -> SimulationResult:
    """Simulate the product a · b; without `b`, a · a where a is square and else a · aᵀ.

    Operands are anything that SciPy turns into CSR. `product`: the structural product, where the caller has it already
    (``product_rows`` or ``product`` of a SpArch result), so that it is not made again; it is trusted unless
    `verify`. `name`, `sha256`, `seed` and `load_s` are only written into the result. `trace` keeps the time line.
    Raises WorkloadError (operands), ConfigError (settings), InvariantError (the simulator contradicts itself or SciPy).
    """
    config = config or OuterSpaceConfig()
    left, right, b_name, b_sha256 = operand_pair(a, b, name, b_name, sha256, b_sha256)
    if left.cols != right.rows:
        shapes = f"{left.rows} x {left.cols} times {right.rows} x {right.cols}"
        raise WorkloadError(f"shapes do not multiply: {shapes}; B needs {left.cols} rows")
    _compile(progress)
    begin = time.perf_counter()
    progress("plan", 0, 1)
    shape = (left.rows, right.cols)
    rows = multiply(left, right) if product is None else given_product(product, shape)
    phases = plan_phases(left, right, row_lengths(rows, left.rows), config)
    totals = figures.Totals.of(left.nnz, right.nnz, rows.nnz, phases)
    progress("plan", 1, 1)
    run = run_events(phases, config, keep_slices=trace, progress=lambda done, total: progress("event", done, total))
    wall_s = WallSeconds(load=load_s, simulate=time.perf_counter() - begin)
    matrix = matrix_record(left, right, name, sha256, b_name, b_sha256)
    result = _record(totals, run, config, seed=seed, wall_s=wall_s, matrix=matrix)
    audit(result, _counted(left, right, rows.nnz, run, config))
    if verify:
        result = verified(result, left, right, rows, progress)
    line = SimulationTrace(run.slices, run.counters) if trace else None
    return result.with_companions(lambda: product_csr(rows, shape), line, rows)


def _compile(progress: Progress) -> None:
    """Once a process: compile the kernels, or load what was compiled, on a 3 x 3 product."""
    global _compiled
    if _compiled:
        return
    progress("compile", 0, 1)
    operand, config = Operand.of(np.ones((3, 3))), OuterSpaceConfig()
    out = row_lengths(multiply(operand, operand), 3)
    run_events(plan_phases(operand, operand, out, config), config)
    _compiled = True
    progress("compile", 1, 1)


def _counted(a: Operand, b: Operand, product_nnz: int, run: OuterSpaceRun, config: OuterSpaceConfig) -> Counted:
    return Counted(
        bursts=run.bursts,
        burst_bytes=config.dram.burst_bytes,
        product_nnz=product_nnz,
        multiplications=int(np.diff(b.indptr)[a.indices].sum()),
        tree_elements=None,
        ledger_cycles={name: float(sum(ledger.values())) for name, ledger in run.ledgers.items()},
    )


def _record(
    totals: figures.Totals,
    run: OuterSpaceRun,
    config: OuterSpaceConfig,
    *,
    seed: int | None,
    wall_s: WallSeconds,
    matrix: MatrixRecord,
) -> SimulationResult:
    cycles, table = run.cycles, EnergyTable.load()
    useful = figures.dram_bytes(totals)
    actions = figures.action_counts(totals, useful.total)
    energy = EnergyRecord(**table.energy_j(actions))
    seconds = cycles / config.clock_hz
    flops = 2 * totals.products - totals.product
    return SimulationResult(
        seed=seed,
        wall_s=wall_s,
        matrix=matrix,
        config=config.model_dump(mode="json"),
        accelerator="outerspace",
        model="event",
        cycles=cycles,
        seconds=seconds,
        multiplications=totals.products,
        output_nnz=totals.product,
        flops=flops,
        gflops=flops / seconds / 1e9 if cycles else 0.0,
        condensed_columns=None,
        merge_rounds=None,
        first_round_ways=None,
        dram_bytes=useful,
        channel_bytes=totals.bursts * config.dram.burst_bytes,
        ideal_dram_bytes=ELEMENT_BYTES * (totals.a + totals.b + totals.product),
        bandwidth_utilization=useful.total / (cycles * config.peak_bytes_per_cycle) if cycles else 0.0,
        prefetch=None,
        bounds_cycles=figures.bounds_cycles(totals, config),
        units={name: whole_cycles(ledger, cycles) for name, ledger in run.ledgers.items()},
        actions=actions,
        energy_j=energy,
        power_w=energy.total / seconds if cycles else 0.0,
        area_mm2=table.area_mm2(config.multiply_pes),
        events=run.events,
    )
