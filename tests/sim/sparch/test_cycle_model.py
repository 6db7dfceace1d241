"""Whole rounds of the cycle model against times worked out by hand.

The published machine moves a burst of 32 B in 4 cycles and answers a read 100 cycles later. A cycle of the model runs
writer, layers from the root, multipliers, column fetchers, prefetcher, partial fetcher: data pushed in one cycle moves
on in the next, and a request goes out in the cycle in which its unit learns of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cycle_bench import PLAIN, Bench

from sim.errors import InvariantError
from sim.sparch.config import SpArchConfig
from sim.sparch.cycle_model import run_round
from sim.sparch.cycle_run import run_cycles
from sim.sparch.cycle_state import A_ISSUED, LOOKUP_Q, PUSHED, WRITE_END, WRITTEN, units
from sim.sparch.machine import run_events
from sim.sparch.operand import Operand
from sim.sparch.plan import make_plan

BURST, LATENCY, MULTIPLY, LAYERS = 4, 100, 1, 6
ONE = np.array([[3.0]])


def test_one_by_one_from_term_to_term() -> None:
    bench = Bench(ONE, ONE)
    a_there = BURST + LATENCY  # asked for in cycle 0
    b_there = a_there + BURST + LATENCY  # looked up, and missed, in the cycle in which A is there
    root = b_there + LAYERS  # multiplied in cycle b_there, then one layer a cycle
    written = root + 1 + BURST  # the writer sees it one cycle after the root passed it
    assert written == 219

    assert bench.scalar(A_ISSUED, 0) == 1
    assert bench.scalar(LOOKUP_Q, a_there - 1) == 0
    assert bench.scalar(LOOKUP_Q, a_there) == 1
    leaf = bench.machine.ways
    assert bench.after(b_there - 1).held[leaf] == 0
    assert bench.after(b_there).held[leaf] == 1
    for layer in range(LAYERS):
        assert bench.after(b_there + layer).layer_in.sum() == layer
        assert bench.scalar(PUSHED, b_there + layer) == 0
    assert bench.after(root).layer_in.tolist() == [1] * LAYERS
    assert bench.scalar(PUSHED, root) == 1
    assert bench.scalar(WRITTEN, root) == 0
    assert bench.scalar(WRITTEN, root + 1) == 1
    assert bench.state.s[WRITE_END] == written
    bench.after(written - 2)
    assert not bench.done
    bench.after(written - 1)  # the last cycle of the burst
    assert bench.done
    assert bench.now == bench.cycles == written
    assert bench.state.out_value[0] == 9.0


def test_one_by_one_ledger() -> None:
    bench = Bench(ONE, ONE)
    bench.end()
    ledger = dict(zip(units(LAYERS), bench.state.ledger.tolist(), strict=True))
    # busy, starved, blocked, memory, idle
    assert ledger["column_fetchers"] == [1, 0, 0, 0, 218]
    assert ledger["prefetcher"] == [1, 104, 0, 0, 114]
    assert ledger["multipliers"] == [1, 105, 0, 103, 10]  # until the look-up it does not know of the line
    assert ledger["partial_fetcher"] == [0, 0, 0, 0, 219]
    assert ledger["writer"] == [1, 215, 0, 0, 3]
    for layer in range(LAYERS):
        assert ledger[f"merge_layer_{layer + 1}"] == [1, 209 + layer, 0, 0, 9 - layer]


@pytest.mark.parametrize(
    ("settings", "cycles"),
    [
        ({"dram__latency_cycles": 0}, 219 - 2 * 100),
        ({"dram__latency_cycles": 101}, 219 + 2),
        ({"dram__latency_cycles": 257}, 219 + 2 * 157),
        ({"merge_tree__ways": 128}, 219 + 1),
        ({"merge_tree__ways": 2}, 219 - 5),
        ({"dram__bytes_per_cycle": 32}, 219 - 3 * 3),
        ({"dram__bytes_per_cycle": 31}, 219 - 3 * 2),  # the last byte takes a cycle of its own
        ({"dram__burst_bytes": 64}, 219 + 3 * 4),
        ({"dram__gap_cycles": 3}, 219 + 3 * 3),
        ({"dram__burst_bytes": 8}, 219 - 3 * 3),  # 12 B are two bursts of one cycle, in two channels
        ({"dram__burst_bytes": 8, "dram__channels": 1}, 219 - 3 * 2),  # one after the other
        ({"dram__count_row_pointers": True}, 219),  # the pointer comes from another channel
        ({"dram__count_row_pointers": True, "dram__channels": 1}, 219 + BURST),
        ({"multipliers__lanes": 1, "multipliers__groups": 1}, 219),
        ({"merge_tree__width": 1, "merge_tree__fifo_depth": 2}, 219),
        ({"prefetch__policy": "none"}, 219),
        ({"condensing": False}, 219),
    ],
)
def test_one_by_one_on_other_machines(settings: dict[str, Any], cycles: int) -> None:
    assert Bench(ONE, ONE, **settings).cycles == cycles


EIGHTY_THERE = (BURST + LATENCY) + (2 * BURST + LATENCY)
"""Two lines of 18 + 12 bursts on 16 channels: some channel has two of them to move."""


@pytest.mark.parametrize(("groups", "multiplying"), [(1, 10), (2, 5), (4, 3)])
def test_row_of_eighty(groups: int, multiplying: int) -> None:
    """80 elements of B are 10 chunks of 8 lanes, for one group as for several."""
    bench = Bench(ONE, np.ones((1, 80)), multipliers__groups=groups)
    assert int(bench.plan.rounds[0].counts.slots.sum()) == 10
    bench.after(EIGHTY_THERE - 1)
    assert bench.state.ledger[2, 0] == 0
    bench.after(EIGHTY_THERE + multiplying - 1)
    assert bench.state.ledger[2, 0] == multiplying
    assert bench.state.place[0] == 1
    bench.end()
    assert bench.state.ledger[2, 0] == multiplying


def test_row_of_eighty_comes_out_by_eights() -> None:
    bench = Bench(ONE, np.ones((1, 80)), multipliers__groups=1)
    for chunk in range(10):
        assert bench.scalar(PUSHED, EIGHTY_THERE + LAYERS + chunk) == 8 * (chunk + 1)
    # the last of the 30 bursts are written as soon as the root is done, in channels that have been free for long
    assert bench.end() == EIGHTY_THERE + 10 + LAYERS + BURST


@pytest.mark.parametrize("groups", [2, 4])
def test_row_of_eighty_comes_out_by_sixteens(groups: int) -> None:
    """Two groups fill the width of a merger, and more of them bring nothing."""
    bench = Bench(ONE, np.ones((1, 80)), multipliers__groups=groups)
    for chunk in range(5):
        assert bench.scalar(PUSHED, EIGHTY_THERE + LAYERS + chunk) == 16 * (chunk + 1)
    # bursts 11 to 13 are written with the third chunk of 16, and the last ones, 27 to 29, queue behind them
    third_chunk = EIGHTY_THERE + LAYERS + 2
    assert bench.end() == third_chunk + 1 + 2 * BURST


def test_equal_keys_are_added_at_the_root_and_the_second_round_follows() -> None:
    """1 x 3 times 3 x 1 with two ways: columns 0 and 1 first, then column 2 and their sum."""
    bench = Bench(np.ones((1, 3)), np.ones((3, 1)), merge_tree__ways=2, partials__element_bytes=16)
    first_look_up = BURST + LATENCY
    second_line = first_look_up + 2 * BURST + LATENCY  # rows 0 and 1 of B lie in one burst, read twice
    first_round = second_line + 1 + 1 + BURST  # merge, write
    assert first_round == 218
    assert int(bench.plan.rounds[0].counts.out.sum()) == 1
    # second round: the partial matrix and A come together, then one line of B that touches two channels
    merge_partial = BURST + LATENCY + 1
    assert bench.scalar(PUSHED, merge_partial - 1) == 0
    assert bench.scalar(PUSHED, merge_partial) == 1
    second_round = 2 * (BURST + LATENCY) + 1 + 1 + BURST
    assert bench.end() == second_round
    assert bench.cycles == first_round + second_round
    assert bench.state.out_value[0] == 3.0


def test_node_with_the_least_key_goes_first() -> None:
    """Four products at once, keys 3, 5 | 0, 1: the right node of the first layer goes before the left one."""
    b = np.zeros((4, 6))
    b[[0, 1, 2, 3], [3, 5, 0, 1]] = 1
    plain = {key.replace(".", "__"): value for key, value in PLAIN.items()}
    bench = Bench(np.ones((1, 4)), b, merge_tree__ways=4, multipliers__groups=4, **plain)
    multiplied = 2 * (1 + 50)
    assert bench.after(multiplied - 1).held[4:8].tolist() == [0, 0, 0, 0]
    assert bench.after(multiplied).held[4:8].tolist() == [1, 1, 1, 1]
    # a leaf FIFO that runs empty ends the cycle of its merger: what it can still bring is known in the next
    state = bench.after(multiplied + 1)
    assert (state.held[2], state.held[3]) == (0, 1)
    state = bench.after(multiplied + 2)  # the root is sure of 0: the left input announces 3
    assert (state.held[2], state.held[3], state.s[PUSHED]) == (0, 1, 1)
    state = bench.after(multiplied + 3)
    assert (state.held[2], state.held[3], state.s[PUSHED]) == (1, 0, 2)
    state = bench.after(multiplied + 4)
    assert (state.held[2], state.held[3], state.s[PUSHED]) == (1, 0, 3)
    assert bench.scalar(PUSHED, multiplied + 5) == 4
    assert bench.state.s[WRITTEN] == 2  # the third element could still have been added to
    assert bench.end() == multiplied + 6 + 1
    assert bench.state.out_key.tolist() == [0, 1, 3, 5]


def test_rounds_of_nothing() -> None:
    for shape in ((0, 0), (4, 4)):
        empty = Operand.of(np.zeros(shape))
        plan = make_plan(empty, empty, SpArchConfig())
        assert (run_cycles(plan).cycles, run_events(plan).cycles) == (0, 0)


def test_product_of_nothing_still_reads_a() -> None:
    """A is read and every row of B that it names is empty."""
    a, b = Operand.of(np.array([[1.0, 0.0], [0.0, 0.0]])), Operand.of(np.array([[0.0, 0.0], [1.0, 0.0]]))
    plan = make_plan(a, b, SpArchConfig())
    run = run_cycles(plan)
    assert run.bursts == {"a": 1, "b": 0, "partial": 0, "out": 0}
    assert run.cycles == BURST + 1 + LATENCY + 1  # with the gap; looked up in the cycle in which it is there
    assert run.product.nnz == 0
    assert run_events(plan).bursts == 1


def test_wrong_count_is_an_error() -> None:
    bench = Bench(ONE, ONE)
    with pytest.raises(InvariantError, match="passed 1 elements, 2 were expected"):
        run_round(bench.machine, bench.streams, np.zeros(16, np.int64), 2, 0, lambda _: None)


def test_busy_channels_delay_the_round() -> None:
    bench = Bench(ONE, ONE)
    free = np.zeros(16, np.int64)
    free[0] = 30  # the channel of A
    assert run_round(bench.machine, bench.streams, free, 1, 0, lambda _: None).end == 219 + 30
    assert run_round(bench.machine, bench.streams, np.zeros(16, np.int64), 1, 1000, lambda _: None).end == 1219


def test_one_cycle_at_a_time_is_the_same_run() -> None:
    rng = np.random.default_rng(3)
    a = (rng.random((12, 12)) < 0.4) * 1.0
    whole, steps = Bench(a, a, merge_tree__ways=4), Bench(a, a, merge_tree__ways=4)
    whole.after(1_000_000)
    cycle = 0
    while not steps.done:
        steps.after(cycle)
        cycle += 1
    assert steps.now == whole.now
    for one, other in zip(steps.state, whole.state, strict=True):
        assert (one == other).all()
