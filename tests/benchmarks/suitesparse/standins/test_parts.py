"""The parts of a stand-in: draws, row lengths, symmetric and directed patterns, numberings, the search for knobs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from benchmarks.suitesparse.features import pattern_product_nnz, row_similarity
from benchmarks.suitesparse.matrix import multiplications
from benchmarks.suitesparse.standins.draws import below, draw, fill_values, log_uniform, new_state, shuffle
from benchmarks.suitesparse.standins.lattice import lattice_pattern
from benchmarks.suitesparse.standins.lengths import row_lengths
from benchmarks.suitesparse.standins.network import network_pattern
from benchmarks.suitesparse.standins.numbering import renumber
from benchmarks.suitesparse.standins.recipe import Lattice, LengthShape, Network, Numbering
from benchmarks.suitesparse.standins.search import Goal, Range, root, turn_knobs

MESH = Lattice(width=6, depth=5, keep=0.7, reach=40, diagonal=False)
SHARES = {"copy": 0.3, "hubs": 0.1, "inside": 0.5, "bias": 0.5}
WEB = Network(**SHARES, community=16, near=2, far=8, hub_low=1, hub_high=5, hub_length=4)


def as_csr(pattern: tuple[np.ndarray, np.ndarray]) -> sparse.csr_array:
    indptr, indices = pattern
    rows = indptr.size - 1
    return sparse.csr_array((np.ones(indices.size), indices, indptr), shape=(rows, rows))


def assert_no_duplicates(pattern: tuple[np.ndarray, np.ndarray]) -> None:
    csr = as_csr(pattern)
    nnz = csr.nnz
    csr.sum_duplicates()
    assert csr.nnz == nnz


def test_draws_are_splitmix64() -> None:
    state = np.zeros(1, dtype=np.uint64)
    assert [int(draw(state)) for _ in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_streams_and_seeds_differ() -> None:
    firsts = {int(draw(new_state(seed, stream))) for seed in range(20) for stream in range(20)}
    assert len(firsts) == 400


def test_draws_keep_their_ranges() -> None:
    state = new_state(3, 1)
    counts = np.bincount([below(state, 7) for _ in range(7000)], minlength=7)
    assert counts.size == 7
    assert counts.min() > 800
    ranks = np.array([log_uniform(state, 2, 5) for _ in range(8000)])
    assert (ranks.min(), ranks.max()) == (0, 31)
    classes = np.bincount(np.searchsorted([4, 8, 16, 32], ranks, side="right"))
    assert classes.size == 4
    assert classes == pytest.approx(2000, rel=0.1)
    values = np.empty(10_000)
    fill_values(state, values)
    assert 0.5 <= values.min() < 0.51
    assert 1.49 < values.max() < 1.5
    items = np.arange(100)
    shuffle(state, items)
    assert sorted(items) == list(range(100))
    assert (items != np.arange(100)).sum() > 80


@given(
    rows=st.integers(60, 400),
    mean=st.floats(2.0, 12.0),
    std=st.floats(0.5, 6.0),
    longest=st.integers(20, 50),
    family=st.sampled_from(["pareto", "logistic"]),
    empty=st.sampled_from([0.0, 0.3]),
    alike=st.sampled_from([1, 7, 500]),
)
@settings(max_examples=25)
def test_row_lengths_are_exact(
    rows: int, mean: float, std: float, longest: int, family: str, empty: float, alike: int
) -> None:
    total = int(rows * mean)
    lengths = row_lengths(rows, total, longest, LengthShape(family=family, low=1, std=std, empty=empty, alike=alike), 5)
    assert (lengths.size, lengths.sum(), lengths.max()) == (rows, total, longest)
    assert (lengths == 0).sum() == round(rows * empty)


def test_row_lengths_have_the_deviation() -> None:
    for family, low, std, longest in (("pareto", 1, 6.0, 400), ("logistic", 2, 1.9, 7), ("pareto", 1, 2.5, 10)):
        lengths = row_lengths(50_000, 250_000, longest, LengthShape(family=family, low=low, std=std), 1)
        assert lengths.std() == pytest.approx(std, rel=0.015)
        assert lengths.min() == low


def test_row_lengths_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"no lengths in 1\.\.3 sum to"):
        row_lengths(10, 40, 3, LengthShape(family="pareto", low=1, std=1.0), 1)


def test_alike_rows_lie_together() -> None:
    apart, together = (
        row_lengths(5000, 30_000, 90, LengthShape(family="pareto", low=1, std=5.0, alike=alike), 1) for alike in (1, 50)
    )
    assert sorted(apart) == sorted(together)
    assert np.abs(np.diff(together)).mean() < 0.2 * np.abs(np.diff(apart)).mean()


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("grain", [1, 6])
@pytest.mark.parametrize("longest", [14, 200])
def test_lattice_has_exact_degrees_and_is_symmetric(diagonal: bool, grain: int, longest: int) -> None:
    lengths = row_lengths(1000, 7000, longest, LengthShape(family="pareto", low=1, std=7.0, empty=0.1), 2)
    odd = (lengths.sum() - diagonal * (lengths > 0).sum()) % 2
    lengths[np.flatnonzero(lengths == 3)[0]] += odd
    recipe = dataclasses.replace(MESH, diagonal=diagonal, grain=grain)
    pattern = lattice_pattern(lengths, recipe, 1)
    csr = as_csr(pattern)
    assert np.array_equal(np.diff(csr.indptr), lengths)
    assert abs(csr - csr.T).nnz == 0
    assert_no_duplicates(pattern)
    assert np.array_equal(csr.diagonal() > 0, (lengths > 0) & diagonal)


def test_lattice_says_when_there_is_none() -> None:
    with pytest.raises(ValueError, match="no symmetric pattern of 3 rows"):
        lattice_pattern(np.array([3, 1, 0]), MESH, 1)


def test_a_looser_mesh_has_more_second_neighbours() -> None:
    lengths = row_lengths(3000, 48_000, 30, LengthShape(family="logistic", low=5, std=2.6), 1)
    counts = []
    for keep in (1.0, 0.7, 0.4):
        csr = as_csr(lattice_pattern(lengths, dataclasses.replace(MESH, keep=keep, width=14, depth=14), 1))
        counts.append(pattern_product_nnz(csr, csr))
    assert counts == sorted(counts)
    assert counts[2] > 1.3 * counts[0]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("diagonal", [False, True])
def test_network_has_exact_rows(backward: bool, diagonal: bool) -> None:
    lengths = row_lengths(2000, 12_000, 700, LengthShape(family="pareto", low=1, std=16.0, empty=0.2), 2)
    pattern = network_pattern(lengths, dataclasses.replace(WEB, backward=backward, diagonal=diagonal), 1)
    assert np.array_equal(np.diff(pattern[0]), lengths)
    assert_no_duplicates(pattern)
    csr = as_csr(pattern)
    if diagonal:
        assert np.array_equal(csr.diagonal() > 0, lengths > 0)


def test_citations_point_backward() -> None:
    lengths = row_lengths(3000, 9000, 20, LengthShape(family="pareto", low=1, std=2.0), 1)
    recipe = dataclasses.replace(WEB, backward=True, hubs=0.0, copy=0.0)
    coo = as_csr(network_pattern(lengths, recipe, 1)).tocoo()
    assert (coo.col < coo.row).mean() > 0.98  # rows whose community and past are used up go on to the next free column


def test_each_knob_of_a_network_does_its_work() -> None:
    lengths = row_lengths(20_000, 120_000, 200, LengthShape(family="pareto", low=1, std=8.0), 1)

    def made(**settings: float) -> sparse.csr_array:
        return as_csr(network_pattern(lengths, dataclasses.replace(WEB, hubs=0.0, copy=0.0, **settings), 1))  # type: ignore[arg-type]

    even, by_length = made(bias=0.0), made(bias=1.0)
    assert multiplications(even, even) == pytest.approx(120_000 * 6, rel=0.1)
    size_biased = int((lengths**2).sum()) / 120_000
    assert 0.7 * size_biased < multiplications(by_length, by_length) / 120_000 < 1.05 * size_biased
    loose, tight = made(inside=0.1), made(inside=0.9)
    ratios = [pattern_product_nnz(one, one) / multiplications(one, one) for one in (loose, tight)]
    assert ratios[1] < 0.8 * ratios[0]
    popular = as_csr(network_pattern(lengths, dataclasses.replace(WEB, hubs=0.3), 1))
    degrees = np.bincount(popular.indices, minlength=20_000)
    top = np.argsort(-degrees)[:10]
    assert degrees[top].min() > 20 * degrees.mean()
    assert set(lengths[top]) == {4}
    copied = as_csr(network_pattern(lengths, dataclasses.replace(WEB, copy=0.9), 1))
    alone = as_csr(network_pattern(lengths, dataclasses.replace(WEB, copy=0.0), 1))
    for one in (copied, alone):
        one.sort_indices()
    assert row_similarity(copied) > row_similarity(alone) + 0.3


NUMBERINGS = [
    Numbering(run=1.0, window=0, far=0.0),
    Numbering(run=1.0, window=0, far=1.0),
    Numbering(run=5.0, window=40, far=0.1, parts=3),
]


@pytest.mark.parametrize("numbering", NUMBERINGS)
def test_a_numbering_changes_locality_alone(numbering: Numbering) -> None:
    lengths = row_lengths(1500, 9000, 120, LengthShape(family="pareto", low=1, std=8.0), 2)
    natural = network_pattern(lengths, WEB, 1)
    before, after = as_csr(natural), as_csr(renumber(*natural, numbering, 1))
    assert after.has_canonical_format
    assert sorted(np.diff(after.indptr)) == sorted(lengths)
    assert multiplications(after, after) == multiplications(before, before)
    assert pattern_product_nnz(after, after) == pattern_product_nnz(before, before)
    assert sorted(np.bincount(after.indices, minlength=1500)) == sorted(np.bincount(before.indices, minlength=1500))
    if numbering.far == 0:
        before.sort_indices()
        assert np.array_equal(before.indices, after.indices)


def test_ranges_invert() -> None:
    for span in (Range(0.0, 1.0), Range(1.0, 500.0, "log"), Range(0.0, 1.0, "cubic")):
        for x in (0.0, 0.2, 0.9, 1.0):
            assert span.position(span.value(x)) == pytest.approx(x, abs=1e-5)
    assert Range(1, 100, "log", whole=True).value(0.5) == 10


def test_root_finds_a_crossing_or_the_nearer_end() -> None:
    assert root(lambda x: 1000 * (x**2 - 0.49), 0.1) == pytest.approx(0.7, abs=1e-3)
    assert root(lambda x: 1000 * (0.3 - x), 0.9) == pytest.approx(0.3, abs=1e-3)
    assert root(lambda x: 5 + x, 0.4) == 0.0
    assert root(lambda x: 5 - x, 0.4) == 1.0


def test_knobs_are_turned_together() -> None:
    goals = {
        "one": Goal(3.0, 0.001, "a", Range(0.0, 4.0)),
        "two": Goal(0.5, 0.001, "b", Range(0.0, 1.0), absolute=True),
    }
    found = turn_knobs(
        {"a": 1.0, "b": 0.1, "c": "kept"}, goals, lambda s: {"one": s["a"] + 0.3 * s["b"], "two": s["b"] + 0.1 * s["a"]}
    )
    assert found["c"] == "kept"
    assert found["a"] + 0.3 * found["b"] == pytest.approx(3.0, rel=0.001)
    assert found["b"] + 0.1 * found["a"] == pytest.approx(0.5, abs=0.001)


def test_knobs_that_cannot_reach_come_as_near_as_they_can() -> None:
    goals = {"one": Goal(3.0, 0.001, "a", Range(0.0, 2.0)), "two": Goal(0.5, 0.01, "b", Range(0.0, 1.0))}
    found = turn_knobs({"a": 1.0, "b": 0.1}, goals, lambda s: {"one": s["a"], "two": s["b"]})
    assert found["a"] == 2.0
    assert found["b"] == pytest.approx(0.5, rel=0.01)
