"""Fronts, ranks and crowding against brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from models.search.front import crowding, non_dominated, ranks

COSTS = arrays(
    np.float64,
    st.tuples(st.integers(1, 30), st.integers(1, 4)),
    elements=st.integers(0, 5).map(float),
)


def beats(one: Any, other: Any) -> bool:
    return bool(np.all(one <= other) and np.any(one < other))


def by_hand(costs: Any) -> list[int]:
    keep = []
    for row, cost in enumerate(costs):
        beaten = any(beats(other, cost) for other in costs)
        twin = any(np.array_equal(costs[earlier], cost) for earlier in range(row))
        if not beaten and not twin:
            keep.append(row)
    return keep


@given(COSTS)
def test_the_non_dominated_are_those_that_brute_force_finds(costs: Any) -> None:
    assert non_dominated(costs).tolist() == by_hand(costs)


@given(COSTS)
def test_ranks_peel_front_after_front(costs: Any) -> None:
    rank = ranks(costs)
    left = np.arange(len(costs))
    for level in range(int(rank.max()) + 1):
        now = {row for row in left if not any(beats(costs[other], costs[row]) for other in left)}
        assert set(np.flatnonzero(rank == level)) == now
        left = np.array([row for row in left if row not in now], int)
    assert not len(left)


def test_crowding_is_infinite_at_the_ends_and_counts_gaps_between() -> None:
    costs = np.array([[0.0, 4.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0]])
    distance = crowding(costs, np.zeros(4, np.int64))
    assert np.isinf(distance[[0, 3]]).all()
    assert distance[1:3].tolist() == pytest.approx([3 / 4 + 3 / 4, 3 / 4 + 2 / 4])


@given(array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12), st.integers(0, 99))
def test_equal_rows_do_no_harm(shape: tuple[int, int], seed: int) -> None:
    costs = np.repeat(np.random.default_rng(seed).integers(0, 3, shape), 2, axis=0).astype(float)
    assert len(non_dominated(costs)) <= len(costs) // 2
    assert not np.isnan(crowding(costs, ranks(costs))).any()
