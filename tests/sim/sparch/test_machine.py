"""The event model: its engine's bookkeeping, bounds, and what each setting does to the cycles."""

from __future__ import annotations

import gc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from sim.events import STATES
from sim.sparch.config import SpArchConfig, load_config
from sim.sparch.cycle_run import run_cycles
from sim.sparch.machine import UNITS, run_events
from sim.sparch.operand import Operand
from sim.sparch.plan import Plan, make_plan
from sim.sparch.product import RoundCounts
from sim.sparch.tree_rate import ahead_cycles, layer_cycles

ONE = Operand.of(np.array([[3.0]]))


def planned(matrix: Any, **settings: Any) -> Plan:
    a = Operand.of(matrix)
    return make_plan(a, a, load_config(settings={key.replace("__", "."): value for key, value in settings.items()}))


@pytest.fixture(scope="module")
def mesh() -> Any:
    """2500 rows of a two-dimensional mesh: one round."""
    line = sp.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(50, 50))
    return sp.csr_array(sp.kron(line, line))


@pytest.fixture(scope="module")
def skewed() -> Any:
    """600 rows with a heavy tail: many condensed columns."""
    rng = np.random.default_rng(7)
    degrees = np.minimum((rng.pareto(1.2, 600) + 1) * 3, 300).astype(int)
    row = np.repeat(np.arange(600), degrees)
    return sp.csr_array((np.ones(row.size), (row, rng.integers(0, 600, row.size))), shape=(600, 600))


@pytest.mark.parametrize("matrix", ["mesh", "skewed"])
@pytest.mark.parametrize("ways", [8, 64])
def test_bookkeeping(matrix: str, ways: int, request: pytest.FixtureRequest) -> None:
    plan = planned(request.getfixturevalue(matrix), merge_tree__ways=ways)
    calls: list[tuple[int, int]] = []
    run = run_events(plan, keep_slices=True, progress=lambda *call: calls.append(call))
    assert set(run.ledgers) == {*UNITS, "merge_tree"}
    for name, ledger in run.ledgers.items():
        assert sum(ledger.cycles.values()) == pytest.approx(run.cycles), name
        assert set(ledger.cycles) == set(STATES)
        assert ledger.slices is not None
        assert sum(end - begin for _, begin, end in ledger.slices) == pytest.approx(run.cycles)
        assert all(one[2] == other[1] for one, other in pairwise(ledger.slices)), name
        for state in STATES:
            held = sum(end - begin for kind, begin, end in ledger.slices if kind == state)
            assert held == pytest.approx(ledger.cycles[state]), (name, state)
    assert run.round_ends[-1] == run.cycles
    assert run.round_ends == sorted(set(run.round_ends))
    assert calls == [(one + 1, len(plan.rounds)) for one in range(len(plan.rounds))]
    traffic = [one.traffic for one in plan.rounds]
    assert run.bursts == sum(
        int(one.a_loads.sum() + one.b_loads.sum() + one.partial_loads.sum() + one.out_loads.sum()) for one in traffic
    )
    entering = sum(one.counts.layer_in.sum(axis=0) for one in plan.rounds)
    np.testing.assert_allclose(run.layer_busy, entering / 16)
    assert run.events > 0


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dram__channels": 1},
        {"multipliers__groups": 1, "multipliers__lanes": 2},
        {"merge_tree__width": 2, "merge_tree__fifo_depth": 16},
        {"merge_tree__ways": 4},
        {"prefetch__policy": "none", "dram__latency_cycles": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("matrix", ["mesh", "skewed"])
def test_never_below_a_bound(matrix: str, settings: dict[str, Any], request: pytest.FixtureRequest) -> None:
    plan = planned(request.getfixturevalue(matrix), **settings)
    config, cycles = plan.config, run_events(plan).cycles
    loads = sum(
        one.traffic.a_loads + one.traffic.b_loads + one.traffic.partial_loads + one.traffic.out_loads
        for one in plan.rounds[:1]
    ).sum(axis=0)
    assert cycles >= loads.max() * config.burst_cycles
    slots = sum(int(one.counts.slots.sum()) for one in plan.rounds)
    assert cycles >= slots / config.multipliers.groups
    assert cycles >= sum(int(one.counts.layer_in.sum(axis=0).max()) for one in plan.rounds) / config.merge_tree.width


def test_same_every_time_and_without_a_trace(skewed: Any) -> None:
    plan = planned(skewed, merge_tree__ways=16)
    one, other, traced = run_events(plan), run_events(plan), run_events(plan, keep_slices=True)
    assert one.cycles == other.cycles == traced.cycles
    assert one.events == other.events
    assert one.round_ends == other.round_ends
    assert one.ledgers["writer"].slices is None


@pytest.mark.parametrize("ways", [2, 64, 128])
@pytest.mark.parametrize("latency", [0, 100, 300])
def test_one_by_one_next_to_the_cycle_model(ways: int, latency: int) -> None:
    """Blocks resolve no single cycle, but one product takes its two reads, one cycle a layer, and a write."""
    config = load_config(settings={"merge_tree.ways": ways, "dram.latency_cycles": latency})
    plan = make_plan(ONE, ONE, config)
    assert abs(run_events(plan).cycles - run_cycles(plan).cycles) <= 4


def test_latency_of_one_product_counts_twice() -> None:
    cycles = [
        run_events(make_plan(ONE, ONE, load_config(settings={"dram.latency_cycles": latency}))).cycles
        for latency in (100, 150, 151)
    ]
    assert cycles[1] - cycles[0] == 2 * 50
    assert cycles[2] - cycles[1] == 2


def test_more_layers_take_a_cycle_each() -> None:
    cycles = [
        run_events(make_plan(ONE, ONE, load_config(settings={"merge_tree.ways": ways}))).cycles for ways in (8, 16, 128)
    ]
    assert (cycles[1] - cycles[0], cycles[2] - cycles[1]) == (1, 3)


def test_bandwidth_of_a_mesh(mesh: Any) -> None:
    """Bound by DRAM: half the channels take about twice as long."""
    times = [run_events(planned(mesh, dram__channels=channels)).cycles for channels in (1, 2, 4)]
    for slow, fast in pairwise(times):
        assert 1.8 < slow / fast < 2.1


def test_multipliers_of_a_skewed_matrix(skewed: Any) -> None:
    settings = {"dram__channels": 64, "merge_tree__ways": 128}
    times = [
        run_events(planned(skewed, multipliers__groups=1, multipliers__lanes=lanes, **settings)).cycles
        for lanes in (1, 2)
    ]
    assert 1.6 < times[0] / times[1] < 2.1


def test_width_of_the_tree(skewed: Any) -> None:
    settings = {"dram__channels": 64, "merge_tree__ways": 128, "merge_tree__fifo_depth": 64}
    times = [run_events(planned(skewed, merge_tree__width=width, **settings)).cycles for width in (1, 2)]
    assert 1.8 < times[0] / times[1] < 2.1


def counts(layer_in: list[list[int]], out: list[int]) -> RoundCounts:
    none = np.zeros(len(out), np.int64)
    own = np.arange(len(out))
    return RoundCounts(none, none, none, none, none, np.array(layer_in), np.array(out), none + 1, own, own, own)


def test_each_layer_of_the_tree_works_at_its_width() -> None:
    config = load_config(settings={"merge_tree.ways": 4, "merge_tree.fifo_depth": 80})
    cycles = layer_cycles(counts([[160, 80], [16, 16], [0, 0]], [48, 16, 0]), config)
    assert cycles.tolist() == [[10.0, 5.0], [1.0, 1.0], [0.0, 0.0]]


def test_layers_work_ahead_of_the_root_as_far_as_their_fifos_hold() -> None:
    config = load_config(settings={"merge_tree.ways": 8, "merge_tree.width": 4, "merge_tree.fifo_depth": 32})
    ahead = ahead_cycles(np.array([8.0, 3.0, 1.0]), config)  # 4, 2 and 1 nodes of 8 cycles each; the root never
    assert ahead.tolist() == [[32.0, 16.0, 0.0], [24.0, 16.0, 0.0], [8.0, 8.0, 0.0]]


def test_tree_of_shallow_fifos_is_slower() -> None:
    def cycles(depth: int) -> float:
        config = load_config(settings={"merge_tree.ways": 4, "merge_tree.fifo_depth": depth})
        return float(layer_cycles(counts([[160, 160]], [160]), config).max())

    assert cycles(80) == 10.0
    assert cycles(1000) == 10.0
    depths = [8, 12, 16, 24, 32, 48, 80]
    assert all(cycles(shallow) > cycles(deep) for shallow, deep in pairwise(depths))
    assert cycles(8) >= 20.0  # eight elements a cycle is what the FIFO of a node holds


def test_nothing_to_do() -> None:
    empty = Operand.of(np.zeros((4, 4)))
    run = run_events(make_plan(empty, empty, SpArchConfig()), keep_slices=True)
    assert (run.cycles, run.bursts, run.round_ends) == (0, 0, [])
    assert all(sum(ledger.cycles.values()) == 0 for ledger in run.ledgers.values())


def test_garbage_collection_is_as_before() -> None:
    plan = make_plan(ONE, ONE, SpArchConfig())
    assert gc.isenabled()
    run_events(plan)
    assert gc.isenabled()
    gc.disable()
    try:
        run_events(plan)
        assert not gc.isenabled()
    finally:
        gc.enable()
