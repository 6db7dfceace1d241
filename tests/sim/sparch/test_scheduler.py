"""Merge schedules: counts of rounds, every input once, and Huffman's optimality."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.sparch.config import Schedule
from sim.sparch.scheduler import RoundInputs, Scheduler, first_round_ways, merge_rounds

POLICIES = ("huffman", "random", "fifo", "sequential")


def run(weights: list[float], ways: int, policy: Any = "huffman", seed: int = 0) -> tuple[list[RoundInputs], float]:
    """All rounds, and the weight of all that was written; a result weighs what its inputs do."""
    scheduler = Scheduler(np.array(weights, np.float64), ways, Schedule(policy=policy, seed=seed))
    rounds: list[RoundInputs] = []
    sizes: list[float] = []
    for _ in range(scheduler.rounds):
        inputs = scheduler.next_round()
        rounds.append(inputs)
        sizes.append(sum(weights[leaf] for leaf in inputs.leaves) + sum(sizes[one] for one in inputs.partials))
        scheduler.written(int(sizes[-1]))
    with pytest.raises(StopIteration):
        scheduler.next_round()
    return rounds, sum(sizes[:-1])


@pytest.mark.parametrize(
    ("leaves", "ways", "first", "rounds"),
    [
        (0, 64, 0, 0),
        (1, 64, 1, 1),
        (2, 64, 2, 1),
        (63, 64, 63, 1),
        (64, 64, 64, 1),
        (65, 64, 2, 2),
        (126, 64, 63, 2),
        (127, 64, 64, 2),
        (128, 64, 2, 3),
        (280, 64, 28, 5),
        (893, 64, 11, 15),
        (4700, 64, 38, 75),
        (3, 2, 2, 2),
        (10, 2, 2, 9),
    ],
)
def test_rounds_by_hand(leaves: int, ways: int, first: int, rounds: int) -> None:
    assert first_round_ways(leaves, ways) == first
    assert merge_rounds(leaves, ways) == rounds


@given(st.integers(0, 3000), st.sampled_from([2, 4, 8, 16, 32, 64, 128]))
def test_every_later_round_is_full(leaves: int, ways: int) -> None:
    first, rounds = first_round_ways(leaves, ways), merge_rounds(leaves, ways)
    if leaves > ways:
        assert 2 <= first <= ways
        assert first == (leaves - 2) % (ways - 1) + 2
    # each round takes its inputs out and puts one result in
    assert leaves - first - (rounds - 1) * (ways - 1) == 0 if rounds else leaves == 0


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 1000), max_size=80),
    st.sampled_from([2, 4, 8, 16]),
    st.sampled_from(POLICIES),
    st.integers(0, 1000),
)
def test_every_leaf_and_every_partial_is_used_once(weights: list[float], ways: int, policy: str, seed: int) -> None:
    rounds, _ = run(weights, ways, policy, seed)
    leaves = [leaf for one in rounds for leaf in one.leaves.tolist()]
    partials = [partial for one in rounds for partial in one.partials]
    assert sorted(leaves) == list(range(len(weights)))
    assert sorted(partials) == list(range(len(rounds) - 1))
    for index, one in enumerate(rounds):
        assert all(partial < index for partial in one.partials)
        expected = first_round_ways(len(weights), ways) if index == 0 else ways
        taken = one.leaves.size + len(one.partials)
        assert taken == expected if policy != "fifo" else taken <= ways
        assert one.leaves.tolist() == sorted(one.leaves.tolist())
        assert list(one.partials) == sorted(one.partials)
        assert one.last == (index == len(rounds) - 1)


def cheapest(weights: list[int], ways: int) -> int:
    """Least weight written by any tree: all choices of the inputs of each round, tried out (first round short)."""
    from functools import cache
    from itertools import combinations

    @cache
    def best(pending: tuple[int, ...], count: int) -> int:
        if len(pending) <= count:
            return 0
        costs = []
        for chosen in set(combinations(range(len(pending)), count)):
            merged = sum(pending[place] for place in chosen)
            rest = [weight for place, weight in enumerate(pending) if place not in chosen]
            costs.append(merged + best(tuple(sorted([*rest, merged])), ways))
        return min(costs)

    return best(tuple(sorted(weights)), first_round_ways(len(weights), ways))


@settings(max_examples=40)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), st.sampled_from([2, 4]))
def test_huffman_is_optimal(weights: list[int], ways: int) -> None:
    assert run([float(weight) for weight in weights], ways)[1] == cheapest(weights, ways)


@settings(max_examples=100)
@given(
    st.lists(st.integers(1, 1000), max_size=60),
    st.sampled_from([2, 4, 8]),
    st.sampled_from(POLICIES),
    st.integers(0, 99),
)
def test_nothing_is_cheaper_than_huffman(weights: list[float], ways: int, policy: str, seed: int) -> None:
    assert run(weights, ways)[1] <= run(weights, ways, policy, seed)[1]


def test_huffman_by_hand() -> None:
    # 4 leaves, 2 ways: 1 + 2 = 3; 3 (partial first) + 3 = 6; 6 + 10
    rounds, written = run([10.0, 3.0, 1.0, 2.0], 2)
    assert [(one.leaves.tolist(), one.partials) for one in rounds] == [([2, 3], ()), ([1], (0,)), ([0], (1,))]
    assert written == 3 + 6


def test_partial_goes_first_of_equal_weights() -> None:
    # 1 + 1 = 2, then the partial of 2 before leaves of 2
    rounds, _ = run([1.0, 1.0, 2.0, 2.0, 2.0], 2)
    assert (rounds[1].leaves.tolist(), rounds[1].partials) == ([2], (0,))
    scheduler = Scheduler(np.array([1.0, 1.0, 2.0, 2.0]), 2, Schedule())
    scheduler.next_round()
    scheduler.written(5)  # the true size counts: larger than both leaves
    assert scheduler.next_round().partials == ()


def test_left_most_of_equal_leaves_first() -> None:
    rounds, _ = run([5.0] * 6, 4)
    assert [one.leaves.tolist() for one in rounds] == [[0, 1, 2], [3, 4, 5]]


def test_fifo_by_hand() -> None:
    rounds, _ = run([1.0] * 6, 2, "fifo")
    assert [(one.leaves.tolist(), one.partials) for one in rounds] == [
        ([0, 1], ()),
        ([2, 3], ()),
        ([4, 5], ()),
        ([], (0, 1)),
        ([], (2, 3)),
    ]


def test_sequential_by_hand() -> None:
    rounds, _ = run([1.0] * 8, 4, "sequential")
    assert [(one.leaves.tolist(), one.partials) for one in rounds] == [
        ([0, 1], ()),
        ([2, 3, 4], (0,)),
        ([5, 6, 7], (1,)),
    ]


def test_seed_decides_and_repeats() -> None:
    def of(seed: int) -> list[list[int]]:
        return [one.leaves.tolist() for one in run([1.0] * 50, 4, "random", seed)[0]]

    assert of(1) == of(1)
    assert all(one != other for one, other in pairwise(of(seed) for seed in range(5)))
    for policy in ("huffman", "fifo", "sequential"):
        seeds = [[one.leaves.tolist() for one in run([1.0] * 50, 4, policy, seed)[0]] for seed in (0, 1)]
        assert seeds[0] == seeds[1]
