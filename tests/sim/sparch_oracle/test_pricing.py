"""A layer's price is what the simulator says, in both orders, kept by content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from sim.cache import ResultCache
from sim.errors import ConfigError, WorkloadError
from sim.operator import Operator
from sim.sparch import simulate, simulation
from sim.sparch.config import load_config
from sim.sparch_oracle import price_layer, price_operator
from sim.sparch_oracle.lowering import activation_matrices, weight_matrix


def layer() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return (
        sp.random_array((60, 90), density=0.1, rng=rng, format="csr"),
        sp.random_array((90, 40), density=0.6, rng=rng, format="csr"),
    )


def test_both_orders_are_simulated_and_the_better_named() -> None:
    weights, activations = layer()
    price = price_layer(weights, activations)
    expected = {
        "weights_first": simulate(weights, activations),
        "activations_first": simulate(activations.T.tocsr(), weights.T.tocsr()),
    }
    assert {one.order for one in price.orders} == set(expected)
    for one in price.orders:
        result = expected[one.order]
        assert one.source == "event"
        assert (one.cycles, one.seconds) == (result.cycles, result.seconds)
        assert (one.energy_j, one.dram_bytes) == (result.energy_j.total, result.dram_bytes.total)
    assert price.cycles == min(result.cycles for result in expected.values())
    assert price.order == min(expected, key=lambda name: expected[name].cycles)


def test_one_order_and_another_machine() -> None:
    weights, activations = layer()
    slow = load_config(settings={"dram.channels": 1})
    price = price_layer(weights, activations, config=slow, order="activations_first")
    assert [one.order for one in price.orders] == ["activations_first"]
    assert price.cycles == simulate(activations.T.tocsr(), weights.T.tocsr(), config=slow).cycles


def test_a_second_call_simulates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, activations = layer()
    cache = ResultCache(tmp_path)
    first = price_layer(weights, activations, cache=cache)
    runs: list[int] = []
    real = simulation.simulate

    def counted(*args: Any, **named: Any) -> Any:
        runs.append(1)
        return real(*args, **named)

    monkeypatch.setattr(simulation, "simulate", counted)
    assert price_layer(weights * 2.0, activations, cache=cache) == first  # values change no figure
    assert not runs
    moved = weights.tolil()
    moved[0, :] = 0
    moved[0, 5] = 1.0
    assert price_layer(moved.tocsr(), activations, cache=cache) != first
    assert len(runs) == 2


def test_empty_weights_cost_nothing_to_multiply() -> None:
    price = price_layer(sp.csr_array((8, 9)), np.ones((9, 4)))
    assert price.best.dram_bytes <= 9 * 4 * 12


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kind", ["conv2d", "conv_transpose2d"])
def test_pruned_weights_of_a_convolution(kind: str, groups: int) -> None:
    op = Operator(kind, (8, 6, 6), 12, kernel=(3, 3), groups=groups)
    rng = np.random.default_rng(4)
    shape = (12, 8 // groups, 3, 3) if kind == "conv2d" else (8, 12 // groups, 3, 3)
    weights = rng.normal(size=shape)
    weights[np.abs(weights) < np.quantile(np.abs(weights), 0.8)] = 0  # magnitude pruning
    inputs = np.maximum(rng.normal(size=(2, 8, 6, 6)), 0)  # ReLU
    prices = price_operator(op, weights, inputs)
    assert len(prices) == groups
    pairs = zip(weight_matrix(weights, op), activation_matrices(inputs, op), strict=True)
    for price, (w, x) in zip(prices, pairs, strict=True):
        assert w.shape[1] == x.shape[0]
        assert price.orders == price_layer(w, x).orders
    assert sum(w.nnz for w in weight_matrix(weights, op)) == np.count_nonzero(weights)


def test_inputs_of_another_shape_are_refused() -> None:
    op = Operator("linear", (7, 12), 5)
    with pytest.raises(WorkloadError, match=r"linear: inputs of shape \(3, 11\), expected \(…, 12\)"):
        price_operator(op, np.ones((5, 12)), np.ones((3, 11)))
    with pytest.raises(WorkloadError, match=r"conv2d: inputs of shape \(4, 9, 9\), expected \(samples"):
        price_operator(Operator("conv2d", (4, 9, 9), 2, kernel=(1, 1)), np.ones((2, 4, 1, 1)), np.ones((4, 9, 9)))
    assert price_operator(op, np.eye(5, 12), np.ones((2, 3, 12)))[0].cycles > 0


def test_errors_are_one_line() -> None:
    weights, activations = layer()
    with pytest.raises(ConfigError, match="no operand order 'weights'; nearest: weights_first"):
        price_layer(weights, activations, order="weights")
    with pytest.raises(WorkloadError, match="weights 60 x 90 do not multiply activations 40 x 90; they need 90 rows"):
        price_layer(weights, activations.T)
    with pytest.raises(WorkloadError, match="weights: contains NaN"):
        price_layer(np.full((2, 90), np.nan), activations)
