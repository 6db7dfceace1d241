"""Tasks of both phases, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sim.outerspace.config import load_config
from sim.outerspace.product import multiply, row_lengths
from sim.outerspace.work import insertion_steps, plan_phases
from sim.sparch.operand import Operand

ONE = {"pes.tiles": 1, "pes.per_tile": 1, "pes.merge_per_tile": 1}
REQUEST, TASK = 100, 7
LATENCY = {"latency.request_cycles": REQUEST, "latency.task_cycles": TASK}


def phases(a: np.ndarray, b: np.ndarray, **settings: int | bool) -> tuple:
    """Both phases of a · b on a machine with round latencies; double underscores stand for dots."""
    changed = {name.replace("__", "."): value for name, value in settings.items()}
    config = load_config(settings={**LATENCY, **changed})
    left, right = Operand.of(a), Operand.of(b)
    return plan_phases(left, right, row_lengths(multiply(left, right), left.rows), config)


def on_one(a: np.ndarray, b: np.ndarray, **settings: int) -> tuple[list[int], list[int]]:
    """(cycles, arithmetic, bursts) of both phases on a single processing element."""
    alone = {name.replace(".", "__"): value for name, value in ONE.items()}
    return tuple(
        [int(work.cycles.sum()), int(work.arithmetic.sum()), int(work.loads.sum())]
        for work in phases(a, b, **alone, **settings)
    )  # type: ignore[return-value]


def test_column_times_row() -> None:
    """5 entries of A, 7 of B (84 B: 2 blocks): one outer product, five rows to "merge" of one input each."""
    multiply_phase, merge_phase = on_one(np.ones((5, 1)), np.ones((1, 7)))
    assert multiply_phase == [(1 + 2 + 5 * 2) * REQUEST + TASK, 35, 1 + 2 + 5 * 2]
    assert merge_phase == [5 * ((2 + 2) * REQUEST + TASK), 5 * 7, 5 * (2 + 2)]


def test_row_times_column() -> None:
    """Three partial rows of one element each go into one: 3 elements x 3 inputs steps."""
    multiply_phase, merge_phase = on_one(np.ones((1, 3)), np.ones((3, 1)))
    assert multiply_phase == [3 * (3 * REQUEST + TASK), 3, 9]
    assert merge_phase == [(3 + 1) * REQUEST + TASK, 9, 4]


def test_arithmetic_wins_where_memory_is_fast() -> None:
    multiply_phase, merge_phase = on_one(np.ones((5, 1)), np.ones((1, 7)), latency__request_cycles=1)
    assert multiply_phase[0] == 1 + 2 + TASK + 35
    assert merge_phase[0] == 5 * (7 + TASK)


def test_row_without_column_is_read_for_nothing() -> None:
    a, b = np.zeros((2, 3)), np.zeros((3, 2))
    a[0, 0], b[1, :] = 1, 1  # index 0: only a column; index 1: only a row; index 2: neither
    multiply_phase, merge_phase = on_one(a, b)
    assert multiply_phase == [2 * (REQUEST + TASK), 0, 2]
    assert merge_phase == [0, 0, 0]


def test_row_that_l0_cannot_hold_is_asked_for_again() -> None:
    long = on_one(np.ones((4, 1)), np.ones((1, 10)))[0]
    again = on_one(np.ones((4, 1)), np.ones((1, 10)), l0__bytes=119)[0]
    held = on_one(np.ones((4, 1)), np.ones((1, 10)), l0__bytes=120)[0]
    assert held == long
    assert again == [long[0] + 3 * 2 * REQUEST, long[1], long[2]]


def test_entries_of_a_column_go_round_the_tile() -> None:
    """6 + 3 entries on 4 elements of one tile: 2 2 1 1, then the next three begin at the third."""
    a = np.zeros((6, 2))
    a[:, 0] = 1
    a[:3, 1] = 1
    work, _ = phases(a, np.ones((2, 1)), pes__tiles=1, pes__per_tile=4, pes__merge_per_tile=4)
    assert work.arithmetic.sum(axis=0).tolist() == [[3, 2, 2, 2]]
    begin = 3 * REQUEST + TASK  # 72 B of column are two blocks
    assert work.cycles.sum(axis=0).tolist() == [[3 * REQUEST + begin, 2 * REQUEST + begin - REQUEST, 200, 200]]


def test_unshared_outer_products_go_round_the_machine() -> None:
    work, _ = phases(np.ones((2, 5)), np.ones((5, 3)), pes__tiles=2, pes__per_tile=2, pes__merge_per_tile=1,
                     pes__share_outer_products=False)  # fmt: skip
    assert work.arithmetic.sum(axis=0).tolist() == [[12, 6], [6, 6]]


def test_rows_are_dealt_in_turn_and_blocks_keep_the_sums() -> None:
    a = np.ones((10, 1))
    whole = phases(a, np.ones((1, 1)), pes__tiles=2, pes__per_tile=2, pes__merge_per_tile=2, event__blocks=1)[1]
    cut = phases(a, np.ones((1, 1)), pes__tiles=2, pes__per_tile=2, pes__merge_per_tile=2, event__blocks=3)[1]
    assert whole.arithmetic.tolist() == [[[3, 3], [2, 2]]]
    assert cut.arithmetic.shape[0] == 3
    assert (cut.cycles.sum(axis=0) == whole.cycles.sum(axis=0)).all()
    assert cut.loads.sum() == whole.loads.sum()


def test_loads_follow_pages_over_the_channels() -> None:
    """130 blocks of one tile in pages of 64: channel 0, 1, 2; the second tile begins at channel 1."""
    a, b = np.ones((64, 2)), np.ones((2, 1))
    work, _ = phases(a, b, pes__tiles=2, event__blocks=1, dram__channels=4)
    blocks = 12 + 1 + 64  # 768 B of column, one block of row, 64 partial rows
    assert work.loads.tolist() == [[[64, blocks - 64, 0, 0], [0, 64, blocks - 64, 0]]]


@pytest.mark.parametrize(
    ("inputs", "heads", "steps"),
    [(1, 4, 1), (4, 4, 4), (5, 4, 4 + 2), (16, 4, 4 + 4), (17, 4, 4 + 4 + 2), (64, 2, 12), (900, 128, 128 + 8)],
)
def test_insertion_steps(inputs: int, heads: int, steps: int) -> None:
    assert insertion_steps(np.array([inputs, 1]), heads).tolist() == [steps, 1]
