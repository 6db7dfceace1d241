"""The plan: bytes and bursts of every operand against plain Python, cutting of long rows, rounds and products."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sim.errors import WorkloadError
from sim.sparch.config import SpArchConfig, load_config
from sim.sparch.operand import Operand
from sim.sparch.plan import BlockTraffic, Plan, block_limits, crowded_share, cut_long_rows, make_plan, sequential_loads
from sim.sparch.product import BlockLimits, RoundCounts
from sim.sparch.simulation import product_csr
from sim.sparch.traffic import CUT_ELEMENTS


def random_operand(seed: int, rows: int = 50, cols: int = 50, density: float = 0.15) -> Operand:
    rng = np.random.default_rng(seed)
    return Operand.of(rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < density))


MACHINES: list[dict[str, Any]] = [
    {},
    {"merge_tree.ways": 2},
    {"merge_tree.ways": 4, "dram.burst_bytes": 32, "dram.channels": 3},
    {"merge_tree.ways": 8, "dram.burst_bytes": 100, "prefetch.lines": 16, "prefetch.line_elements": 3},
    {"merge_tree.ways": 4, "dram.burst_bytes": 4, "dram.channels": 1, "dram.count_row_pointers": True},
    {"merge_tree.ways": 4, "dram.burst_bytes": 12, "dram.count_row_pointers": True, "prefetch.policy": "lru"},
    {"merge_tree.ways": 8, "condensing": False, "prefetch.policy": "none"},
    {"merge_tree.ways": 8, "prefetch.keep_between_rounds": True, "prefetch.lines": 64, "prefetch.line_elements": 5},
    {"merge_tree.ways": 4, "partials.element_bytes": 20, "event.block_elements": 16, "schedule.policy": "random"},
    {"merge_tree.ways": 128, "schedule.leaf_weight": "exact"},
]


def channels_of(bursts: Counter[int], channels: int) -> list[int]:
    """Bursts by channel."""
    loads = [0] * channels
    for burst, times in bursts.items():
        loads[burst % channels] += times
    return loads


def touched(byte: int, size: int, burst_bytes: int) -> range:
    return range(byte // burst_bytes, (byte + size - 1) // burst_bytes + 1)


def reference_loads(plan: Plan, index: int) -> dict[str, list[int]]:
    """Bursts of one round by operand and channel, element by element."""
    config, planned = plan.config, plan.rounds[index]
    size, channels = config.dram.burst_bytes, config.dram.channels
    a: Counter[int] = Counter()
    b: Counter[int] = Counter()
    previous, q = -1, 0
    for x, at in enumerate(planned.elements.element.tolist()):
        for burst in touched(12 * (at if config.condensing else x), 12, size):
            if burst != previous:
                a[burst] += 1
            previous = burst
        k = int(plan.a.indices[at])
        length = int(plan.b.indptr[k + 1] - plan.b.indptr[k])
        for part in range(-(-length // config.prefetch.line_elements)):
            if planned.source[q] == q:
                begin = part * config.prefetch.line_elements
                count = min(config.prefetch.line_elements, length - begin)
                for burst in touched(12 * (int(plan.b.indptr[k]) + begin), 12 * count, size):
                    b[plan.addresses.b + burst] += 1
                if config.dram.count_row_pointers and part == 0:
                    for burst in touched(8 * k, 8, size):
                        b[plan.addresses.b_pointers + burst] += 1
            q += 1
    partial: Counter[int] = Counter()
    for one in planned.inputs.partials:
        read = plan.rounds[one]
        partial.update(range(read.out_burst, read.out_burst - (-read.out_nnz * read.out_bytes // size)))
    out = Counter(range(planned.out_burst, planned.out_burst - (-planned.out_nnz * planned.out_bytes // size)))
    return {
        "a_loads": channels_of(a, channels),
        "b_loads": channels_of(b, channels),
        "partial_loads": channels_of(partial, channels),
        "out_loads": channels_of(out, channels),
    }


@pytest.mark.parametrize("settings", MACHINES, ids=str)
def test_bursts_by_operand_and_channel(settings: dict[str, Any]) -> None:
    a = random_operand(1)
    plan = make_plan(a, a, load_config(settings=settings))
    for index, planned in enumerate(plan.rounds):
        for name, loads in reference_loads(plan, index).items():
            assert getattr(planned.traffic, name).sum(axis=0).tolist() == loads, (index, name)


@pytest.mark.parametrize("settings", MACHINES, ids=str)
def test_rounds_add_up(settings: dict[str, Any]) -> None:
    a, b = random_operand(2, 40, 60), random_operand(3, 60, 30)
    config = load_config(settings=settings)
    calls: list[tuple[int, int]] = []
    plan = make_plan(a, b, config, keep_partials=True, progress=lambda *call: calls.append(call))
    rounds, lengths = plan.rounds, np.diff(b.indptr)
    np.testing.assert_allclose(
        product_csr(plan.product, (40, 30)).toarray(), (a.scipy() @ b.scipy()).toarray(), atol=1e-12
    )
    assert calls == [(one + 1, len(rounds)) for one in range(len(rounds))]
    assert sum(one.counts.a_elements.sum() for one in rounds) == a.nnz
    assert sum(one.counts.products.sum() for one in rounds) == lengths[a.indices].sum()
    assert sum(one.counts.slots.sum() for one in rounds) == (-(-lengths[a.indices] // 8)).sum()
    assert len(plan.partials) == len(rounds) - 1
    assert [one.nnz for one in plan.partials] == [one.out_nnz for one in rounds[:-1]]
    assert [one.out_bytes for one in rounds] == [config.partials.element_bytes] * (len(rounds) - 1) + [12]
    for planned in rounds:
        counts, traffic = planned.counts, planned.traffic
        read = sum(rounds[one].out_nnz for one in planned.inputs.partials)
        assert counts.partial_in.sum() == read
        assert counts.out.sum() == planned.out_nnz
        # what leaves the root entered the last layer, and so on: never more than before
        layers = counts.layer_in.sum(axis=0)
        assert layers[0] == counts.products.sum() + read
        assert (np.diff(layers) <= 0).all()
        assert layers[-1] >= planned.out_nnz
        misses = (planned.source == np.arange(planned.source.size)).sum()
        assert (traffic.b_elements.sum() > 0) == (misses > 0)
        if not config.dram.count_row_pointers:
            assert traffic.b_pointers.sum() == 0


def test_regions_do_not_overlap() -> None:
    a, b = random_operand(4, 30, 41), random_operand(5, 41, 17)
    plan = make_plan(a, b, load_config(settings={"merge_tree.ways": 2}))
    edges = [(plan.addresses.a, a.nnz * 12), (plan.addresses.b, b.nnz * 12), (plan.addresses.b_pointers, 41 * 8)]
    edges += [(one.out_burst, one.out_nnz * one.out_bytes) for one in plan.rounds]
    for (first, size), (following, _) in pairwise(edges):
        assert following == first + -(-size // 32)


def test_places_of_misses() -> None:
    a = random_operand(6, 300, 300, 0.02)
    plan = make_plan(a, a, load_config(settings={"prefetch.line_elements": 4}))
    planned = plan.rounds[0]
    assert (planned.counts.row_last == np.arange(planned.counts.out.size)).all()
    first = 0
    assert planned.counts.out.size > 5
    for block, requests in enumerate(planned.counts.requests.tolist()):
        own = np.arange(first, first + requests)
        missed = np.flatnonzero(planned.source[own] == own)
        expected = (missed[0], missed[-1]) if missed.size else (-1, -1)
        assert (planned.traffic.first_miss[block], planned.traffic.last_miss[block]) == expected
        first += requests
    assert first == planned.source.size


@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize("first_burst", [0, 5, 1000])
def test_sequential_loads(channels: int, first_burst: int) -> None:
    config = load_config(settings={"dram.channels": channels, "dram.burst_bytes": 32})
    upto = np.array([0, 10, 32, 33, 33, 5000, 5001, 10_000])
    loads = sequential_loads(upto, first_burst, config)
    done = 0
    for block, end in enumerate(upto.tolist()):
        bursts = Counter(range(first_burst + done, first_burst - (-end // 32)))
        assert loads[block].tolist() == channels_of(bursts, channels)
        done = -(-end // 32)


def long_rows(seed: int) -> tuple[RoundCounts, BlockTraffic]:
    """Six blocks, two of them far over the limits."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> Any:
        values = rng.integers(0, 40, (6, *shape))
        values[[1, 4]] *= 50
        return values

    own = np.arange(6)
    counts = RoundCounts(some(), some(), some(), some(), some(), some(3), some(), np.ones(6, int), own + 10, own, own)
    loads = [some(4).astype(np.int32) for _ in range(4)]
    miss = np.where(counts.requests > 0, 0, -1)
    return counts, BlockTraffic(*loads, some(), some(), miss, np.where(miss < 0, -1, counts.requests - 1))


@pytest.mark.parametrize("seed", range(5))
def test_cutting_long_rows_keeps_the_sums(seed: int) -> None:
    counts, traffic = long_rows(seed)
    limits = BlockLimits(elements=50, requests=50, a_elements=50, partial_in=50, shares=1)
    cut, cut_traffic = cut_long_rows(counts, traffic, limits)
    assert cut.out.size > 10
    whole = np.searchsorted(cut.row_first, cut.row_first, side="left")
    assert (whole == cut.row_first).all()
    kept = ("rows", "last_row", "row_first", "row_last", "first_miss", "last_miss")
    for before, after in ((counts, cut), (traffic, cut_traffic)):
        for field in fields(before):
            if field.name in kept:
                continue
            old, new = getattr(before, field.name), getattr(after, field.name)
            assert new.dtype == old.dtype
            # by row, not only over all
            summed = np.add.reduceat(new, np.unique(cut.row_first), axis=0)
            assert (summed == old).all(), field.name
            slices = cut.row_last - cut.row_first + 1
            even = old[np.searchsorted(np.unique(cut.row_first), cut.row_first)]
            share = even / (slices[:, None] if old.ndim == 2 else slices)
            assert (np.abs(new - share) <= 1).all(), field.name
    assert (cut.products + cut.partial_in <= 2 * CUT_ELEMENTS + 2).all()
    assert (cut.requests <= 2 * 50 + 1).all()
    assert (cut.partial_in <= 2 * 50 + 1).all()
    assert sorted(set(cut.last_row.tolist())) == counts.last_row.tolist()
    inside = cut_traffic.last_miss >= 0
    assert (cut_traffic.last_miss[inside] < np.maximum(cut.requests[inside], 1)).all()


def test_short_rows_are_not_cut() -> None:
    counts, traffic = long_rows(1)
    limits = BlockLimits(elements=10**6, requests=10**6, a_elements=10**6, partial_in=10**6, shares=1)
    assert cut_long_rows(counts, traffic, limits) == (counts, traffic)


def test_block_limits_follow_the_machine() -> None:
    config = SpArchConfig()
    limits = block_limits(config)
    assert limits.elements == config.event.block_elements
    assert limits.requests in (1024 // 2, 1024 // 4)
    small = block_limits(load_config(settings={"prefetch.lines": 16, "partials.fifo_depth": 8, "merge_tree.ways": 2}))
    assert small.requests <= 16 // 2
    assert small.partial_in <= 8 // 2
    assert block_limits(load_config(settings={"lookahead.elements": 64})).a_elements == 8


def test_blocks_keep_to_their_limits() -> None:
    """But for one row: a block is closed by the row that reaches a limit, and rows over twice a limit are cut."""
    rng = np.random.default_rng(8)
    dense = rng.random((200, 200)) * (rng.random((200, 200)) < 0.03)
    dense[[10, 90]] = 1
    a = Operand.of(dense)
    config = load_config(settings={"merge_tree.ways": 128, "prefetch.lines": 64, "event.block_elements": 200})
    limits = block_limits(config)
    for planned in make_plan(a, a, config).rounds:
        assert (planned.counts.requests <= 3 * limits.requests).all()
        assert (planned.counts.products <= 3 * limits.elements).all()


def test_warm_buffer_reads_less() -> None:
    a = random_operand(7, 80, 80)
    cold, warm = (
        make_plan(a, a, load_config(settings={"merge_tree.ways": 2, "prefetch.keep_between_rounds": keep}))
        for keep in (False, True)
    )
    read = [[int(one.traffic.b_elements.sum()) for one in plan.rounds] for plan in (cold, warm)]
    assert len(read[0]) > 3
    assert read[0][0] == read[1][0]
    assert sum(read[1]) == a.nnz < sum(read[0])  # everything fits: each row once in all
    assert all((one.source == -1).sum() > 0 for one in warm.rounds[1:-1] if one.source.size)


def test_shapes_that_do_not_multiply() -> None:
    with pytest.raises(WorkloadError, match="shapes do not multiply: 2 x 3 times 4 x 2; B needs 3 rows"):
        make_plan(Operand.of(np.ones((2, 3))), Operand.of(np.ones((4, 2))), SpArchConfig())


def test_empty_product() -> None:
    plan = make_plan(Operand.of(np.zeros((3, 4))), Operand.of(np.ones((4, 2))), SpArchConfig())
    assert (plan.rounds, plan.product.nnz, plan.condensed_columns) == ([], 0, 0)


def test_plan_is_the_same_every_time() -> None:
    a = random_operand(9)
    config = load_config(settings={"merge_tree.ways": 4, "schedule.policy": "random", "schedule.seed": 3})
    one, other = make_plan(a, a, config), make_plan(a, a, config)
    for left, right in zip(one.rounds, other.rounds, strict=True):
        assert left.inputs.leaves.tolist() == right.inputs.leaves.tolist()
        assert left.source.tolist() == right.source.tolist()
        assert (left.counts.layer_in == right.counts.layer_in).all()


@pytest.mark.parametrize(("lines", "share"), [(16, 1.0), (150, 1.0), (299, 1.0), (300, 0.0), (1024, 0.0)])
def test_crowded_rows_need_more_than_a_third_of_the_buffer(lines: int, share: float) -> None:
    """One row of the product that asks for 100 lines."""
    config = load_config(settings={"merge_tree.ways": 128, "prefetch.lines": lines})
    assert crowded_share(make_plan(Operand.of(np.ones((1, 100))), Operand.of(np.ones((100, 1))), config)) == share


def test_nothing_is_crowded_by_nothing() -> None:
    empty = Operand.of(np.zeros((3, 3)))
    assert crowded_share(make_plan(empty, empty, SpArchConfig())) == 0.0
