"""The price of a layer of which only shapes and densities are known: simulated on seeded operands, or estimated.

The surrogate answers one operand order at a time. Where it refuses, that order is simulated, except where the order is
refused for crowding or padding only and what its busiest resource needs already loses to the other order by a tenth:
then it is named with that figure and is not the better one. Copies (groups, heads) run one after another and cost the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sim.sparch_oracle.lowering import LayerProduct, random_operands
from sim.sparch_oracle.pricing import ORDERS, LayerCost, Order, OrderCost, layer_key, order_cost, simulate_order
from sim.sparch_oracle.surrogate import CROWDED, PADDED, Estimate, Surrogate, as_product

if TYPE_CHECKING:
    from sim.cache import ResultCache
    from sim.sparch.config import SpArchConfig

_LOSES_BY = 1.1
AT_LEAST = "at least; slower than the other order anyway"
Progress = Callable[[str, int, int], None]


def simulate_product(
    layer: LayerProduct,
    config: SpArchConfig,
    orders: Sequence[Order] = ORDERS,
    *,
    cache: ResultCache | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[list[OrderCost], int]:
    """One copy of `layer` in each of `orders`, from `cache` where it is there; and how many were simulated now."""
    from sim.sparch.operand import Operand

    one = replace(layer, copies=1)
    operands: list[Any] = []
    costs, simulated = [], 0
    for order in orders:
        key = layer_key(config, order, repr(one), seed)
        found = cache.get(key) if cache is not None else None
        if found is None:
            if not operands:
                operands = [Operand.of(matrix) for matrix in random_operands(one, seed)]
            found = simulate_order(operands[0], operands[1], config, order, progress)
            simulated += 1
            if cache is not None:
                cache.put(key, found)
        costs.append(order_cost(order, found))
    return costs, simulated


def price_product(
    layer: LayerProduct,
    config: SpArchConfig,
    *,
    surrogate: Surrogate | None = None,
    cache: ResultCache | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[LayerCost, int]:
    """All copies of `layer` in both orders, and how many products were simulated now. surrogate: asked first."""
    costs: list[OrderCost] = []
    left: list[Order] = list(ORDERS)
    if surrogate is not None:
        costs, left = _estimated(layer, config, surrogate)
    more, simulated = simulate_product(layer, config, left, cache=cache, seed=seed, progress=progress)
    return LayerCost.of([one.times(layer.copies) for one in (*costs, *more)]), simulated


def _estimated(layer: LayerProduct, config: SpArchConfig, surrogate: Surrogate) -> tuple[list[OrderCost], list[Order]]:
    """What the surrogate answers, and the orders that are left to the simulator."""
    known: list[OrderCost] = []
    refused: dict[Order, tuple[Estimate, str]] = {}
    for order in ORDERS:
        product = as_product(layer, order)
        guess = surrogate.estimate(product, config)
        reason = surrogate.refusal(product, config, guess)
        if reason:
            refused[order] = (guess, reason)
        else:
            known.append(guess.order_cost(order, config))
    left = []
    for order, (guess, reason) in refused.items():
        if reason in (CROWDED, PADDED) and known and guess.least_cycles > _LOSES_BY * known[0].cycles:
            cost = replace(guess, cycles=guess.least_cycles).order_cost(order, config)
            known.append(replace(cost, flags=(AT_LEAST,)))
        else:
            left.append(order)
    return known, left
