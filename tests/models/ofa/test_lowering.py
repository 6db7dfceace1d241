"""A population lowered by arrays is what its networks are, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.ofa import resnet_space
from models.ofa.lowering import lower, lower_population
from models.ofa.space import SPACES, space
from sim.errors import InputError
from sim.fusion import INFERENCE, fuse
from sim.network import Network
from sim.workload import FEATURES, Context, WorkloadBatch


def assert_rows(batch: WorkloadBatch, networks: list[Network]) -> None:
    single = WorkloadBatch.of(networks)
    for column in ("macs", "params", "weight_bytes", "bytes_read", "bytes_written"):
        assert getattr(batch, column).tolist() == getattr(single, column).tolist()
    for name in FEATURES:
        assert batch.network_features[name].tolist() == single.network_features[name].tolist()
    column = {op: place for place, op in enumerate(single.operators)}
    assert set(batch.operators) == set(single.operators)
    order = [column[op] for op in batch.operators]
    assert np.array_equal(batch.counts.toarray(), single.counts.toarray()[:, order])


@pytest.mark.parametrize("fusion", [(), INFERENCE], ids=["plain", "fused"])
@pytest.mark.parametrize("name", SPACES)
def test_a_population_is_its_networks(name: str, fusion: tuple[str, ...]) -> None:
    one = space(name)
    population = one.sample(25, np.random.default_rng(5))
    batch = lower_population(one, population, fusion=fusion)
    assert_rows(batch, [fuse(lower(one, population[row]), fusion) for row in range(25)])


@pytest.mark.parametrize("fusion", [(), INFERENCE], ids=["plain", "fused"])
def test_a_resnet_population_is_its_networks(fusion: tuple[str, ...]) -> None:
    population = resnet_space.sample(25, np.random.default_rng(6))
    batch = resnet_space.lower_population(population, fusion=fusion)
    assert_rows(batch, [fuse(resnet_space.lower(population[row]), fusion) for row in range(25)])


def test_the_same_population_has_the_same_fingerprint_whatever_came_before() -> None:
    one = space("mbv3-w1.0")
    first, second = (one.sample(20, np.random.default_rng(seed)) for seed in (7, 8))
    alone = lower_population(one, first).fingerprint
    lower_population(one, second)
    assert lower_population(one, first).fingerprint == alone != lower_population(one, second).fingerprint


def test_the_context_is_applied() -> None:
    one = space("mbv3-w1.0")
    population = one.sample(3, np.random.default_rng(9))
    wide = lower_population(one, population)
    narrow = lower_population(one, population, context=Context(batch_size=2, dtype="int8"))
    assert (narrow.macs == 2 * wide.macs).all()
    assert (4 * narrow.weight_bytes == wide.weight_bytes).all()


def test_an_empty_population_is_an_empty_batch() -> None:
    one = space("mbv3-w1.0")
    assert len(lower_population(one, one.sample(0, np.random.default_rng(0)))) == 0


def test_an_architecture_of_another_space_is_refused() -> None:
    other: Any = space("proxyless-w1.3").uniform(3, 3, 2)
    with pytest.raises(InputError, match="'ks' needs 20 values, got 21"):
        lower(space("mbv3-w1.0"), other)
