"""`hwloop predict --oracle sparch`: networks with sparse layers on a SpArch machine, each layer with its operand order.

Thin: networks come from `models.zoo`, prices from `sim.sparch_oracle`. Densities given here replace those of every
operator with MACs; simulations are kept by content, so that a second run finds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.operator import Operator
    from sim.oracle import OperatorCost
    from sim.sparch_oracle.oracle import SparchOracle
    from sim.workload import WorkloadBatch


def predict_on_sparch(
    networks: tuple[str, ...],
    batch_file: str | None,
    *,
    weight_density: float | None = None,
    activation_density: float | None = None,
    fidelity: str = "event",
    config_file: str | None = None,
    settings: tuple[str, ...] = (),
    batch_size: int | None = None,
    seed: int = 0,
    breakdown: bool = True,
) -> dict[str, Any]:
    """The record of ``hwloop predict``, with the operand orders of every layer. Raises what the parts raise."""
    from dataclasses import asdict

    from hwloop.progress import Progress
    from hwloop.simulate_command import parse_settings
    from sim.cache import ResultCache
    from sim.sparch.config import load_config
    from sim.sparch_oracle.oracle import SparchOracle
    from sim.workload import Context

    config = load_config(config_file, parse_settings(settings))
    context = Context(batch_size or 1)
    batch = _sparse(_read(networks, batch_file, context), weight_density, activation_density)
    with Progress("event") as progress:
        oracle = SparchOracle(
            config,
            cache=ResultCache(),
            fidelity=fidelity,
            seed=seed,
            progress=progress,
        )
        costs = oracle.cost(batch, breakdown=breakdown)
    rows = costs.rows()
    for row, listed in zip(rows, costs.breakdown, strict=False):
        row["operators"] = [_operator(oracle, one, context.batch_size) for one in listed]
    return {
        "schema": "hwloop.prediction/1",
        "device": oracle.name,
        "label": "simulated" if fidelity == "event" else "estimated, with an error measured against the simulator",
        "context": asdict(context),
        "weight_density": weight_density,
        "activation_density": activation_density,
        "seed": seed,
        "simulations": oracle.simulations,
        "config": config.model_dump(mode="json"),
        "networks": rows,
    }


def _read(networks: tuple[str, ...], batch_file: str | None, context: Any) -> WorkloadBatch:
    if batch_file is not None:
        from models.zoo.batch_file import read_batch

        return read_batch(batch_file, context=context)
    from models.zoo.registry import lower_batch

    return lower_batch(networks, context=context)


def _sparse(batch: WorkloadBatch, weights: float | None, activations: float | None) -> WorkloadBatch:
    from sim.sparch_oracle.lowering import with_densities
    from sim.workload import WorkloadBatch

    operators = [with_densities(op, weights, activations) for op in batch.operators]
    return WorkloadBatch(operators, batch.counts, batch.network_features, context=batch.context, names=batch.names)


def _operator(oracle: SparchOracle, cost: OperatorCost, samples: int) -> dict[str, Any]:
    from hwloop.predict_command import operator_words

    layers = oracle.operator_layers(cost.operator, samples)
    products = [
        {
            "rows": layer.rows,
            "inner": layer.inner,
            "cols": layer.cols,
            "copies": layer.copies,
            "order": price.order,
            "orders": [
                {
                    "order": one.order,
                    "cycles": one.cycles,
                    "latency_s": one.seconds,
                    "energy_j": one.energy_j,
                    "dram_bytes": one.dram_bytes,
                    "source": one.source,
                    "flags": list(one.flags),
                }
                for one in price.orders
            ],
        }
        for layer, price in layers
    ]
    return {
        "operator": f"{operator_words(cost.operator)} [{_orders(cost.operator, products)}]",
        "count": cost.count,
        "latency_s": cost.latency_s,
        "energy_j": cost.energy_j,
        "dram_bytes": cost.dram_bytes,
        "macs": cost.macs,
        "params": cost.params,
        "products": products,
    }


def _orders(op: Operator, products: list[dict[str, Any]]) -> str:
    """Which operand goes first in each product: ``W·X`` or ``Xᵀ·Wᵀ``."""
    short = {"weights_first": "W·X", "activations_first": "Xᵀ·Wᵀ"}
    return ", ".join(dict.fromkeys(short[one["order"]] for one in products)) or op.kind
