"""Once-for-All spaces as spaces to search: numbers of the device as without a table, enumeration, neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.ofa.lowering import lower_population
from models.ofa.search import OFASpace
from models.ofa.space import SPACES, space
from sim.errors import InputError
from sim.mobile_cost.devices import oracle
from sim.oracle import COLUMNS
from sim.workload import Context, Operator

TINY = replace(
    space("mini"),
    widths=(16, 24),
    strides=(1, 2),
    slots=(2, 2),
    squeeze=(False, False),
    kernels=(3, 5, 7),
    expansions=(2, 3, 4),
    depths=(1, 2),
)


@pytest.mark.parametrize("device", ["note10", "raspberry-pi-5-onnx", "stm32-h7a3"])
@pytest.mark.parametrize("name", ["mbv3-w1.2", "proxyless-w1.3", "mini"])
def test_the_shared_table_gives_the_numbers_of_the_plain_path(name: str, device: str) -> None:
    asked = oracle(device)
    fusion, context = tuple(asked.profile.fusion), Context(2, asked.profile.dtypes[0])
    searched = OFASpace(space(name))
    for seed in range(3):
        population = searched.sample(40, np.random.default_rng(seed))
        plain = asked.cost(lower_population(searched.space, population, fusion=fusion, context=context))
        table = asked.cost(searched.lower(population, fusion=fusion, context=context))
        for column in COLUMNS:
            if plain[column].dtype.kind == "i":
                assert np.array_equal(table[column], plain[column])
            else:
                assert np.allclose(table[column], plain[column], rtol=1e-12, atol=0, equal_nan=True)
        assert list(table.flags) == list(plain.flags)


def test_a_second_population_costs_no_look_at_any_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, searched = oracle("raspberry-pi-5-onnx"), OFASpace(space("mini"))
    fusion, rng = tuple(asked.profile.fusion), np.random.default_rng(0)
    first = searched.lower(searched.sample(40, rng), fusion=fusion)
    asked.cost(first)
    second = searched.lower(searched.sample(40, rng), fusion=fusion)

    def looked(op: Operator) -> None:
        raise AssertionError("an operator was looked at again: keep what follows from it with WorkloadBatch.kept")

    for name in ("parts", "macs", "input_bytes", "output_shape"):
        monkeypatch.setattr(Operator, name, property(looked))
    assert len(asked.cost(second)) == 40


@pytest.mark.parametrize("name", sorted(SPACES))
def test_records_go_there_and_back(name: str) -> None:
    searched = OFASpace(space(name))
    population = searched.sample(20, np.random.default_rng(0))
    again = searched.of_records(searched.records(population))
    for key in ("ks", "e", "d", "r"):
        assert np.array_equal(getattr(again, key), getattr(population, key))
    with pytest.raises(InputError):
        searched.of_records([{**searched.records(population)[0], "ks": [9] * population.ks.shape[1]}])


def test_enumeration_holds_every_network_once() -> None:
    searched = OFASpace(TINY, (20, 28))
    assert searched.size == 2 * (9 + 81) ** 2
    parts = [searched.enumerate(start, start + 1000) for start in range(0, searched.size, 1000)]
    everything = searched.concatenate(parts)
    records = {str(record) for record in searched.records(everything)}
    assert len(everything) == len(records) == searched.size
    assert records == {str(record) for record in searched.records(searched.canonical(everything))}
    searched.of_records(searched.records(everything))
    sampled = searched.canonical(searched.sample(200, np.random.default_rng(0)))
    assert {str(record) for record in searched.records(sampled)} <= records


def test_too_many_to_number() -> None:
    with pytest.raises(InputError, match="too many to number"):
        OFASpace(space("mbv3-w1.2")).enumerate(0, 10)


def test_neighbours_differ_in_one_choice_that_counts() -> None:
    searched = OFASpace(TINY, (20, 28))
    population = searched.sample(5, np.random.default_rng(3))
    one = searched.records(searched.canonical(population.select([2])))[0]
    near = searched.neighbours(population, 2)
    active = int(searched.space.active(population.select([2])).sum())
    assert len(near) == active * (2 + 2) + 2 + 1
    base = searched.records(population.select([2]))[0]
    for record in searched.records(near):
        assert sum(np.sum(np.array(record[key]) != np.array(base[key])) for key in record) == 1
    assert str(one) not in {str(record) for record in searched.records(searched.canonical(near))}


def test_mutation_rates_are_as_asked() -> None:
    searched = OFASpace(space("mbv3-w1.2"), range(160, 225, 16))
    parents = searched.sample(4000, np.random.default_rng(0))
    changed = searched.mutate(parents, np.random.default_rng(1), 0.1, 0.5)
    slots = np.mean((changed.ks != parents.ks) | (changed.e != parents.e))
    assert slots == pytest.approx(0.1 * 8 / 9, abs=0.005)
    assert np.mean(changed.d != parents.d) == pytest.approx(0.1 * 2 / 3, abs=0.01)
    assert np.mean(changed.r != parents.r) == pytest.approx(0.5 * 4 / 5, abs=0.03)


@pytest.mark.parametrize("sides", [(8,), (224, 1)])
def test_resolutions_that_are_too_small(sides: Any) -> None:
    with pytest.raises(InputError, match="is below"):
        OFASpace(space("mbv3-w1.2"), sides)


@pytest.mark.slow
def test_fifty_thousand_queries_beat_random_search_under_note10_budgets(tmp_path: Any) -> None:
    """The figures of the paper's search: 100 x 500, budgets of 15, 20 and 30 ms; a placeholder for the predictor."""
    pytest.importorskip("torch")
    from models.ofa.family import OnceForAll, PredictedAccuracy
    from models.ofa.placeholder import placeholder
    from models.search.constraint import Target
    from models.search.method import Settings
    from models.search.study import Bound, Study, run

    objective = PredictedAccuracy(placeholder(space("mbv3-w1.2")))
    assert objective.predictor.members[0][0][0].shape == (400, 128)
    searched, asked = OnceForAll().space("mbv3-w1.2", (), objective), oracle("note10")
    target = Target(asked, tuple(asked.profile.fusion))
    budgets = {0: (15, 20, 30), 1: (15,), 2: (20,), 3: (30,), 4: (20,)}
    for seed, limits in budgets.items():
        bounds = tuple(Bound("latency", limit * 1e-3) for limit in limits)
        records = [
            run(Study(searched, objective, (target,), bounds, method=method, settings=Settings(), seed=seed))[
                "searches"
            ]
            for method in ("evolution", "random")
        ]
        for limit, found, drawn in zip(limits, *records, strict=True):
            best, other = found["best"]["predicted"], drawn["best"]["predicted"]
            assert found["evaluations"] == drawn["evaluations"] == 50_100
            assert best["costs"][0]["latency_s"] <= limit * 1e-3
            assert best["accuracy"] > other["accuracy"]


@pytest.mark.slow
def test_the_shipped_predictor_s_winners_beat_random_search() -> None:
    """On `mini` at 25, 50 and 75 % of the range that note10 reaches, 50,000 queries each, five seeds."""
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from models.ofa.family import OnceForAll
    from models.search.constraint import Target
    from models.search.method import Settings
    from models.search.study import Bound, Study, run

    objective = OnceForAll().objective("mini", None)
    searched, asked = OnceForAll().space("mini", (), objective), oracle("note10")
    target = Target(asked, tuple(asked.profile.fusion))
    bounds = tuple(Bound("latency", share, share=True) for share in (0.25, 0.50, 0.75))
    for seed in range(5):
        found, drawn = (
            run(Study(searched, objective, (target,), bounds, method=method, settings=Settings(), seed=seed))[
                "searches"
            ]
            for method in ("evolution", "random")
        )
        for one, other in zip(found, drawn, strict=True):
            assert one["best"]["predicted"]["costs"][0]["latency_s"] <= one["constraint"][0]["limit"]
            mine, theirs = one["best"], other["best"]
            better = mine["predicted"]["accuracy"] > theirs["predicted"]["accuracy"]
            assert better or mine["arch"] == theirs["arch"]  # where few networks keep it, chance can find the best too
