"""`SparchOracle` as an oracle: sums of layer prices, flags for what SpArch does not run, caching, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.cache import ResultCache
from sim.errors import ConfigError, WorkloadError
from sim.operator import Operator
from sim.oracle import Oracle
from sim.sparch import simulate
from sim.sparch.config import load_config
from sim.sparch_oracle import SparchOracle
from sim.sparch_oracle.lowering import lower, random_operands
from sim.workload import Context, WorkloadBatch

DENSE = Operator("linear", (16, 48), 32, weight_density=0.2, activation_density=0.5)
CONV = Operator(
    "conv2d", (8, 10, 10), 16, kernel=(3, 3), padding=(1, 1, 1, 1), weight_density=0.3, activation_density=0.6
)
DEPTHWISE = Operator("conv2d", (6, 8, 8), 6, kernel=(3, 3), groups=6, weight_density=0.9)
NORM = Operator("norm", (16, 32), function="layer")


def test_it_is_an_oracle_with_a_fingerprint_of_its_own() -> None:
    plain, slow = SparchOracle(), SparchOracle(load_config(settings={"clock_hz": 5e8}))
    assert isinstance(plain, Oracle)
    assert (plain.name, SparchOracle(fidelity="surrogate").name) == ("sparch", "sparch-surrogate")
    others = [slow, SparchOracle(seed=1), SparchOracle(fidelity="surrogate")]
    assert len({plain.fingerprint, *(one.fingerprint for one in others)}) == 4
    assert plain.fingerprint == SparchOracle().fingerprint


def test_a_network_is_the_sum_of_its_layers_at_the_better_order() -> None:
    expected = {}
    for op in (DENSE, CONV):
        weights, activations = random_operands(lower(op)[0], 3)
        runs = (simulate(weights, activations), simulate(activations.T.tocsr(), weights.T.tocsr()))
        expected[op] = min(runs, key=lambda run: run.cycles)
    batch = WorkloadBatch.of([[DENSE, NORM, DENSE], [CONV]], names=["two", "one"])
    table = SparchOracle(seed=3).cost(batch, breakdown=True)
    twice, once = expected[DENSE], expected[CONV]
    np.testing.assert_allclose(table["latency_s"], [2 * twice.seconds, once.seconds])
    np.testing.assert_allclose(table["energy_j"], [2 * twice.energy_j.total, once.energy_j.total])
    assert table["dram_bytes"].tolist() == [2 * twice.dram_bytes.total, once.dram_bytes.total]
    assert table["macs"].tolist() == batch.macs.tolist()
    assert table["latency_low_s"].tolist() == table["latency_high_s"].tolist() == table["latency_s"].tolist()
    assert table.flags == [("not on SpArch, not priced: norm",), ()]
    assert [(one.operator, one.count) for one in table.breakdown[0]] == [(DENSE, 2)]
    assert table.breakdown[0][0].latency_s == pytest.approx(2 * twice.seconds)


def test_groups_run_one_after_another() -> None:
    oracle = SparchOracle()
    ((layer, price),) = oracle.operator_layers(DEPTHWISE)
    weights, activations = random_operands(lower(DEPTHWISE)[0])
    runs = (simulate(weights, activations), simulate(activations.T.tocsr(), weights.T.tocsr()))
    assert (layer.rows, layer.inner, layer.copies) == (1, 9, 6)
    assert price.cycles == 6 * min(run.cycles for run in runs)


def test_the_batch_size_makes_columns() -> None:
    ((layer, _),) = SparchOracle().operator_layers(DENSE, 4)
    assert (layer.rows, layer.inner, layer.cols) == (32, 48, 64)
    batch = WorkloadBatch.of([[DENSE]], context=Context(batch_size=4))
    ((cost,),) = SparchOracle().cost(batch, breakdown=True).breakdown
    assert cost.macs == 4 * DENSE.macs


def test_a_second_oracle_finds_what_the_first_simulated(tmp_path: Path) -> None:
    batch = WorkloadBatch.of([[DENSE, CONV]])
    first, second = (SparchOracle(cache=ResultCache(tmp_path)) for _ in range(2))
    prices = first.cost(batch).rows()
    assert first.simulations == 4
    assert second.cost(batch).rows() == prices
    assert second.simulations == 0
    other = SparchOracle(load_config(settings={"dram.channels": 8}), cache=ResultCache(tmp_path))
    assert other.cost(batch).rows() != prices
    assert other.simulations == 4
    first.cost(batch)
    assert first.simulations == 4


def test_progress_is_told_layer_by_layer() -> None:
    told: list[tuple[str, int, int]] = []
    SparchOracle(progress=lambda *one: told.append(one)).cost(WorkloadBatch.of([[DENSE, CONV]]))
    assert [one for one in told if one[0] == "layers"] == [("layers", 1, 2), ("layers", 2, 2)]


def test_what_it_cannot_run_is_named_with_its_share_of_the_macs() -> None:
    light = Operator("light_conv", (10, 8), kernel=(3,), heads=2)
    batch = WorkloadBatch.of([[DENSE, Operator("fused", fused=(light, NORM))]])
    share = 100 * light.macs / (light.macs + DENSE.macs)
    with pytest.raises(WorkloadError, match=rf"cannot run light_conv of shape \(10, 8\), {share:.1f} % of the MACs"):
        SparchOracle().cost(batch)


def test_an_unknown_fidelity_is_refused() -> None:
    with pytest.raises(ConfigError, match="no fidelity 'surogate'; nearest: surrogate"):
        SparchOracle(fidelity="surogate")


def test_attention_and_matmul_are_priced() -> None:
    ops = [Operator("attention", (10, 24), length=13, heads=3), Operator("matmul", (3, 7, 4), others=((3, 4, 5),))]
    table = SparchOracle().cost(WorkloadBatch.of([ops]), breakdown=True)
    assert len(table.breakdown[0]) == 2
    assert min(one.latency_s for one in table.breakdown[0]) > 0
