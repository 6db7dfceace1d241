"""Each unit of the cycle model at the cycle before and at the cycle itself, worked out by hand.

Most machines here are `PLAIN`: an element is one burst, a burst one cycle, and a read takes 50 cycles more. What is
asked for in cycle 0 is there in cycle 51.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cycle_bench import PLAIN, Bench

from sim.sparch.cycle_state import A_ISSUED, CHUNK, LOOKUP_Q, OLDEST_X, POOL, PUSHED, RETIRED_X, SERVED, WRITTEN

ONE = np.array([[1.0]])
READ = 1 + 50


def bench(a: Any, b: Any, **settings: Any) -> Bench:
    """On the plain machine with a tree of two ways."""
    plain = {key.replace(".", "__"): value for key, value in PLAIN.items()}
    return Bench(a, b, **{**plain, "merge_tree__ways": 2, **settings})


# column fetchers


@pytest.mark.parametrize("fetchers", [1, 3, 64])
def test_column_fetchers_a_cycle(fetchers: int) -> None:
    one = bench(np.eye(10), np.eye(10), column_fetchers=fetchers)
    for cycle in range(5):
        assert one.scalar(A_ISSUED, cycle) == min(10, fetchers * (cycle + 1))


def test_column_fetchers_wait_for_room_in_the_look_ahead() -> None:
    one = bench(np.eye(8), np.eye(8), lookahead__elements=4, multipliers__groups=1)
    multiplied = 2 * READ
    assert one.scalar(A_ISSUED, 0) == 4
    assert one.scalar(A_ISSUED, multiplied - 1) == 4
    for more in range(4):  # one row is multiplied, and so released, in each cycle
        assert one.scalar(A_ISSUED, multiplied + more) == 5 + more
    assert one.state.ledger[0].tolist() == [1 + 4, 0, multiplied - 1, 0, 0]


def test_column_fetchers_wait_for_their_queue() -> None:
    """One channel, bursts of 4 cycles, one may wait; elements 2, 5, 10 start in one burst and end in the next."""
    row = np.zeros((1, 12)) + 1
    one = Bench(row, np.ones((12, 1)), dram__channels=1, dram__queue_bursts=1)
    reached = {0: 2, 1: 5, 2: 5, 4: 5, 5: 8, 8: 8, 9: 10, 12: 10, 13: 12}
    for cycle, issued in reached.items():
        assert one.scalar(A_ISSUED, cycle) == issued, cycle
    assert one.state.ledger[0].tolist() == [5, 0, 0, 9, 0]


def test_column_fetchers_far_ahead_keep_a_short_queue() -> None:
    """From max(ways, window / 16) waiting elements on, an eighth of the queue: 4 bursts of 4 cycles."""
    one = Bench(np.ones((1, 20)), np.ones((20, 1)), dram__channels=1, merge_tree__ways=32, lookahead__elements=64)
    assert one.plan.config.fetch_watermark == 32
    assert one.scalar(A_ISSUED, 0) == 20  # all below the watermark
    far = Bench(np.eye(20), np.eye(20), dram__channels=1, merge_tree__ways=4, lookahead__elements=64)
    assert far.plan.config.fetch_watermark == 4
    assert far.plan.config.fetch_queue_bursts == 4
    assert far.scalar(A_ISSUED, 0) == 10  # elements 0 to 9 lie in bursts 0 to 3
    assert far.scalar(A_ISSUED, 1) == 13  # one of 16 cycles has passed: room for burst 4
    assert far.scalar(A_ISSUED, 4) == 13
    assert far.scalar(A_ISSUED, 5) == 16


# prefetcher


@pytest.mark.parametrize("fetchers", [1, 2, 5, 16])
def test_look_ups_a_cycle(fetchers: int) -> None:
    one = bench(np.eye(10), np.eye(10), prefetch__fetchers=fetchers)
    assert one.scalar(LOOKUP_Q, READ - 1) == 0
    for cycle in range(4):
        assert one.scalar(LOOKUP_Q, READ + cycle) == min(10, fetchers * (cycle + 1))


def test_look_ups_wait_for_lines() -> None:
    """16 lines: the 17th is asked for in the cycle in which the first row is multiplied."""
    one = bench(np.eye(20), np.eye(20), prefetch__lines=16, prefetch__fetchers=20, multipliers__groups=1)
    # 20 elements of A on 16 channels: the last four pass their channel one cycle later
    assert one.scalar(LOOKUP_Q, READ) == 16
    # B begins in channel 4; the first line is there after another read
    assert one.scalar(RETIRED_X, 2 * READ - 1) == 0
    assert one.scalar(LOOKUP_Q, 2 * READ - 1) == 16
    assert one.scalar(RETIRED_X, 2 * READ) == 1
    assert one.scalar(LOOKUP_Q, 2 * READ) == 17
    assert one.scalar(LOOKUP_Q, 2 * READ + 1) == 18


def test_oldest_row_gets_its_lines_in_any_case() -> None:
    one = bench(ONE, np.ones((1, 40)), prefetch__lines=16, prefetch__line_elements=2, prefetch__fetchers=40)
    assert one.scalar(LOOKUP_Q, READ) == 20


def test_hit_is_there_in_the_next_cycle() -> None:
    """Rows 0 and 1 of A both name row 0 of B; the second look-up comes long after the line."""
    a = np.ones((2, 1))
    one = bench(a, ONE, prefetch__fetchers=1)
    assert one.scalar(LOOKUP_Q, READ) == 1
    assert one.scalar(LOOKUP_Q, READ + 1) == 2
    assert one.state.line_ready.tolist() == [2 * READ, 2 * READ]  # not before the line that it hits
    late = bench(np.ones((20, 1)), ONE, lookahead__elements=4, multipliers__groups=1)
    multiplied = 2 * READ
    assert late.scalar(A_ISSUED, multiplied) == 5
    again = multiplied + READ  # the fifth element has come
    assert late.scalar(LOOKUP_Q, again - 1) == 4
    assert late.scalar(LOOKUP_Q, again) == 5
    assert late.state.line_ready[4] == again + 1
    assert late.scalar(RETIRED_X, again) == 4
    assert late.scalar(RETIRED_X, again + 1) == 5


def test_look_ups_wait_for_their_queue() -> None:
    """One channel and one waiting burst: a miss every cycle, and a line of three bursts every third."""
    one = bench(np.eye(6), np.eye(6), dram__channels=1, dram__queue_bursts=1, column_fetchers=1)
    # element x of A passes in cycle x; it and its line then share the channel no more
    assert one.scalar(A_ISSUED, 3) == 4
    assert one.scalar(LOOKUP_Q, READ - 1) == 0
    for x in range(6):
        assert one.scalar(LOOKUP_Q, READ + x) == x + 1
    three = np.kron(np.eye(6), np.ones((1, 3)))
    one = bench(np.eye(6), three, dram__channels=1, dram__queue_bursts=1, column_fetchers=1)
    for x in range(6):
        assert one.scalar(LOOKUP_Q, READ + 3 * x - 1) == x
        assert one.scalar(LOOKUP_Q, READ + 3 * x) == x + 1


def test_empty_row_of_b_takes_a_look_up_and_nothing_else() -> None:
    b = np.eye(3)
    b[1] = 0
    one = bench(np.ones((3, 3)), b, prefetch__fetchers=1, merge_tree__ways=4)
    assert one.plan.rounds[0].source.size == 6
    for cycle, looked_up in enumerate([1, 1, 2, 3, 3, 4]):
        assert one.scalar(LOOKUP_Q, READ + cycle) == looked_up


# multipliers


def test_full_leaf_fifo_blocks() -> None:
    """FIFO of 8, chunks of 8, a merger of one: half a chunk is the least that is multiplied."""
    one = bench(
        ONE, np.ones((1, 20)), merge_tree__width=1, merge_tree__fifo_depth=8, multipliers__groups=1,
        dram__channels=32,
    )  # fmt: skip
    begin = 2 * READ
    assert one.after(begin - 1).offset[0] == 0
    assert one.after(begin).offset[0] == 8
    assert one.after(begin + 3).offset[0] == 8
    assert one.state.held[2] == 8 - 3
    assert one.after(begin + 4).offset[0] == 12
    assert one.state.held[2] == 8
    assert one.after(begin + 7).offset[0] == 12
    assert one.after(begin + 8).offset[0] == 16
    assert one.state.ledger[2].tolist()[0] == 3
    assert one.after(begin + 12).place[0] == 1  # all 20 done
    assert one.end() == begin + 20 + 1 + 1


@pytest.mark.parametrize(("length", "lanes", "slots"), [(8, 8, 1), (9, 8, 2), (1, 8, 1), (16, 4, 4), (17, 16, 2)])
def test_slots_of_a_row(length: int, lanes: int, slots: int) -> None:
    one = bench(ONE, np.ones((1, length)), multipliers__lanes=lanes, multipliers__groups=1, dram__channels=32)
    assert int(one.plan.rounds[0].counts.slots.sum()) == slots
    one.end()
    assert one.state.ledger[2, 0] == slots


def test_emptiest_leaf_fifo_of_the_oldest_row_first() -> None:
    """Rows of 16 for both inputs, one group: the inputs take turns, and row 1 comes after row 0."""
    one = bench(np.ones((2, 2)), np.ones((2, 16)), multipliers__groups=1, dram__channels=64, merge_tree__fifo_depth=64)
    begin = 2 * READ
    counts = [one.after(begin + cycle).offset[:2].tolist() for cycle in range(4)]
    places = one.after(begin + 3).place[:2].tolist()
    assert counts[:2] == [[8, 0], [8, 8]]
    assert places == [1, 1]


def test_lines_are_released_row_by_row() -> None:
    """A row of two elements: its first one is done before the second, and stays."""
    a = np.array([[1.0, 1.0], [1.0, 0.0]])
    one = bench(a, np.ones((2, 8)), multipliers__groups=1, dram__channels=32)
    begin = 2 * READ
    assert one.scalar(RETIRED_X, begin) == 1
    assert one.state.s[OLDEST_X] == 0  # the row that holds element 1 begins there
    assert one.scalar(RETIRED_X, begin + 1) == 2
    assert one.state.s[OLDEST_X] == 2


# merge tree


@pytest.mark.parametrize("width", [1, 3, 8])
def test_elements_that_a_layer_passes(width: int) -> None:
    one = bench(
        ONE, np.ones((1, 24)), merge_tree__width=width, multipliers__lanes=24, multipliers__groups=1,
        dram__channels=32,
    )  # fmt: skip
    begin = 2 * READ
    assert one.after(begin).held[2] == 24
    for cycle in range(1, 5):
        assert one.scalar(PUSHED, begin + cycle) == min(24, width * cycle)


def test_node_waits_for_the_input_that_may_bring_a_lesser_key() -> None:
    """Column 5 of the one input is known; the other has a row of B on its way that could begin with column 0."""
    b = np.zeros((2, 6))
    b[0, 5] = b[1, 2] = 1
    one = bench(np.ones((1, 2)), b, prefetch__fetchers=1, multipliers__groups=1)
    begin = 2 * READ
    assert one.after(begin).held[2:4].tolist() == [1, 0]
    assert one.after(begin + 1).held[2:4].tolist() == [1, 1]
    assert one.state.s[PUSHED] == 0
    assert one.scalar(PUSHED, begin + 2) == 1  # its FIFO is empty then, which counts from the next cycle on
    assert one.scalar(PUSHED, begin + 3) == 2
    assert one.state.out_key[:2].tolist() == [2, 5]


def test_node_does_not_wait_for_an_input_that_is_further() -> None:
    """The other input announces row 1: row 0 passes."""
    a = np.array([[1.0, 0.0], [1.0, 1.0]])
    one = bench(a, np.eye(2), prefetch__fetchers=1, multipliers__groups=1)
    begin = 2 * READ
    assert one.scalar(PUSHED, begin) == 0
    assert one.scalar(PUSHED, begin + 1) == 1


# writer


def test_bursts_of_the_writer() -> None:
    """12 B a cycle from the root: a burst is there with the 3rd, 6th, 8th element, but the newest may still grow."""
    one = Bench(
        ONE, np.ones((1, 14)), merge_tree__ways=2, merge_tree__width=1, dram__latency_cycles=0, dram__channels=32
    )
    first = next(cycle for cycle in range(100) if one.scalar(PUSHED, cycle) == 1)
    for burst, elements in enumerate((3, 6, 8, 11)):
        seen = first + elements + 1  # pushed in cycle first + elements - 1; a newer one a cycle later; then written
        assert one.scalar(PUSHED, seen - 1) == elements + 1
        assert one.scalar(WRITTEN, seen - 1) == burst
        assert one.scalar(WRITTEN, seen) == burst + 1
        assert one.scalar(SERVED, seen) == (burst + 1) * 32 // 12
    assert one.end() == first + 13 + 1 + 4  # the last bursts, one of them short, as soon as the root is done


def test_full_writer_blocks_the_root() -> None:
    """One channel, a byte a cycle, one burst of 12 B waiting: 1 + 40 + 40 bursts of 12 cycles one after the other."""
    one = Bench(
        ONE, np.ones((1, 40)), merge_tree__ways=2, dram__channels=1, dram__bytes_per_cycle=1, dram__burst_bytes=12,
        dram__queue_bursts=1, partials__fifo_depth=8, dram__latency_cycles=0,
    )  # fmt: skip
    fullest = 0
    while not one.done:
        state = one.after(one.now)
        fullest = max(fullest, int(state.s[PUSHED] - state.s[SERVED]))
    assert fullest == 8
    assert one.state.ledger[5, 2] > 0
    looked_up, line = 12, 40 * 12
    # multiplied when the line is there, merged one cycle later, written from the next on
    assert one.end() == looked_up + line + 2 + 40 * 12


# partial-matrix fetcher


def partials_bench(columns: int, **settings: Any) -> Bench:
    """Last round: one condensed column of one element, and a partial matrix of one row of `columns`."""
    return bench(np.ones((1, 3)), np.ones((3, columns)), partials__element_bytes=12, dram__channels=256, **settings)


def test_partial_matrix_comes_by_the_width() -> None:
    """Chunks of 16, 16 and 8, each asked for in cycle 0 and delivered in a cycle of its own."""
    one = partials_bench(40)
    assert one.machine.partials == 1
    leaf = 2 + 1
    assert one.scalar(CHUNK, 0) == 3
    assert one.state.s[POOL] == 40
    assert one.after(READ - 1).offset[1] == 0
    for cycle, delivered in enumerate((16, 32, 40)):
        assert one.after(READ + cycle).offset[1] == delivered
        assert one.state.s[POOL] == 40 - delivered
        assert one.state.held[leaf] <= 48
    assert one.end() > 0


def test_chunks_wait_for_room_in_the_pool() -> None:
    """Pool of 8, chunks of 2: four are asked for, and one more whenever one has been delivered."""
    one = partials_bench(20, partials__fifo_depth=8)
    assert one.plan.config.chunk_elements == 2
    assert one.scalar(CHUNK, 0) == 4
    assert one.scalar(CHUNK, READ - 1) == 4
    assert one.state.s[POOL] == 8
    for cycle in range(4):
        assert one.scalar(CHUNK, READ + cycle) == 5 + cycle
        assert one.after(READ + cycle).offset[1] == 2 * (cycle + 1)
    # the fifth chunk was asked for in cycle READ
    assert one.after(2 * READ - 1).offset[1] == 8
    assert one.after(2 * READ).offset[1] == 10


def test_chunks_share_their_bursts() -> None:
    """Chunks of 2 x 12 B in bursts of 32 B: a burst comes with the chunk that begins in it, or before."""
    one = Bench(
        np.ones((1, 3)), np.ones((3, 20)), merge_tree__ways=2, partials__fifo_depth=8, partials__element_bytes=12
    )
    assert one.plan.rounds[1].traffic.partial_loads.sum() == -(-20 * 12 // 32)
    one.end()
    assert one.state.ledger[3, 0] > 0
