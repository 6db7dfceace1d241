from __future__ import annotations

import itertools
import random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import ConfigError
from sim.sparch import merger
from sim.sparch.merger import (
    chunk_pairs,
    comparators,
    default_chunk,
    flat_merge,
    hierarchical_merge,
    low_arrays,
    merge_streams,
)

WIDTHS = (1, 2, 4, 8, 16, 32)
TOP = 2**64 - 1
KEY = st.one_of(st.integers(0, 6), st.integers(0, 60), st.sampled_from([0, TOP - 1, TOP]), st.integers(0, TOP))


def _shapes(widths: tuple[int, ...] = (*WIDTHS, 6, 12)) -> list[tuple[int, int]]:
    return [(w, c) for w in widths for c in range(1, w + 1) if w % c == 0]


def _stable(left: list[int], right: list[int]) -> tuple[list[int], list[int]]:
    """The definition: sort by key, left before right, earlier before later."""
    merged = sorted([(k, 0, i) for i, k in enumerate(left)] + [(k, 1, i) for i, k in enumerate(right)])
    return [k for k, _, _ in merged], [side for _, side, _ in merged]


def _array(keys: list[int]) -> npt.NDArray[np.uint64]:
    return np.array(keys, np.uint64)


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, int, list[int], list[int]]:
    width, chunk = draw(st.sampled_from(_shapes()))
    side = st.lists(KEY, max_size=width).map(sorted)
    return width, chunk, draw(side), draw(side)


def test_comparators_of_the_published_merger() -> None:
    assert (default_chunk(16), low_arrays(16), low_arrays(16, 4)) == (4, 7, 7)
    assert comparators(16) == comparators(16, 4) == 16 + 7 * 16 == 128
    assert comparators(16, 16) == 256


@pytest.mark.parametrize(
    ("width", "chunk", "count"),
    [(1, 1, 1), (2, 2, 4), (4, 2, 4 + 3 * 4), (8, 2, 16 + 7 * 4), (16, 4, 128), (32, 4, 64 + 15 * 16)],
)
def test_default_shapes(width: int, chunk: int, count: int) -> None:
    assert default_chunk(width) == chunk
    assert comparators(width) == count


def test_comparators_of_a_prime_width_fall_back_to_the_flat_array() -> None:
    assert (default_chunk(13), comparators(13)) == (13, 169)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_arrays_that_are_built_have_the_comparators_that_are_counted(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells: list[int] = []
    compare = merger._compare

    def counting(left: merger._Window, right: merger._Window) -> merger.Bits:
        cells.append(compare(left, right).size)
        return compare(left, right)

    monkeypatch.setattr(merger, "_compare", counting)
    alternating = np.arange(width, dtype=np.uint64) * np.uint64(2)
    hierarchical_merge(alternating, alternating + np.uint64(1), width=width)
    assert sum(cells) == comparators(width)
    cells.clear()
    flat_merge(alternating, alternating, width=width)
    assert cells == [width * width]


@settings(max_examples=400, deadline=None)
@given(windows())
def test_both_arrays_equal_a_stable_sort(case: tuple[int, int, list[int], list[int]]) -> None:
    width, chunk, left, right = case
    keys, source = _stable(left, right)
    for step in (
        hierarchical_merge(_array(left), _array(right), width=width, chunk=chunk),
        flat_merge(_array(left), _array(right), width=width),
    ):
        assert step.keys.dtype == np.uint64
        assert step.keys.tolist() == keys[:width]
        assert step.source.tolist() == source[:width]
        assert step.taken_right == sum(source[:width])
        assert step.taken_left == len(step.keys) - step.taken_right


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("left", "right"), [([], []), ([5], []), ([], [5]), ([5], [5]), ([TOP], [TOP]), ([TOP], [0]), ([0], [TOP])]
)
def test_windows_of_one_key_or_none(width: int, left: list[int], right: list[int]) -> None:
    step = hierarchical_merge(_array(left), _array(right), width=width)
    keys, source = _stable(left, right)
    assert (step.keys.tolist(), step.source.tolist()) == (keys[:width], source[:width])


@pytest.mark.parametrize(("width", "chunk"), _shapes())
def test_equal_keys_leave_the_left_window_first(width: int, chunk: int) -> None:
    same = np.full(width, 7, np.uint64)
    step = hierarchical_merge(same, same, width=width, chunk=chunk)
    assert (step.taken_left, step.taken_right) == (width, 0)
    ladder = np.arange(width, dtype=np.uint64)
    step = hierarchical_merge(ladder, ladder, width=width, chunk=chunk)
    assert step.source.tolist() == [lane % 2 for lane in range(width)]
    assert step.keys.tolist() == [lane // 2 for lane in range(width)]


@settings(max_examples=200, deadline=None)
@given(windows())
def test_the_staircase_crosses_every_anti_diagonal_once(case: tuple[int, int, list[int], list[int]]) -> None:
    width, _, left, right = case
    before = merger._compare(merger._window(_array(left), width), merger._window(_array(right), width))
    i, j, _ = merger._emit(before)
    diagonals = (i + j).tolist()
    assert diagonals == list(range(len(diagonals)))
    assert width <= len(diagonals) <= 2 * width - 1


@settings(max_examples=200, deadline=None)
@given(windows())
def test_chunk_pairs_walk_one_chunk_at_a_time(case: tuple[int, int, list[int], list[int]]) -> None:
    width, chunk, left, right = case
    pairs = chunk_pairs(_array(left), _array(right), width=width, chunk=chunk)
    assert 1 <= len(pairs) <= low_arrays(width, chunk)
    assert (pairs[0].left, pairs[0].right) == (0, 0)
    for pair, after in itertools.pairwise(pairs):
        assert (after.left, after.right) == (pair.left + (pair.ends == 0), pair.right + (pair.ends == 1))


@settings(max_examples=200, deadline=None)
@given(windows())
def test_the_first_width_over_chunk_low_arrays_hold_all_outputs(case: tuple[int, int, list[int], list[int]]) -> None:
    width, chunk, left, right = case
    select = merger._select
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merger, "_select", lambda a, b, c: select(a, b, c)[: width // chunk])
        step = hierarchical_merge(_array(left), _array(right), width=width, chunk=chunk)
    assert step.keys.tolist() == _stable(left, right)[0][:width]


def test_seven_low_arrays_are_selected_when_chunks_alternate() -> None:
    left = np.arange(16, dtype=np.uint64) * np.uint64(2)
    pairs = chunk_pairs(left, left + np.uint64(1), width=16, chunk=4)
    assert [(p.left, p.right) for p in pairs] == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]


def test_hand_worked_clipping() -> None:
    """Width 4, chunks of 2: pair (0,0) ends with 3, pair (0,1) has 2 and 3 behind it and may emit 4 and 5 only."""
    step = hierarchical_merge(_array([2, 5, 8, 9]), _array([1, 3, 4, 7]), width=4, chunk=2)
    assert step.keys.tolist() == [1, 2, 3, 4]
    assert step.source.tolist() == [1, 0, 1, 1]
    assert (step.taken_left, step.taken_right) == (1, 3)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(_shapes()),
    st.lists(KEY, max_size=150).map(sorted),
    st.lists(KEY, max_size=150).map(sorted),
)
def test_streams_merge_to_the_sorted_union(shape: tuple[int, int], left: list[int], right: list[int]) -> None:
    keys, source, cycles = merge_streams(_array(left), _array(right), width=shape[0], chunk=shape[1])
    assert (keys.tolist(), source.tolist()) == _stable(left, right)
    assert cycles == -(-(len(left) + len(right)) // shape[0])


def test_long_streams_against_numpy() -> None:
    rng = np.random.default_rng(4)
    left = np.sort(rng.choice(2**40, 6000, replace=False).astype(np.uint64))
    right = np.sort(np.concatenate([left[::3], rng.integers(0, 2**40, 1500, dtype=np.uint64)]))
    keys, source, cycles = merge_streams(left, right)
    both = np.concatenate([left, right])
    order = np.argsort(both, kind="stable")
    np.testing.assert_array_equal(keys, both[order])
    np.testing.assert_array_equal(source, order >= left.size)
    assert cycles == -(-both.size // 16)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(_shapes((4, 8, 16))),
    st.lists(st.integers(0, 40), max_size=60).map(sorted),
    st.lists(st.integers(0, 40), max_size=60).map(sorted),
    st.randoms(use_true_random=False),
)
def test_windows_that_fill_irregularly_still_merge_in_order(
    shape: tuple[int, int], left: list[int], right: list[int], rng: random.Random
) -> None:
    """FIFOs that hold only part of what is to come: an open window holds back what may not leave yet."""
    width, chunk = shape
    at, ready, keys, source = [0, 0], [0, 0], list[int](), list[int]()
    sizes = (len(left), len(right))
    while tuple(at) != sizes:
        for side in (0, 1):
            ready[side] = min(sizes[side], ready[side] + rng.randint(0, 5))
        ends = [min(ready[side], at[side] + width) for side in (0, 1)]
        step = hierarchical_merge(
            _array(left[at[0] : ends[0]]),
            _array(right[at[1] : ends[1]]),
            width=width,
            chunk=chunk,
            left_open=ready[0] < sizes[0],
            right_open=ready[1] < sizes[1],
        )
        if all(end > start for start, end in zip(at, ends, strict=True)):
            assert step.keys.size >= 1
        keys += step.keys.tolist()
        source += step.source.tolist()
        at = [at[0] + step.taken_left, at[1] + step.taken_right]
    assert (keys, source) == _stable(left, right)


def test_open_windows_hold_back() -> None:
    assert hierarchical_merge(_array([]), _array([1, 2]), width=4, left_open=True).keys.size == 0
    assert hierarchical_merge(_array([3]), _array([1, 3, 4]), width=4, left_open=True).keys.tolist() == [1, 3]
    assert hierarchical_merge(_array([3, 4]), _array([3]), width=4, right_open=True).keys.tolist() == [3, 3]
    assert hierarchical_merge(_array([3, 4]), _array([3]), width=4).keys.tolist() == [3, 3, 4]


@pytest.mark.parametrize(
    ("width", "chunk", "message"),
    [(0, 1, "at least 1, not 0"), (16, 5, "chunk 5 does not divide the width 16; nearest: 4"), (8, 0, "nearest: 1")],
)
def test_impossible_shapes(width: int, chunk: int, message: str) -> None:
    for call in (comparators, low_arrays):
        with pytest.raises(ConfigError, match=message):
            call(width, chunk)
    with pytest.raises(ConfigError, match=message):
        hierarchical_merge(_array([1]), _array([1]), width=width, chunk=chunk)


@pytest.mark.parametrize(
    ("keys", "message"),
    [([2, 1], "ascend"), ([1, 2, 3, 4, 5], "does not fit"), ([-1, 2], "not negative"), ([0.5], "integers")],
)
def test_windows_that_are_refused(keys: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hierarchical_merge(np.array(keys), _array([1]), width=4)
    with pytest.raises(ValueError, match=message):
        flat_merge(_array([1]), np.array(keys), width=4)
    with pytest.raises(ValueError, match="one-dimensional"):
        hierarchical_merge(np.zeros((2, 2), np.uint64), _array([1]), width=4)
