"""The cycle model over all rounds of a plan: its own product, its own counts."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from sim.sparch.config import SpArchConfig, load_config
from sim.sparch.cycle_run import run_cycles, sparse_rows
from sim.sparch.operand import Operand
from sim.sparch.plan import make_plan
from sim.sparch.simulation import product_csr


@pytest.fixture
def a() -> Operand:
    """Mixed signs, 30 x 30."""
    rng = np.random.default_rng(9)
    return Operand.of(rng.standard_normal((30, 30)) * (rng.random((30, 30)) < 0.3))


@pytest.mark.parametrize("ways", [2, 4, 64])
def test_product_and_counts(a: Operand, ways: int) -> None:
    plan = make_plan(a, a, load_config(settings={"merge_tree.ways": ways}))
    calls: list[tuple[int, int]] = []
    run = run_cycles(plan, progress=lambda done, total: calls.append((done, total)))
    dense = a.scipy().toarray()
    np.testing.assert_allclose(product_csr(run.product, (30, 30)).toarray(), dense @ dense, rtol=1e-12, atol=1e-12)
    assert run.product.nnz == plan.product.nnz
    assert run.layer_in.tolist() == sum(one.counts.layer_in.sum(axis=0) for one in plan.rounds).tolist()
    assert run.bursts["a"] == sum(one.traffic.a_loads.sum() for one in plan.rounds)
    assert run.bursts["b"] == sum(one.traffic.b_loads.sum() for one in plan.rounds)
    assert len(run.round_ends) == len(plan.rounds)
    assert run.round_ends == sorted(run.round_ends)
    assert run.round_ends[-1] == run.cycles
    assert calls[-1] == (len(plan.rounds), len(plan.rounds))
    for ledger in run.ledgers.values():
        assert sum(ledger.values()) == run.cycles


def test_rounds_build_on_what_the_cycle_model_merged(a: Operand) -> None:
    plan = make_plan(a, a, load_config(settings={"merge_tree.ways": 2}))
    assert plan.partials == []  # nothing to lean on
    assert len(plan.rounds) > 2
    assert run_cycles(plan).product.nnz == plan.product.nnz


def test_nothing_to_do() -> None:
    empty = Operand.of(np.zeros((4, 4)))
    run = run_cycles(make_plan(empty, empty, SpArchConfig()))
    assert (run.cycles, run.product.nnz, run.round_ends, sum(run.bursts.values())) == (0, 0, [], 0)


def test_sparse_rows() -> None:
    rows = sparse_rows(np.array([3, 5, 21]), np.array([1.0, 2.0, 3.0]), 10)
    assert rows.rows.tolist() == [0, 2]
    assert rows.start.tolist() == [0, 2, 3]
    assert rows.indices.tolist() == [3, 5, 1]


def test_negative_zero_keeps_its_sign() -> None:
    """What the merger adds to a fresh element must change no value: +0.0 would turn -0.0 into +0.0."""
    a = sp.csr_array(([-1.0], ([0], [0])), shape=(1, 1))
    b = sp.csr_array(([0.0, 2.0], ([0, 0], [0, 1])), shape=(1, 2))
    product = run_cycles(make_plan(Operand.of(a), Operand.of(b), SpArchConfig())).product
    assert product_csr(product, (1, 2)).toarray().tolist() == [[0.0, -2.0]]
    assert np.signbit(product.data).all()
