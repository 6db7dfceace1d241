"""`simulate`: bytes by the formula, verified products, time by hand and in order, whatever the matrix."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InvariantError, WorkloadError
from sim.outerspace import load_config, simulate
from sim.outerspace.calibration import Timing
from sim.result import SimulationResult
from sim.sparch import simulate as simulate_sparch


def random_matrix(rows: int, cols: int, density: float, seed: int) -> Any:
    """Mixed signs."""
    rng = np.random.default_rng(seed)
    return sp.csr_array(rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < density))


def structural(a: Any, b: Any) -> tuple[int, int]:
    """Multiplications and entries of the pattern product, from SciPy alone."""
    ones = [sp.csr_array((np.ones(m.nnz), m.indices, m.indptr), shape=m.shape) for m in (a, b)]
    product = ones[0] @ ones[1]
    return round(product.sum()), product.nnz


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.floats(0, 1), st.integers(0, 1000))
def test_bytes_are_the_formula(rows: int, inner: int, cols: int, density: float, seed: int) -> None:
    a, b = random_matrix(rows, inner, density, seed), random_matrix(inner, cols, density, seed + 1)
    result = simulate(a, b)
    mult, nnz = structural(a, b)
    moved = result.dram_bytes
    assert moved.total == 12 * (a.nnz + b.nnz + 2 * mult + nnz)
    assert (moved.a_read, moved.b_read) == (12 * a.nnz, 12 * b.nnz)
    assert (moved.partial_read, moved.partial_write, moved.c_write) == (12 * mult, 12 * mult, 12 * nnz)
    assert (result.multiplications, result.output_nnz, result.flops) == (mult, nnz, 2 * mult - nnz)
    assert result.verified is True
    assert result.channel_bytes % 64 == 0


@pytest.mark.parametrize(
    "matrix",
    [sp.csr_array((0, 0)), sp.csr_array((0, 3)), sp.csr_array((5, 5)), np.array([[3.0]]), np.ones((3, 7)),
     np.triu(np.ones((40, 40))), sp.csr_array((np.zeros(1), ([0], [0])), shape=(1, 1))],
    ids=["0 x 0", "0 x 3", "no entries", "1 x 1", "rectangular", "triangle", "explicit zero"],
)  # fmt: skip
def test_unusual_matrices(matrix: Any) -> None:
    result = simulate(matrix)
    assert result.verified is True
    assert SimulationResult.from_json(result.to_json()) == result
    expected = sp.csr_array(matrix)
    expected = expected @ (expected if expected.shape[0] == expected.shape[1] else expected.T)
    assert result.product.toarray() == pytest.approx(expected.toarray())


def test_one_by_one_takes_five_requests_and_two_tasks() -> None:
    """Multiply: read A, read B, write the partial row. Merge: read it, write C."""
    result = simulate(np.array([[2.0]]))
    timing = Timing.load()
    assert result.cycles == 5 * timing.request_cycles + 2 * timing.task_cycles
    assert result.seconds == pytest.approx(result.cycles / 1.5e9)
    assert result.channel_bytes == 5 * 64
    assert result.bounds_cycles.model_dump() == {"bandwidth": 4, "multiply": 1, "merge": 1}


def test_one_element_on_one_channel_waits_for_its_bytes() -> None:
    """Without latency in the tasks only the channel is left: 5 blocks of 12 cycles, and 180 of a read's way each."""
    alone = {"pes.tiles": 1, "pes.per_tile": 1, "pes.merge_per_tile": 1, "dram.channels": 1}
    fast = {"latency.request_cycles": 0, "latency.task_cycles": 0}
    config = load_config(settings={**alone, **fast})
    assert simulate(np.array([[2.0]]), config=config).cycles == 3 * 12 + 2 * 12 + 2 * 180


def test_what_has_no_meaning_is_null() -> None:
    record = simulate(np.eye(3)).to_dict()
    for name in ("condensed_columns", "merge_rounds", "first_round_ways", "prefetch"):
        assert record[name] is None
    assert (record["accelerator"], record["model"], record["schema"]) == ("outerspace", "event", "hwloop.simulation/1")
    assert record["energy_j"]["crossbar"] > 0
    assert simulate_sparch(np.eye(3)).to_dict()["energy_j"]["crossbar"] is None


def test_states_of_each_unit_sum_to_the_cycles() -> None:
    result = simulate(random_matrix(300, 300, 0.05, 3))
    assert set(result.units) == {"multiply_pes", "merge_pes", "dram_channels"}
    assert all(unit.total == result.cycles for unit in result.units.values())
    phases = result.units["multiply_pes"], result.units["merge_pes"]
    assert abs(sum(result.cycles - unit.idle for unit in phases) - result.cycles) <= 2
    assert result.cycles >= max(result.bounds_cycles.model_dump().values())


def test_product_of_the_other_accelerator_is_used() -> None:
    a = random_matrix(60, 60, 0.1, 5)
    other = simulate_sparch(a)
    alone = simulate(a)
    for given_product in (other.product_rows, other.product):
        result = simulate(a, product=given_product)
        assert result.verified is True
        assert (result.cycles, result.dram_bytes, result.actions) == (alone.cycles, alone.dram_bytes, alone.actions)


def test_wrong_product_is_found() -> None:
    a = random_matrix(20, 20, 0.3, 6)
    rows = simulate(a).product_rows
    with pytest.raises(InvariantError, match="verification"):
        simulate(a, product=dataclasses.replace(rows, data=rows.data * 1.001))
    with pytest.raises(WorkloadError, match="3 x 3, not 20 x 20"):
        simulate(a, product=sp.csr_array(np.eye(3)))
    with pytest.raises(WorkloadError, match="has row 19"):
        simulate(a[:5], sp.csr_array(a), product=rows)


def test_operands_that_do_not_fit() -> None:
    with pytest.raises(WorkloadError, match=r"do not multiply|B needs"):
        simulate(np.ones((2, 3)), np.ones((2, 3)))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dram.channels", (1, 2, 4, 8, 16, 32)),
        ("pes.tiles", (1, 2, 4, 8, 16, 32)),
        ("pes.per_tile", (8, 16, 32)),
        ("pes.merge_per_tile", (1, 2, 4, 8, 16)),
        ("l0.bytes", (64, 256, 1024)),
    ],
)
def test_more_is_never_slower(name: str, values: tuple[int, ...]) -> None:
    """On rows of one length, so that dealing in turn is even; the last turn may round by a task of some 100."""
    a = sp.csr_array(sp.diags_array([1.0] * 24, offsets=[7 * i for i in range(24)], shape=(2048, 2048)))
    base = {"latency.request_cycles": 0} if name == "dram.channels" else {}  # so that bandwidth counts
    configs = [load_config(settings={**base, name: value}) for value in values]
    cycles = [simulate(a, config=config, verify=False).cycles for config in configs]
    assert all(later <= earlier * 1.01 for earlier, later in itertools.pairwise(cycles))
    assert cycles[0] > cycles[-1]


def test_bandwidth_is_the_limit_without_latency() -> None:
    a = random_matrix(400, 400, 0.1, 7)
    config = load_config(settings={"latency.request_cycles": 0, "latency.task_cycles": 0, "pes.merge_heads": 2})
    result = simulate(a, config=config)
    bound = result.bounds_cycles.bandwidth
    assert bound <= result.cycles <= 1.25 * bound + 1000


def test_results_settle_as_blocks_shrink() -> None:
    a = random_matrix(1500, 1500, 0.01, 8)
    cycles = [simulate(a, config=load_config(settings={"event.blocks": n}), verify=False).cycles for n in (4, 32, 256)]
    assert cycles[1] == pytest.approx(cycles[2], rel=0.01)
    assert cycles[0] == pytest.approx(cycles[2], rel=0.03)


def test_repeatable_and_silent_about_nothing() -> None:
    a = random_matrix(50, 50, 0.2, 9)
    stages: list[tuple[str, int, int]] = []
    first = simulate(a, progress=lambda *step: stages.append(step), trace=True)
    again = simulate(a)
    assert first.cycles == again.cycles
    assert [stage for stage in ("plan", "event", "verify") if stage in {name for name, _, _ in stages}] == [
        "plan", "event", "verify",
    ]  # fmt: skip
    assert again.trace is None


def test_time_line_covers_the_run_without_overlap() -> None:
    result = simulate(random_matrix(200, 200, 0.1, 10), trace=True)
    assert result.trace is not None
    assert len(result.trace.slices) == 16
    for slices in result.trace.slices.values():
        assert all(begin < end for _, begin, end in slices)
        assert all(one[2] <= two[1] + 1e-6 for one, two in itertools.pairwise(slices))
        assert slices[-1][2] <= result.cycles
    (samples,) = result.trace.counters.values()
    assert [when for when, _ in samples] == sorted(when for when, _ in samples)
