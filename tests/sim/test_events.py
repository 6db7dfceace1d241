"""Stages, windows and ledgers against cases worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import simpy

from sim.events import BLOCKED, BUSY, IDLE, MEMORY, STARVED, STATES, Ledger, Stage, Wait, Window


def counts(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def window(capacity: float, *elements: int, **more: np.ndarray) -> tuple[Window, Stage]:
    stage = Stage(simpy.Environment(), len(elements))
    return Window(stage, counts(*elements), capacity, **more), stage


def passed_at(wait: Callable[[], Wait], env: simpy.Environment) -> float:
    """The time at which a wait, begun now, is over."""

    def process() -> Wait:
        yield from wait()
        times.append(env.now)

    times: list[float] = []
    env.process(process())
    env.run()
    return times[0]


def first_and_last(of: Window) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    upto = of._upto
    return of.points(upto[:-1] + 1), of.points(upto[1:])


def test_window_of_one_block() -> None:
    """10 elements ahead: element 11 needs the first of block 0 to be gone, element 20 the whole of it."""
    first, last = first_and_last(window(10, 10, 10, 10)[0])
    assert [block for block, _ in first] == [-1, 0, 1]
    assert [share for _, share in first[1:]] == pytest.approx([0.1, 0.1])
    assert [block for block, _ in last] == [-1, 0, 1]
    assert [share for _, share in last[1:]] == [1.0, 1.0]


def test_window_of_one_and_a_half_blocks() -> None:
    first, last = first_and_last(window(15, 10, 10, 10)[0])
    assert first[:2] == [(-1, 0.0), (-1, 0.0)]
    assert first[2] == (0, pytest.approx(0.6))
    assert last[0][0] == -1
    assert last[1:] == [(0, 0.5), (1, 0.5)]


def test_block_larger_than_the_window_never_waits_for_itself() -> None:
    first, last = first_and_last(window(5, 10, 10, 10)[0])
    assert [block for block, _ in first] == [-1, 0, 1]
    assert [share for _, share in first[1:]] == pytest.approx([0.6, 0.6])
    assert [block for block, _ in last] == [-1, 0, 1]
    assert [share for _, share in last[1:]] == [1.0, 1.0]


def test_window_larger_than_all() -> None:
    first, last = first_and_last(window(1000, 10, 10)[0])
    assert {block for block, _ in first + last} == {-1}


def test_blocks_of_unequal_size_and_empty_ones() -> None:
    _, last = first_and_last(window(8, 4, 0, 12, 6)[0])
    # up to 4, 4, 16, 22: the last elements need -4, -4, 8 -> only 4 (its own block never), 14 to be gone
    assert [block for block, _ in last] == [-1, -1, 0, 2]
    assert last[2][1] == 1.0
    assert last[3][1] == pytest.approx(10 / 12)


def test_room_comes_by_whole_rows() -> None:
    rows = counts(2, 4, 1)
    kept, _ = window(10, 10, 10, 10, rows=rows, row_last=counts(0, 1, 2))
    first, last = first_and_last(kept)
    assert first[1] == (0, 0.5)  # 0.1 of the block: the first of its two rows
    assert first[2] == (1, 0.25)
    assert last[1] == (0, 1.0)
    assert last[2] == (1, 1.0)


def test_row_that_is_cut_makes_room_at_its_end() -> None:
    """Blocks 0 and 1 are one row; neither waits for the other."""
    kept, _ = window(10, 10, 10, 10, unbound=counts(0, 0, 2), rows=counts(1, 1, 1), row_last=counts(1, 1, 2))
    first, last = first_and_last(kept)
    assert [block for block, _ in first] == [-1, -1, 1]
    assert first[2][1] == 1.0
    assert [block for block, _ in last] == [-1, -1, 1]
    assert last[2][1] == 1.0


def test_share_that_waits_for_the_same_row() -> None:
    """Row 2 of block 0 holds elements 5 to 10: elements 15 to 20 of block 1 wait for its end."""
    kept, _ = window(10, 10, 10, rows=counts(2, 2), row_last=counts(0, 1))
    assert kept.late_share[1] == pytest.approx(0.5)
    assert window(10, 10, 10)[0].late_share == [0.0, 0.0]


def test_wait_takes_progress_inside_a_block_as_even() -> None:
    kept, stage = window(10, 10, 10)
    stage.begin(0, 10.0)
    stage.end(0, 30.0)
    assert passed_at(lambda: kept.wait((0, 0.5)), stage.env) == 20.0
    assert passed_at(lambda: kept.wait_first(0), stage.env) == 20.0  # no wait: it is 20 already
    assert passed_at(lambda: kept.wait_first(1), stage.env) == 20.0  # 12, long past
    assert passed_at(lambda: kept.wait_last(1), stage.env) == 30.0


def test_wait_for_an_end_that_is_not_known_yet() -> None:
    kept, stage = window(10, 10, 10)
    env = stage.env

    def consumer() -> Wait:
        yield env.timeout(4)
        stage.begin(0, 4.0)
        yield env.timeout(6)
        stage.end(0, 24.0)  # known at 10, true at 24

    env.process(consumer())
    assert passed_at(lambda: kept.wait((0, 0.75)), env) == 19.0


def test_stage_wakes_all_who_wait() -> None:
    env = simpy.Environment()
    stage = Stage(env, 2)
    begun, ended = stage.wait_begin(1), stage.wait_end(1)
    assert stage.wait_begin(1) is begun
    stage.begin(1, 7.0)
    assert begun.triggered
    assert not ended.triggered
    stage.end(1, 9.0)
    assert ended.triggered
    assert (stage.began, stage.ends) == ([-1.0, 7.0], [-1.0, 9.0])


def test_ledger_adds_up_to_the_time() -> None:
    env = simpy.Environment()
    ledger = Ledger(env, keep_slices=True)

    def unit() -> Wait:
        for state, cycles in ((STARVED, 3), (BUSY, 5), (BUSY, 0), (BLOCKED, 2), (MEMORY, 1.5), (BUSY, 4)):
            yield env.timeout(cycles)
            ledger.mark(state)

    env.process(unit())
    env.run()
    assert ledger.cycles == {BUSY: 9.0, STARVED: 3.0, BLOCKED: 2.0, MEMORY: 1.5, IDLE: 0.0}
    assert sum(ledger.cycles.values()) == env.now
    assert tuple(ledger.cycles) == STATES
    assert ledger.slices == [
        (STARVED, 0.0, 3.0),
        (BUSY, 3.0, 8.0),
        (BLOCKED, 8.0, 10.0),
        (MEMORY, 10.0, 11.5),
        (BUSY, 11.5, 15.5),
    ]


def test_ledger_marks_up_to_a_given_time() -> None:
    env = simpy.Environment()
    ledger = Ledger(env, keep_slices=False)
    ledger.mark(BUSY, until=4)
    ledger.mark(IDLE, until=4)
    ledger.mark(BLOCKED, until=3)  # the past stays
    assert ledger.cycles[BUSY] == 4
    assert sum(ledger.cycles.values()) == 4
    assert ledger.slices is None
