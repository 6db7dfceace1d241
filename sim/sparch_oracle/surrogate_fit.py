"""Fit the surrogate: a seeded grid of random layers, simulated in both orders, and three numbers.

The grid spreads shapes and densities evenly on a logarithmic scale and holds no layer of any network. Errors in the
file are of layers drawn the same way with another seed, which the fit never saw.
Refit with ``python -c "from sim.sparch_oracle.surrogate_fit import refit; refit('surrogate.toml')"`` (some
minutes; layers that were simulated before come from the cache).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import ConfigError
from sim.sparch_oracle.expected import Product, expected_plan
from sim.sparch_oracle.lowering import LayerProduct
from sim.sparch_oracle.pricing import ORDERS, OrderCost, config_fingerprint
from sim.sparch_oracle.surrogate import Coefficients, Surrogate, as_product, cycles_of, estimate, features

if TYPE_CHECKING:
    from sim.cache import ResultCache
    from sim.sparch.config import SpArchConfig

CROWD = 0.25
"""Line requests of a row of A, as a share of the row buffer, up to which the surrogate answers: above, the event model
itself begins to depend on the order of single lines, and flags that it does."""
_SHAPES = {"rows": (32, 4096), "inner": (32, 8192), "cols": (32, 4096)}
_MULTIPLICATIONS = (3e4, 5e8)
_LEAST_ELEMENTS = 1000


@dataclass(frozen=True)
class Sample:
    """One operand order of one layer and what the simulator says of it."""

    product: Product
    simulated: OrderCost


def design(layers: int, seed: int) -> list[LayerProduct]:
    """Random layers: sides and densities logarithmic, activations dense in a third; work bounded on both sides."""
    rng = np.random.default_rng(seed)
    drawn: list[LayerProduct] = []
    while len(drawn) < layers:
        rows, inner, cols = (round(float(np.exp(rng.uniform(*np.log(ends))))) for ends in _SHAPES.values())
        weights = round(float(np.exp(rng.uniform(np.log(0.01), np.log(0.7)))), 4)
        activations = 1.0 if rng.random() < 1 / 3 else round(float(np.exp(rng.uniform(np.log(0.1), 0.0))), 4)
        one = LayerProduct(rows, inner, cols, weights, activations)
        enough = min(one.rows * weights, one.cols * activations) * one.inner >= _LEAST_ELEMENTS
        if enough and _MULTIPLICATIONS[0] <= one.macs * weights * activations <= _MULTIPLICATIONS[1]:
            drawn.append(one)
    return drawn


def simulate_samples(
    layers: Sequence[LayerProduct],
    config: SpArchConfig,
    *,
    cache: ResultCache | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> list[Sample]:
    """Every layer (one copy of it) in both operand orders."""
    from sim.sparch_oracle.layer_pricing import simulate_product

    samples = []
    for done, layer in enumerate(layers):
        for cost in simulate_product(layer, config, ORDERS, cache=cache, seed=seed)[0]:
            samples.append(Sample(as_product(layer, cost.order), cost))
        progress("layers", done + 1, len(layers))
    return samples


def fit(samples: Sequence[Sample], config: SpArchConfig) -> Coefficients:
    """Coefficients with the least squared logarithmic error: of bytes for the buffer, of cycles for the others."""
    from scipy.optimize import least_squares, minimize_scalar

    kept = [one for one in samples if expected_plan(one.product, config).lines_per_row <= CROWD]
    dram = np.log([one.simulated.dram_bytes for one in kept])

    def bytes_error(share: float) -> float:
        guess = [estimate(one.product, config, Coefficients(share, 1.0, 0.0)).dram_bytes for one in kept]
        return float(np.square(np.log(guess) - dram).sum())

    found = minimize_scalar(bytes_error, bounds=(0.7, 1.0), method="bounded", options={"xatol": 0.003})
    share = round(float(found.x), 3)
    plans = [expected_plan(one.product, config, share) for one in kept]
    cycles = np.log([one.simulated.cycles for one in kept])

    def cycles_error(vector: Any) -> Any:
        trial = Coefficients(share, *(float(value) for value in vector))
        return np.log([cycles_of(plan, trial) for plan in plans]) - cycles

    best = least_squares(
        cycles_error, [1.02, 100.0], x_scale=[0.01, 100], loss="soft_l1", f_scale=0.03, bounds=([1, 0], [1.2, 5000])
    )
    return Coefficients(share, *(round(float(value), 3) for value in best.x))


def limits(samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """The box of `samples`."""
    table = [features(one.product) for one in samples]
    box = {name: (min(row[name] for row in table), max(row[name] for row in table)) for name in table[0]}
    return {**box, "lines_per_row": (0.0, CROWD)}


def relative_errors(
    samples: Sequence[Sample], config: SpArchConfig, surrogate: Surrogate
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(samples that it answers for, 3): estimate over simulation less 1, for cycles, energy and bytes."""
    rows = []
    for one in samples:
        guess = surrogate.estimate(one.product, config)
        if not surrogate.refusal(one.product, config, guess):
            figures = ("cycles", "energy_j", "dram_bytes")
            rows.append([getattr(guess, name) / getattr(one.simulated, name) - 1 for name in figures])
    return np.array(rows, np.float64).reshape(-1, 3)


def refit(
    path: str | os.PathLike[str],
    *,
    layers: int = 96,
    seed: int = 1,
    config: SpArchConfig | None = None,
    cache: ResultCache | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Surrogate:
    """Fit on `layers` layers of `seed`, measure on half as many of the next seed, write `path` (TOML).

    Raises ConfigError where there are too few layers to measure an error.
    """
    from sim.cache import ResultCache
    from sim.files import write_text
    from sim.sparch.config import SpArchConfig

    machine, store = config or SpArchConfig(), cache or ResultCache()
    seen = simulate_samples(design(layers, seed), machine, cache=store, progress=progress)
    fitted = Surrogate(fit(seen, machine), config_fingerprint(machine), limits(seen), 1.0, 1.0, 1.0)
    unseen = simulate_samples(design(layers // 2, seed + 1), machine, cache=store, progress=progress)
    errors = np.abs(relative_errors(unseen, machine, fitted))
    if not len(errors):
        raise ConfigError(f"layers = {layers}: none of the unseen ones lies in the box of the fit; nearest: 96")
    spread = np.quantile(errors, 0.9, axis=0, method="higher")
    provenance = {
        "label": "fitted to simulations",
        "seed": seed,
        "layers": layers,
        "orders_simulated": len(seen),
        "unseen_orders": len(errors),
        "config_fingerprint": config_fingerprint(machine),
    }
    sections: dict[str, dict[str, Any]] = {
        "provenance": provenance,
        "coefficients": asdict(fitted.coefficients),
        "error_90": dict(zip(("cycles", "energy", "bytes"), spread.tolist(), strict=True)),
        "error_worst": dict(zip(("cycles", "energy", "bytes"), errors.max(axis=0).tolist(), strict=True)),
        "limits": {name: list(ends) for name, ends in fitted.limits.items()},
    }
    write_text(path, _toml(sections))
    return Surrogate(fitted.coefficients, fitted.machine, fitted.limits, *spread.tolist())


def _toml(sections: dict[str, dict[str, Any]]) -> str:
    import json

    lines = ["# Coefficients of the SpArch surrogate, written by sim.sparch_oracle.surrogate_fit.refit."]
    for title, table in sections.items():
        lines += ["", f"[{title}]", *(f"{name} = {json.dumps(_short(value))}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
