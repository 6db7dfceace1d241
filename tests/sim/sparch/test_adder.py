from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.sparch.adder import (
    AdderSlices,
    add_neighbours,
    eliminate,
    empty_before,
    longest_run,
    shift_stage,
    shifter_stages,
)
from sim.sparch.merger import hierarchical_merge

VALUE = st.sampled_from([0.0, 0.5, -0.5, 1.0, -1.0, 3.0, 1e300, -1e300])
LANES = st.lists(st.tuples(st.integers(0, 12), VALUE), max_size=40).map(lambda lanes: sorted(lanes, key=lambda x: x[0]))
Pair = tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]


def _arrays(lanes: list[tuple[int, float]]) -> Pair:
    return np.array([k for k, _ in lanes], np.uint64), np.array([v for _, v in lanes], np.float64)


def _sums(lanes: list[tuple[int, float]]) -> dict[int, float]:
    out: dict[int, float] = {}
    for key, value in lanes:
        out[key] = out[key] + value if key in out else value
    return out


@settings(max_examples=300, deadline=None)
@given(LANES)
def test_add_then_eliminate_is_a_sum_by_key(lanes: list[tuple[int, float]]) -> None:
    keys, values = _arrays(lanes)
    added, sums, valid = add_neighbours(keys, values)
    assert added.shape == sums.shape == valid.shape == keys.shape
    assert not added[~valid].any()
    assert not sums[~valid].any()
    expected = _sums(lanes)
    out_keys, out_values = eliminate(added, sums, valid)
    assert out_keys.tolist() == list(expected)
    assert out_values.tolist() == list(expected.values())
    np.testing.assert_array_equal(out_keys, np.unique(keys))


def test_inputs_are_left_alone() -> None:
    keys, values = _arrays([(1, 2.0), (1, 3.0), (2, 4.0)])
    add_neighbours(keys, values)
    assert (keys.tolist(), values.tolist()) == ([1, 1, 2], [2.0, 3.0, 4.0])


def test_sum_stands_in_the_first_lane() -> None:
    keys, values, valid = add_neighbours(*_arrays([(3, 1.0), (5, 2.0), (5, 4.0), (9, 8.0)]))
    assert valid.tolist() == [True, True, False, True]
    assert values.tolist() == [1.0, 6.0, 0.0, 8.0]
    assert keys.tolist() == [3, 5, 0, 9]


def test_cancelled_sum_and_stored_zero_stay() -> None:
    lanes = [(0, 0.0), (4, 2.5), (4, -2.5), (7, 1.0)]
    keys, values = eliminate(*add_neighbours(*_arrays(lanes)))
    assert keys.tolist() == [0, 4, 7]
    assert values.tolist() == [0.0, 0.0, 1.0]


def test_key_zero_is_a_key_and_not_an_empty_lane() -> None:
    keys, values = eliminate(*add_neighbours(*_arrays([(0, 1.0), (0, -1.0)])))
    assert (keys.tolist(), values.tolist()) == ([0], [0.0])


def test_long_runs_add_in_lane_order() -> None:
    lanes = [(1, 1e16), (1, 1.0), (1, 1.0), (1, -1e16)] * 3
    _, values = eliminate(*add_neighbours(*_arrays(lanes)))
    total = lanes[0][1]
    for _, value in lanes[1:]:
        total += value
    assert values.tolist() == [total]


@pytest.mark.parametrize(("keys", "length"), [([], 0), ([1], 1), ([1, 2], 1), ([1, 1, 2, 2, 2], 3), ([4, 4], 2)])
def test_longest_run(keys: list[int], length: int) -> None:
    assert longest_run(np.array(keys, np.uint64)) == length


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(0, 30), max_size=16), st.sets(st.integers(0, 30), max_size=16))
def test_duplicate_free_windows_give_runs_of_at_most_two(left: set[int], right: set[int]) -> None:
    step = hierarchical_merge(np.array(sorted(left), np.uint64), np.array(sorted(right), np.uint64))
    assert longest_run(step.keys) <= 2


@pytest.mark.parametrize(("width", "stages"), [(1, 0), (2, 1), (3, 2), (4, 2), (8, 3), (16, 4), (17, 5), (32, 5)])
def test_shifter_stages(width: int, stages: int) -> None:
    assert shifter_stages(width) == stages


def test_shifter_needs_a_lane() -> None:
    with pytest.raises(ValueError, match="at least one lane, not 0"):
        shifter_stages(0)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.booleans(), max_size=48))
def test_elimination_equals_boolean_indexing(lanes: list[bool]) -> None:
    valid = np.array(lanes, np.bool_)
    keys = np.arange(valid.size, dtype=np.uint64)
    values = keys.astype(np.float64) / 4
    out_keys, out_values = eliminate(keys, values, valid)
    np.testing.assert_array_equal(out_keys, keys[valid])
    np.testing.assert_array_equal(out_values, values[valid])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=32))
def test_every_stage_keeps_all_lanes_in_order(lanes: list[bool]) -> None:
    valid = np.array(lanes, np.bool_)
    keys = np.arange(valid.size, dtype=np.uint64)
    occupied, distance = valid, empty_before(valid)
    left_to_go = distance[valid]
    for stage in range(shifter_stages(valid.size)):
        occupied, distance, (keys,) = shift_stage(stage, occupied, distance, keys)
        assert keys[occupied].tolist() == np.flatnonzero(valid).tolist()
        gone = left_to_go & ((2 << stage) - 1)
        np.testing.assert_array_equal(np.flatnonzero(occupied), np.flatnonzero(valid) - gone)
    assert occupied.tolist() == sorted(lanes, reverse=True)


def test_hand_worked_stages() -> None:
    """Lanes a . . b . c: a stays, b moves by 2, c by 3 = 1 + 2."""
    valid = np.array([1, 0, 0, 1, 0, 1], np.bool_)
    names = np.array([1, 0, 0, 2, 0, 3], np.uint64)
    assert empty_before(valid)[valid].tolist() == [0, 2, 3]
    occupied, distance, (names,) = shift_stage(0, valid, empty_before(valid), names)
    assert names.tolist() == [1, 0, 0, 2, 3, 0]
    occupied, distance, (names,) = shift_stage(1, occupied, distance, names)
    assert names.tolist() == [1, 2, 3, 0, 0, 0]
    occupied, _, (names,) = shift_stage(2, occupied, distance, names)
    assert occupied.tolist() == [True] * 3 + [False] * 3


def test_high_bits_first_would_collide() -> None:
    """Lanes at 3 and 5 have to move by 3 and 4: moving by 4 first overtakes, from bit 0 upwards nothing does."""
    valid = np.array([0, 0, 0, 1, 0, 1], np.bool_)
    distance = empty_before(valid)
    assert distance[valid].tolist() == [3, 4]
    with pytest.raises(ValueError, match="collide in stage 2"):
        shift_stage(2, valid, distance)
    assert eliminate(np.arange(6, dtype=np.uint64), np.zeros(6), valid)[0].tolist() == [3, 5]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([1, 2, 4, 8, 16, 32]),
    st.dictionaries(st.integers(0, 60), VALUE, max_size=60),
    st.dictionaries(st.integers(0, 60), VALUE, max_size=60),
)
def test_merger_and_adder_over_many_cycles(width: int, left: dict[int, float], right: dict[int, float]) -> None:
    """Pairs cut by the end of a cycle are joined: the output is the sum by key of the two streams."""
    streams = [_arrays(sorted(left.items())), _arrays(sorted(right.items()))]
    slices, at = AdderSlices(), [0, 0]
    out: list[Pair] = []
    while at[0] < len(left) or at[1] < len(right):
        windows = [(k[a : a + width], v[a : a + width]) for (k, v), a in zip(streams, at, strict=True)]
        step = hierarchical_merge(windows[0][0], windows[1][0], width=width)
        values = np.empty(step.keys.size)
        values[step.source == 0] = windows[0][1][: step.taken_left]
        values[step.source == 1] = windows[1][1][: step.taken_right]
        out.append(slices.push(step.keys, values))
        assert out[-1][0].size <= width
        at = [at[0] + step.taken_left, at[1] + step.taken_right]
    out.append(slices.flush())
    expected = _sums(sorted([*left.items(), *right.items()], key=lambda x: x[0]))
    assert np.concatenate([k for k, _ in out]).tolist() == list(expected)
    assert np.concatenate([v for _, v in out]).tolist() == list(expected.values())
    assert slices.additions == len(left) + len(right) - len(expected)
    assert slices.flush()[0].size == 0


def test_shapes_that_differ_are_refused() -> None:
    keys, values = _arrays([(1, 1.0), (2, 2.0)])
    with pytest.raises(ValueError, match=r"one length, not \(2,\), \(1,\)"):
        add_neighbours(keys, values[:1])
    with pytest.raises(ValueError, match="one length"):
        eliminate(keys, values, np.array([True]))
