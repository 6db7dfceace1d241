"""`merge_round` against SciPy, and its counts against a merge tree in plain Python."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from sim.sparch.condensed import Leaves, RoundElements
from sim.sparch.operand import Operand
from sim.sparch.product import BlockLimits, MergedRound, SparseRows, count_layers, merge_round

ENDLESS = BlockLimits(elements=2**40, requests=2**40, a_elements=2**40, partial_in=2**40, shares=1)
Stream = list[tuple[tuple[int, int], float]]


def random_operand(seed: int, rows: int, cols: int, density: float) -> Operand:
    rng = np.random.default_rng(seed)
    return Operand.of(rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < density))


def random_partial(seed: int, rows: int, cols: int, density: float = 0.1) -> SparseRows:
    """Only rows that hold something; the columns of a row are shuffled."""
    rng = np.random.default_rng(seed)
    dense = rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < density)
    held = [row for row in range(rows) if dense[row].any()]
    columns = [rng.permutation(np.flatnonzero(dense[row])) for row in held]
    return SparseRows(
        np.array(held, np.int32),
        np.cumsum([0, *(one.size for one in columns)]).astype(np.int64),
        np.concatenate([np.zeros(0, int), *columns]).astype(np.int32),
        np.concatenate([np.zeros(0), *(dense[row, one] for row, one in zip(held, columns, strict=True))]),
    )


def stream_of(partial: SparseRows) -> Stream:
    """Elements in row-major order."""
    rows = np.repeat(partial.rows, np.diff(partial.start))
    return sorted(zip(zip(rows.tolist(), partial.indices.tolist(), strict=True), partial.data.tolist(), strict=True))


def leaf_streams(a: Operand, b: Operand, elements: RoundElements, leaves: int) -> list[Stream]:
    """Products of each input, in row-major order."""
    streams: list[Stream] = [[] for _ in range(leaves)]
    rows = np.repeat(elements.rows, np.diff(elements.start))
    for row, at, slot in zip(rows.tolist(), elements.element.tolist(), elements.slot.tolist(), strict=True):
        k = a.indices[at]
        for y in range(b.indptr[k], b.indptr[k + 1]):
            streams[slot].append(((row, int(b.indices[y])), a.data[at] * b.data[y]))
    return streams


def merge_two(left: Stream, right: Stream) -> Stream:
    """A merger and its adder slices."""
    out: Stream = []
    for key, value in sorted(left + right, key=lambda element: element[0]):
        if out and out[-1][0] == key:
            out[-1] = (key, out[-1][1] + value)
        else:
            out.append((key, value))
    return out


def tree(streams: list[Stream], ways: int) -> tuple[Stream, list[Counter[int]]]:
    """What leaves the root, and the elements that enter each layer, by row."""
    level = streams + [[] for _ in range(ways - len(streams))]
    entering = []
    while len(level) > 1:
        entering.append(Counter(key[0] for stream in level for key, _ in stream))
        level = [merge_two(level[place], level[place + 1]) for place in range(0, len(level), 2)]
    return level[0], entering


def merge(
    a: Operand, b: Operand, leaves: int, partials: list[SparseRows], ways: int, limits: BlockLimits = ENDLESS
) -> tuple[MergedRound, RoundElements]:
    elements = Leaves(a, True).gather(np.arange(leaves))
    return (
        merge_round(a, b, elements, partials, ways=ways, lanes=4, line_elements=3, limits=limits),
        elements,
    )


def check(a: Operand, b: Operand, leaves: int, partials: list[SparseRows], ways: int, limits: BlockLimits) -> None:
    """Everything that a round reports, against the plain tree."""
    found, elements = merge(a, b, leaves, partials, ways, limits)
    streams = leaf_streams(a, b, elements, leaves) + [stream_of(partial) for partial in partials]
    root, entering = tree(streams, ways)
    counts, merged = found.counts, stream_of(found.merged)
    assert [key for key, _ in merged] == [key for key, _ in root]
    np.testing.assert_allclose([value for _, value in merged], [value for _, value in root], atol=1e-12)
    assert found.merged.nnz == len(root)
    # blocks follow one another over the rows; those without an element of A or a partial matrix are not there
    first = 0
    lengths = np.diff(b.indptr)
    of_row = np.repeat(elements.rows, np.diff(elements.start))
    rows_here = sorted({*elements.rows.tolist(), *(int(row) for partial in partials for row in partial.rows)})
    assert found.merged.rows.tolist() == rows_here
    for block in range(counts.out.size):
        rows = rows_here[first : first + counts.rows[block]]
        first += int(counts.rows[block])
        mine = np.isin(of_row, rows)
        b_rows = lengths[a.indices[elements.element[mine]]]
        assert rows[-1] == counts.last_row[block]
        assert counts.a_elements[block] == mine.sum()
        assert counts.products[block] == b_rows.sum()
        assert counts.slots[block] == (-(-b_rows // 4)).sum()
        assert counts.requests[block] == (-(-b_rows // 3)).sum()
        assert counts.partial_in[block] == sum(key[0] in rows for partial in partials for key, _ in stream_of(partial))
        assert counts.out[block] == sum(key[0] in rows for key, _ in root)
        assert counts.layer_in[block].tolist() == [sum(layer[row] for row in rows) for layer in entering]
    assert first == len(rows_here)
    assert (counts.row_first == np.arange(counts.out.size)).all()
    assert (counts.row_last == np.arange(counts.out.size)).all()


CASES = [(2, 2, 0), (2, 1, 1), (4, 3, 1), (8, 8, 0), (16, 9, 4), (32, 20, 3), (64, 64, 0), (64, 40, 24), (64, 0, 5)]
CASES += [(128, 128, 0), (128, 64, 64), (128, 63, 2), (128, 70, 3), (128, 3, 2), (128, 0, 100)]


@pytest.mark.parametrize("elements", [2**40, 60, 1])
@pytest.mark.parametrize(("ways", "leaves", "partials"), CASES)
def test_round_against_a_plain_tree(ways: int, leaves: int, partials: int, elements: int) -> None:
    a = random_operand(ways + leaves, 12, 140, 0.97)
    b = random_operand(partials, 140, 15, 0.2)
    others = [random_partial(seed, 14, 15) for seed in range(partials)]
    limits = BlockLimits(elements=elements, requests=2**40, a_elements=2**40, partial_in=2**40, shares=1)
    check(a, b, leaves, others, ways, limits)


@pytest.mark.parametrize("limit", ["requests", "a_elements", "partial_in"])
def test_other_limits_of_a_block(limit: str) -> None:
    a, b = random_operand(1, 30, 20, 0.4), random_operand(2, 20, 25, 0.4)
    others = [random_partial(seed, 30, 25) for seed in range(3)]
    limits = BlockLimits(**{**vars(ENDLESS), limit: 12})
    found, _ = merge(a, b, 5, others, 8, limits)
    held = getattr(found.counts, limit)
    assert held.size > 3
    assert (held[:-1] >= 12).all()  # a block is closed as soon as it reaches the limit
    check(a, b, 5, others, 8, limits)


def test_shares_make_blocks_smaller() -> None:
    limits = BlockLimits(elements=1000, requests=9, a_elements=9, partial_in=9, shares=32)
    assert limits.of_round(3200).elements == 100
    assert limits.of_round(10**6).elements == 1000
    assert limits.of_round(0).elements == 1
    assert limits.of_round(3200).requests == 9


@pytest.mark.parametrize("ways", [2, 4, 8, 16, 32, 64, 128])
@pytest.mark.parametrize("kind", ["uniform", "banded", "rectangular"])
def test_whole_product_against_scipy(ways: int, kind: str) -> None:
    """One round, as many leaves as fit."""
    rng = np.random.default_rng(ways)
    if kind == "banded":
        a: Any = sp.diags_array([rng.random(300)] * 5, offsets=[-9, -1, 0, 1, 4], shape=(300, 300)).tocsr()
        b = a
    elif kind == "uniform":
        a = b = sp.random_array((200, 200), density=0.02, rng=rng, format="csr")
    else:
        a = sp.random_array((50, 200), density=0.02, rng=rng, format="csr")
        b = sp.random_array((200, 20), density=0.1, rng=rng, format="csr")
    left, right = Operand.of(a), Operand.of(b)
    leaves = min(ways, Leaves(left, True).count)
    kept = left.data.copy()
    place = np.arange(left.nnz) - np.repeat(left.indptr[:-1], np.diff(left.indptr))
    kept[place >= leaves] = 0
    expected = (sp.csr_array((kept, left.indices, left.indptr), shape=a.shape) @ right.scipy()).toarray()
    found = merge(left, right, leaves, [], ways)[0].merged
    dense = np.zeros(expected.shape)
    dense[np.repeat(found.rows, np.diff(found.start)), found.indices] = found.data
    np.testing.assert_allclose(dense, expected, atol=1e-12)


def test_cancelled_and_explicit_zeros_stay() -> None:
    a = Operand.of(np.array([[1.0, 1.0]]))
    b = Operand.of(np.array([[2.0, 1.0], [-2.0, 0.0]]))
    merged = merge(a, b, 2, [], 2)[0].merged
    assert stream_of(merged) == [((0, 0), 0.0), ((0, 1), 1.0)]
    zero = Operand.of(sp.csr_array(([0.0], ([0], [0])), shape=(1, 1)))
    assert stream_of(merge(zero, zero, 1, [], 2)[0].merged) == [((0, 0), 0.0)]


def test_rows_without_a_product_hold_nothing() -> None:
    a, b = Operand.of(np.eye(3)), Operand.of(np.diag([1.0, 0.0, 1.0]))
    found = merge(a, b, 1, [], 2)[0]
    assert found.merged.rows.tolist() == [0, 1, 2]
    assert found.merged.start.tolist() == [0, 1, 1, 2]
    assert found.counts.out.sum() == 2


def test_operands_and_partials_are_left_alone() -> None:
    a, b = random_operand(3, 10, 10, 0.5), random_operand(4, 10, 10, 0.5)
    partial = random_partial(5, 10, 10, 0.3)
    before = [one.copy() for one in (a.data, b.data, partial.data, partial.indices)]
    found = merge(a, b, 3, [partial], 4)[0]
    found.merged.data[:] = 7
    for now, then in zip((a.data, b.data, partial.data, partial.indices), before, strict=True):
        assert (now == then).all()


@pytest.mark.parametrize("seed", range(20))
def test_folding_of_masks(seed: int) -> None:
    """Elements of one output column that enter each layer, from the bits of its inputs."""
    rng = np.random.default_rng(seed)
    layers = int(rng.integers(1, 7))
    inputs = np.flatnonzero(rng.random(2**layers) < rng.random())
    mask = np.uint64(sum(1 << int(one) for one in inputs))
    counts = np.zeros(layers, np.int64)
    count_layers(mask, counts, layers)
    assert counts.tolist() == [len({int(one) >> layer for one in inputs}) for layer in range(layers)]
