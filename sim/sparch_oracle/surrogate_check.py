"""Surrogate against simulator on layers of real networks, none of which was in its fit.

Shapes of transformers (width 128 to 1024) and of ResNet-50 (1x1 and 3x3 convolutions, unfolded from a random image
with its padding), pruned to 50 to 98 %. ReLU leaves half of the activations of a convolution; those of a transformer
are dense. Both orders count where the surrogate answers; what it hands to the simulator is counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.operator import Operator
from sim.sparch_oracle.layer_pricing import simulate_product
from sim.sparch_oracle.lowering import LayerProduct, lower
from sim.sparch_oracle.pricing import ORDERS, LayerCost, Order
from sim.sparch_oracle.surrogate import Surrogate, as_product, load_surrogate

if TYPE_CHECKING:
    from sim.cache import ResultCache
    from sim.sparch.config import SpArchConfig

DENSITIES = (0.5, 0.2, 0.1, 0.05, 0.02)
"""Weights that are left."""

_LINEAR = ((128, 128, 64), (128, 512, 128), (256, 256, 197), (256, 1024, 64), (512, 512, 128), (512, 2048, 64),
           (768, 768, 197), (768, 3072, 128), (1024, 1024, 64), (3072, 768, 197), (4096, 1024, 128))  # fmt: skip
"""Inputs, outputs, tokens."""

_CONV = ((64, 64, 56, 1, 1), (256, 64, 56, 1, 1), (64, 64, 56, 3, 1), (256, 128, 56, 1, 1), (128, 128, 28, 3, 1),
         (512, 256, 28, 1, 1), (256, 1024, 14, 1, 1), (256, 256, 14, 3, 1), (1024, 256, 14, 1, 1),
         (512, 512, 14, 3, 2), (2048, 512, 7, 1, 1), (512, 512, 7, 3, 1), (1024, 2048, 14, 1, 2))  # fmt: skip
"""Inputs, outputs, height and width, kernel, stride."""

_LATER_LINEAR = (
    (192, 192, 197), (384, 384, 64), (384, 1536, 128), (640, 640, 100), (640, 2560, 50), (896, 896, 256),
    (1536, 384, 300), (2560, 640, 77), (1000, 250, 150),
)  # fmt: skip
_LATER_CONV = (
    (96, 24, 56, 1, 1), (144, 32, 28, 1, 1), (192, 64, 14, 1, 1), (576, 96, 14, 1, 1), (960, 320, 7, 1, 1),
    (128, 256, 28, 3, 2), (96, 96, 32, 3, 1), (320, 160, 20, 3, 1), (416, 128, 28, 1, 1), (832, 256, 7, 3, 1),
)  # fmt: skip
"""A second set, written down after the surrogate was finished: other transformers, MobileNetV2, ResNet-18, others."""


@dataclass(frozen=True)
class CheckRow:
    """One operand order of one layer. refusal: why the surrogate left it to the simulator, or an empty text.

    errors: estimate over simulation less 1, of cycles, energy and DRAM bytes. best: whether the simulator prefers it.
    """

    layer: str
    weight_density: float
    order: Order
    best: bool
    simulated_cycles: float
    errors: tuple[float, float, float]
    refusal: str


def unseen_layers(densities: Sequence[float] = DENSITIES, *, later: bool = False) -> list[tuple[str, LayerProduct]]:
    """Names and products of the layers, each at every weight density. later: of the second set."""
    linear, conv = (_LATER_LINEAR, _LATER_CONV) if later else (_LINEAR, _CONV)
    named = []
    for weights in densities:
        for taken, given, tokens in linear:
            op = Operator("linear", (tokens, taken), given, weight_density=weights)
            named.append((f"linear {taken} -> {given}, {tokens} tokens", lower(op)[0]))
        for taken, given, side, kernel, stride in conv:
            op = Operator(
                "conv2d", (taken, side, side), given, kernel=(kernel, kernel), stride=(stride, stride),
                padding=(kernel // 2,) * 4, weight_density=weights, activation_density=0.5,
            )  # fmt: skip
            named.append((f"conv {kernel}x{kernel}/{stride} {taken} -> {given}, {side}x{side}", lower(op)[0]))
    return named


def check_surrogate(
    layers: Sequence[tuple[str, LayerProduct]],
    config: SpArchConfig,
    *,
    surrogate: Surrogate | None = None,
    cache: ResultCache | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> list[CheckRow]:
    """Simulate every layer in both orders and hold the surrogate against it."""
    model = surrogate or load_surrogate()
    rows = []
    for done, (name, layer) in enumerate(layers):
        simulated = simulate_product(layer, config, ORDERS, cache=cache, seed=seed)[0]
        best = LayerCost.of(simulated).order
        for cost in simulated:
            product = as_product(layer, cost.order)
            guess = model.estimate(product, config)
            errors = tuple(
                getattr(guess, what) / getattr(cost, what) - 1 for what in ("cycles", "energy_j", "dram_bytes")
            )
            refusal = model.refusal(product, config, guess)
            rows.append(
                CheckRow(
                    name,
                    layer.weight_density,
                    cost.order,
                    cost.order == best,
                    cost.cycles,
                    (errors[0], errors[1], errors[2]),
                    refusal,
                )
            )
        progress("layers", done + 1, len(layers))
    return rows


def summary(rows: Sequence[CheckRow]) -> dict[str, float]:
    """Of the rows that the surrogate answers: how many, median and largest error of each figure, share within 10 %.

    Of whole layers, with simulations where it does not answer: error of the cycles at the order that comes out better,
    and the share of layers where that is the order which the simulator prefers.
    """
    errors = np.abs(np.array([row.errors for row in rows if not row.refusal], np.float64).reshape(-1, 3))
    found: dict[str, float] = {"orders": len(rows), "answered": len(errors)}
    for place, what in enumerate(("cycles", "energy", "bytes")):
        column = errors[:, place] if len(errors) else np.array([np.nan])
        found |= {f"median_{what}": float(np.median(column)), f"worst_{what}": float(column.max())}
        found[f"within_10_{what}"] = float((column <= 0.1).mean())
    prices = np.array([_layer_price(pair) for pair in zip(rows[::2], rows[1::2], strict=True)])
    found |= {"layers": len(prices), "median_price": float(np.median(np.abs(prices[:, 0])))}
    return {**found, "worst_price": float(np.abs(prices[:, 0]).max()), "order_named": float(prices[:, 1].mean())}


def _layer_price(pair: Sequence[CheckRow]) -> tuple[float, bool]:
    """Error of the price of a layer, from both of its orders, and whether the better order is named."""
    cycles = [row.simulated_cycles * (1 + (0.0 if row.refusal else row.errors[0])) for row in pair]
    best = min(row.simulated_cycles for row in pair)
    named = cycles.index(min(cycles))
    return min(cycles) / best - 1, pair[named].best


def table(rows: Sequence[CheckRow]) -> str:
    """Markdown: a line for each kind of layer and weight density, errors in per cent."""
    head = (
        "| layers | weights left | n | orders answered | cycles, median / worst | energy | DRAM bytes | layer price |"
    )
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    kinds = {"linear": "transformer linears", "conv 1x1": "1x1 convolutions", "conv 3x3": "3x3 convolutions"}
    for start, words in kinds.items():
        for density in DENSITIES:
            some = [row for row in rows if row.layer.startswith(start) and row.weight_density == density]
            if some:
                lines.append(_table_line(words, f"{density:.0%}", some))
    return "\n".join([*lines, _table_line("all", "", rows)]) + "\n"


def _table_line(words: str, left: str, rows: Sequence[CheckRow]) -> str:
    found = summary(rows)
    figures = ("cycles", "energy", "bytes", "price")
    parts = [f"{100 * found[f'median_{w}']:.1f} / {100 * found[f'worst_{w}']:.1f}" for w in figures]
    answered = f"{found['answered']:.0f} of {found['orders']:.0f}"
    return f"| {words} | {left} | {found['layers']:.0f} | {answered} | {' | '.join(parts)} |"
