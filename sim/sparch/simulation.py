"""`simulate`: one sparse product on one SpArch machine, from operands to an audited and verified result.

Order of work: compile what is not compiled (on a tiny product, so that no time below contains it), plan, run one of the
two timing models, derive the figures, audit them, compare the product with SciPy's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sim.audit import Counted, audit
from sim.errors import ConfigError, nearest
from sim.result import (
    EnergyRecord,
    MatrixRecord,
    OperandRecord,
    SimulationResult,
    SimulationTrace,
    UnitCycles,
    WallSeconds,
)
from sim.sparch import figures
from sim.sparch.config import SpArchConfig, validate_config
from sim.sparch.operand import Operand
from sim.sparch.plan import Plan, crowded_share, make_plan
from sim.sparch.product import SparseRows
from sim.sparch.round_work import ELEMENT_BYTES

Model = Literal["event", "cycle"]
MODELS: tuple[Model, ...] = ("event", "cycle")
SHALLOW = "use the cycle model: a node FIFO holds less than two merger widths"
CROWDED = "use the cycle model: most rows of the product ask for more lines than a third of the row buffer holds"
Progress = Callable[[str, int, int], None]
"""Told a stage (compile, plan, event, cycle or verify), steps done, steps in total."""

_compiled: set[tuple[object, ...]] = set()


@dataclass(frozen=True)
class _Timed:
    """What a timing model gives back, in the terms of the result."""

    cycles: int
    units: dict[str, UnitCycles]
    counted: Counted
    product: SparseRows
    events: int
    trace: SimulationTrace | None


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def simulate(
    a: Any,
    b: Any = None,
    *,
    config: SpArchConfig | None = None,
    model: Model = "event",
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

    Operands are anything that SciPy turns into CSR. `name`, `sha256`, `seed` and `load_s` (seconds spent on loading)
    are only written into the result. `trace` keeps the time line (event model only).
    Raises WorkloadError (operands), ConfigError (settings), InvariantError (the simulator contradicts itself or SciPy).
    """
    config = config or SpArchConfig()
    check_model(model, trace)
    left, right, b_name, b_sha256 = operand_pair(a, b, name, b_name, sha256, b_sha256)
    _compile(config, model, progress)
    begin = time.perf_counter()
    plan = make_plan(left, right, config, progress=lambda done, total: progress("plan", done, total))
    timed = _run_events(plan, trace, progress) if model == "event" else _run_cycles(plan, progress)
    simulate_s = time.perf_counter() - begin
    result = _record(
        plan,
        timed,
        model=model,
        seed=seed,
        wall_s=WallSeconds(load=load_s, simulate=simulate_s),
        matrix=matrix_record(left, right, name, sha256, b_name, b_sha256),
    )
    del plan
    audit(result, timed.counted)
    if verify:
        result = verified(result, left, right, timed.product, progress)
    rows, shape = timed.product, (left.rows, right.cols)
    return result.with_companions(lambda: product_csr(rows, shape), timed.trace, rows)


def product_csr(rows: SparseRows, shape: tuple[int, int]) -> Any:
    """The product as a ``csr_array`` with sorted columns; entries that cancelled to zero stay stored."""
    import scipy.sparse as sp

    wide = max(rows.nnz, shape[1]) >= 2**31
    lengths = np.zeros(shape[0] + 1, np.int64 if wide else np.int32)
    lengths[rows.rows.astype(np.int64) + 1] = np.diff(rows.start)
    indptr = np.cumsum(lengths, dtype=lengths.dtype)
    product = sp.csr_array((rows.data.copy(), rows.indices.astype(indptr.dtype), indptr), shape=shape)
    product.sort_indices()
    return product


def check_model(model: str, trace: bool = False) -> None:
    """Raises ConfigError for a model that there is not, or that keeps no time line where one is asked for."""
    if model not in MODELS:
        raise ConfigError(f"unknown model {model!r}; choose from {', '.join(MODELS)}{nearest(model, MODELS)}")
    if trace and model != "event":
        raise ConfigError(f"model {model!r} keeps no time line; nearest: event")


def operand_pair(
    a: Any, b: Any, name: str, b_name: str, sha256: str | None, b_sha256: str | None
) -> tuple[Operand, Operand, str, str | None]:
    """Both operands, with the name and hash of the second: itself or its transpose where `b` is None."""
    left = a if isinstance(a, Operand) else Operand.of(a, name)
    if b is not None:
        right = left if b is a else b if isinstance(b, Operand) else Operand.of(b, b_name)
        return left, right, b_name, b_sha256
    if left.rows == left.cols:
        return left, left, name, sha256
    return left, Operand.of(left.scipy().T.tocsr(), name), f"{name}ᵀ", None


def matrix_record(
    a: Operand, b: Operand, name: str, sha256: str | None, b_name: str, b_sha256: str | None
) -> MatrixRecord:
    """The operands in the terms of the result."""
    other = None
    if not _same(a, b):
        other = OperandRecord(name=b_name, rows=b.rows, cols=b.cols, nnz=b.nnz, sha256=b_sha256)
    return MatrixRecord(name=name, rows=a.rows, cols=a.cols, nnz=a.nnz, sha256=sha256, b=other)


def _same(a: Operand, b: Operand) -> bool:
    if a is b:
        return True
    return (a.rows, a.cols) == (b.rows, b.cols) and all(
        np.array_equal(getattr(a, part), getattr(b, part)) for part in ("indptr", "indices", "data")
    )


def _compile(config: SpArchConfig, model: Model, progress: Progress) -> None:
    """Once a process and kind of run: compile the kernels, or load what was compiled, on a 3 x 3 product."""
    prefetch, schedule = config.prefetch, config.schedule
    kind = (model, config.condensing, prefetch.policy, prefetch.keep_between_rounds, schedule.leaf_weight)
    if kind in _compiled:
        return
    progress("compile", 0, 1)
    small = SpArchConfig().model_dump()
    small["condensing"] = config.condensing
    small["merge_tree"]["ways"] = 2
    small["prefetch"]["policy"] = prefetch.policy
    small["prefetch"]["keep_between_rounds"] = prefetch.keep_between_rounds
    small["schedule"]["leaf_weight"] = schedule.leaf_weight
    operand = Operand.of(np.ones((3, 3)))
    plan = make_plan(operand, operand, validate_config(small))
    if model == "event":
        _run_events(plan, False, _silent)
    else:
        _run_cycles(plan, _silent)
    _compiled.add(kind)
    progress("compile", 1, 1)


def _run_events(plan: Plan, trace: bool, progress: Progress) -> _Timed:
    from sim.sparch.machine import run_events

    run = run_events(plan, keep_slices=trace, progress=lambda done, total: progress("event", done, total))
    ledgers = {name: ledger.cycles for name, ledger in run.ledgers.items()}
    line = None
    if trace:
        line = SimulationTrace({name: ledger.slices or [] for name, ledger in run.ledgers.items()}, run.counters)
    return _Timed(
        cycles=run.cycles,
        units=figures.unit_rows(ledgers, run.layer_busy, run.cycles),
        counted=_counted(plan, run.bursts, plan.product, ledgers),
        product=plan.product,
        events=run.events,
        trace=line,
    )


def _run_cycles(plan: Plan, progress: Progress) -> _Timed:
    from sim.sparch.cycle_run import run_cycles

    run = run_cycles(plan, progress=lambda done, total: progress("cycle", done, total))
    return _Timed(
        cycles=run.cycles,
        units=figures.unit_rows(run.ledgers, (), run.cycles),
        counted=_counted(plan, sum(run.bursts.values()), run.product, run.ledgers, int(run.layer_in.sum())),
        product=run.product,
        events=0,
        trace=None,
    )


def _counted(
    plan: Plan, bursts: int, product: SparseRows, ledgers: dict[str, Any], tree_elements: int | None = None
) -> Counted:
    return Counted(
        bursts=bursts,
        burst_bytes=plan.config.dram.burst_bytes,
        product_nnz=product.nnz,
        multiplications=int(np.diff(plan.b.indptr)[plan.a.indices].sum()),
        tree_elements=tree_elements,
        ledger_cycles={name: float(sum(ledger.values())) for name, ledger in ledgers.items()},
    )


def _record(
    plan: Plan, timed: _Timed, *, model: Model, seed: int | None, wall_s: WallSeconds, matrix: MatrixRecord
) -> SimulationResult:
    from sim.sparch.energy import EnergyTable

    config, cycles = plan.config, timed.cycles
    totals = figures.PlanTotals.of(plan)
    useful = figures.dram_bytes(totals, config)
    actions = figures.action_counts(totals, useful.total, config)
    energy = EnergyRecord(**EnergyTable.load().energy_j(actions))
    seconds = cycles / config.clock_hz
    flops = 2 * totals.products - totals.product
    peak_bytes = cycles * config.dram.channels * config.dram.bytes_per_cycle
    return SimulationResult(
        seed=seed,
        wall_s=wall_s,
        matrix=matrix,
        config=config.model_dump(mode="json"),
        accelerator="sparch",
        model=model,
        cycles=cycles,
        seconds=seconds,
        multiplications=totals.products,
        output_nnz=totals.product,
        flops=flops,
        gflops=flops / seconds / 1e9 if cycles else 0.0,
        condensed_columns=plan.condensed_columns,
        merge_rounds=len(plan.rounds),
        first_round_ways=int(plan.rounds[0].inputs.leaves.size) if plan.rounds else 0,
        dram_bytes=useful,
        channel_bytes=totals.bursts * config.dram.burst_bytes,
        ideal_dram_bytes=ELEMENT_BYTES * (plan.a.nnz + plan.b.nnz + totals.product),
        bandwidth_utilization=useful.total / peak_bytes if cycles else 0.0,
        prefetch=figures.prefetch_record(totals),
        bounds_cycles=figures.bounds_cycles(totals, config),
        units=timed.units,
        actions=actions,
        energy_j=energy,
        power_w=energy.total / seconds if cycles else 0.0,
        area_mm2=figures.area_mm2(config),
        events=timed.events,
        flags=event_flags(plan) if model == "event" else (),
    )


def event_flags(plan: Plan) -> tuple[str, ...]:
    """Why the event model is out of its depth on this machine and workload, if it is."""
    flags = [SHALLOW] if plan.config.shallow_fifos else []
    if crowded_share(plan) > 0.45:
        flags.append(CROWDED)
    return tuple(flags)


def verified(
    result: SimulationResult, a: Operand, b: Operand, product: SparseRows, progress: Progress
) -> SimulationResult:
    """The result with what comparing its product with SciPy's found. Raises InvariantError where they differ."""
    from sim.verify import verify

    progress("verify", 0, 1)
    outcome = verify(a, b, product)
    progress("verify", 1, 1)
    wall_s = result.wall_s.model_copy(update={"scipy": outcome.scipy_s, "verify": outcome.compare_s})
    found = {"wall_s": wall_s, "verified": True, "max_relative_error": outcome.max_relative_error}
    return result.model_copy(update=found)
