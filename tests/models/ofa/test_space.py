"""The Once-for-All spaces: sizes, refusals, sampling, variation, encoding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from models.ofa import resnet_space
from models.ofa.architecture import Architecture, Population
from models.ofa.space import SPACES, Space, space
from sim.errors import InputError

V3 = space("mbv3-w1.2")


def test_sizes_are_exact() -> None:
    assert space("mbv3-w1.0").size == space("mbv3-w1.2").size == 7371**5 == 21_758_655_492_572_485_851
    assert space("proxyless-w1.3").size == 9 * 7371**5


def test_the_size_is_the_number_of_networks_that_differ() -> None:
    small = Space(
        "small",
        8,
        8,
        (8,),
        (2,),
        slots=(2,),
        squeeze=(False,),
        functions=("relu",) * 4,
        expand=0,
        mix=8,
        kernels=(3, 5),
        expansions=(3,),
        depths=(1, 2),
    )
    everything = itertools.product((3, 5), (3, 5), (1, 2))
    population = Population.of(Architecture((k1, k2), (3, 3), (d,), 224) for k1, k2, d in everything)
    codes = np.hstack([population.ks * small.active(population), population.d])
    assert small.size == len(np.unique(codes, axis=0)) == 6


def test_widths_follow_the_multiplier() -> None:
    assert (space("mbv3-w1.0").widths, space("mbv3-w1.0").expand) == ((24, 40, 80, 112, 160), 960)
    assert (V3.stem, V3.first, V3.widths, V3.expand, V3.mix) == (24, 24, (32, 48, 96, 136, 192), 1152, 1536)
    assert space("proxyless-w1.3").widths == (32, 56, 104, 128, 248, 416)


@pytest.mark.parametrize(
    ("arch", "words"),
    [
        (Architecture((3,) * 19, (3,) * 20, (2,) * 5, 224), "'ks' needs 20 values, got 19"),
        (Architecture((3,) * 20, (3,) * 20, (2,) * 4, 224), "'d' needs 5 values, got 4"),
        (Architecture((3,) * 19 + (9,), (3,) * 20, (2,) * 5, 224), r"ks\[19\] is 9.*nearest: 7"),
        (Architecture((3,) * 20, (5,) + (3,) * 19, (2,) * 5, 224), r"e\[0\] is 5.*nearest: 4"),
        (Architecture((3,) * 20, (3,) * 20, (2, 2, 1, 2, 2), 224), r"d\[2\] is 1.*nearest: 2"),
        (Architecture((3,) * 20, (3,) * 20, (2,) * 5, 16), "resolution 16"),
    ],
)
def test_what_is_not_of_the_space_is_named(arch: Architecture, words: str) -> None:
    with pytest.raises(InputError, match=words):
        V3.validate(arch)


def test_unknown_spaces_are_named() -> None:
    with pytest.raises(InputError, match=r"nearest: mbv3-w1\.2"):
        space("mbv3-w12")


@pytest.mark.parametrize("name", SPACES)
def test_samples_are_valid_and_reach_every_choice(name: str) -> None:
    one = space(name)
    population = one.sample(300, np.random.default_rng(1))
    for row in range(0, 300, 10):
        one.validate(population[row])
    assert set(np.unique(population.ks)) == set(one.kernels)
    assert set(np.unique(population.d)) == set(one.depths)
    assert set(np.unique(population.r)) <= set(one.resolutions)
    again = one.sample(300, np.random.default_rng(1))
    assert np.array_equal(population.e, again.e)
    assert set(one.sample(20, np.random.default_rng(1), resolutions=(160,)).r) == {160}


def test_mutation_changes_the_share_it_is_told() -> None:
    rng = np.random.default_rng(2)
    parents = Population.of([V3.uniform(3, 3, 2, 128)] * 4000)
    same = V3.mutate(parents, rng, 0.0)
    assert all(np.array_equal(getattr(same, key), getattr(parents, key)) for key in ("ks", "e", "d", "r"))
    children = V3.mutate(parents, rng, 0.3)
    changed = (children.ks != 3) | (children.e != 3)
    assert changed.mean() == pytest.approx(0.3 * 8 / 9, abs=0.01)
    assert (children.d != 2).mean() == pytest.approx(0.3 * 2 / 3, abs=0.02)
    assert np.all(V3.mutate(parents, rng, 1.0, resolution=False).r == 128)


def test_crossing_takes_each_gene_from_a_parent() -> None:
    rng = np.random.default_rng(3)
    mothers, fathers = (
        Population.of([V3.uniform(k, e, d, r)] * 500) for k, e, d, r in ((3, 3, 2, 128), (7, 6, 4, 224))
    )
    children = V3.cross(mothers, fathers, rng)
    assert set(np.unique(children.ks)) == {3, 7}
    assert set(np.unique(children.r)) == {128, 224}
    assert children.ks.mean() == pytest.approx(5, abs=0.1)


def test_encoding_is_one_hot_and_leaves_out_what_is_not_there() -> None:
    population = Population.of([V3.uniform(7, 6, 2, 224), V3.uniform(3, 4, 4, 128), V3.uniform(3, 4, 4, 130)])
    code = V3.encode(population)
    assert code.shape == (3, 60 + 60 + 25)
    assert code[:, :60].sum(axis=1).tolist() == [10, 20, 20]
    assert code[0, :6].tolist() == [0, 0, 1, 0, 0, 1]
    assert code[0, 6:12].tolist() == [0] * 6
    assert code[:, 120:].sum(axis=1) == pytest.approx([1, 1, 1])
    assert code[2, 120:122].tolist() == [0.5, 0.5]
    unused = Population(population.ks.copy(), population.e, population.d, population.r)
    unused.ks[0, 2] = 5
    assert np.array_equal(V3.encode(unused), code)


def test_populations_join_and_split() -> None:
    population = V3.sample(10, np.random.default_rng(4))
    whole = Population.concatenate([population.select(slice(0, 3)), population.select(slice(3, None))])
    assert [whole[row] for row in range(10)] == [population[row] for row in range(10)]
    assert Architecture.of(population[0].record()) == population[0]
    assert Architecture.of({**population[0].record(), "r": [224]}).r == 224


def test_resnet_space() -> None:
    stages = 1
    for base in (2, 2, 4, 2):
        stages *= sum(3 ** (base + depth) for depth in (0, 1, 2))
    assert resnet_space.size() == 2 * 3**6 * stages
    arch = resnet_space.uniform(1, 0.25, 0.8)
    assert resnet_space.ResNetArchitecture.of(arch.record()) == arch
    assert resnet_space.ResNetArchitecture.of({**arch.record(), "w": [2, 0, 0, 0, 0, 1]}).w[0] == 1.0
    with pytest.raises(InputError, match=r"e\[0\] is 0.3, .*nearest: 0.25"):
        resnet_space.uniform(1, 0.3, 0.8)
    with pytest.raises(InputError, match="'d' needs 5 values"):
        resnet_space.validate(resnet_space.ResNetArchitecture((1,), arch.e, arch.w, 224))


def test_spread_samples_reach_further_than_uniform_ones() -> None:
    one = space("mini")
    spread, uniform = one.sample_spread(4_000, np.random.default_rng(3)), one.sample(4_000, np.random.default_rng(3))
    for row in range(0, 4_000, 40):
        one.validate(spread[row])
    assert spread.e.mean(axis=1).std() > 1.5 * uniform.e.mean(axis=1).std()
    assert spread.e.mean() == pytest.approx(uniform.e.mean(), rel=0.02)
    for found, choices in ((spread.ks, one.kernels), (spread.d, one.depths), (spread.r, one.resolutions)):
        assert set(np.unique(found)) == set(choices)
    assert np.corrcoef(spread.ks.mean(axis=1), spread.e.mean(axis=1))[0, 1] > 0.4
