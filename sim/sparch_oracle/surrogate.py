"""A fast answer for layers with independent zeros: the mean plan, and three fitted numbers that turn it into cycles.

Of each merge round the mean plan (`expected`) says how long DRAM and the chip (the slower of multipliers and merge
tree) need, and from both how long they take in a chain, since most of B is missed in the first rows of A:
``cycles = Σ rounds (round_cycles + work · chained)``. The third number is the part of the row buffer that serves as if
replacement were ideal. Bytes and energy follow from the mean plan without any fit of their own.

It answers only for the machine that it was fitted on, inside the box of shapes and densities that it was fitted on,
where a row of A asks for far fewer lines than the row buffer holds, where padding leaves hardly any row short, and
where a somewhat smaller row buffer would hardly read more. For anything else `refusal` says why, and the caller
simulates.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import ConfigError
from sim.sparch import figures
from sim.sparch_oracle.expected import ExpectedPlan, Product, expected_plan
from sim.sparch_oracle.lowering import LayerProduct
from sim.sparch_oracle.pricing import Order, OrderCost, config_fingerprint

if TYPE_CHECKING:
    from sim.sparch.config import SpArchConfig

FILE = Path(__file__).with_name("surrogate.toml")
CROWDED = "a row of the first operand asks for too many lines at once"
PADDED = "padding leaves rows of the first operand short"
TIGHT = "the row buffer holds just about the lines that come back"
_UNEVEN = 0.04
_LESS_BUFFER, _MOST_CHANGE = 0.85, 0.05
"""A buffer of so much less may change the logarithm of the bytes by so much: found on the layers of the fit and those
that its errors are of, where no order that is left errs by 10 % in bytes."""


@dataclass(frozen=True)
class Coefficients:
    """The fitted numbers: share of the buffer, factor on all work, cycles of each round."""

    buffer_share: float
    work: float
    round_cycles: float


@dataclass(frozen=True)
class Surrogate:
    """Coefficients with what they hold for.

    machine: `config_fingerprint` of the configuration. limits: feature to (lowest, highest) of the layers of the fit.
    cycles_error, energy_error, bytes_error: 90 % of layers drawn like those of the fit, and not in it, are nearer.
    """

    coefficients: Coefficients
    machine: str
    limits: Mapping[str, tuple[float, float]]
    cycles_error: float
    energy_error: float
    bytes_error: float

    def estimate(self, product: Product, config: SpArchConfig) -> Estimate:
        """Cycles, energy and bytes of `product`, whether or not `refusal` would let it answer."""
        return estimate(product, config, self.coefficients)

    def refusal(self, product: Product, config: SpArchConfig, guess: Estimate | None = None) -> str:
        """Why it should not be believed for `product`; an empty text where it should. guess: its estimate, if known."""
        if config_fingerprint(config) != self.machine:
            return "another SpArch configuration than the fitted one"
        for name, value in features(product).items():
            low, high = self.limits[name]
            if not low <= value <= high:
                return f"{name} {value:.4g} outside {low:.4g}..{high:.4g}"
        if product.uneven > _UNEVEN:
            return PADDED
        guess = guess or self.estimate(product, config)
        if guess.crowd > self.limits["lines_per_row"][1]:
            return CROWDED
        less = replace(self.coefficients, buffer_share=_LESS_BUFFER * self.coefficients.buffer_share)
        change = np.log(estimate(product, config, less).dram_bytes / guess.dram_bytes)
        return TIGHT if change > _MOST_CHANGE else ""


@dataclass(frozen=True)
class Estimate:
    """What the surrogate makes of one product. least_cycles: what the busiest resource needs, in the mean."""

    cycles: float
    energy_j: float
    dram_bytes: float
    least_cycles: float
    crowd: float

    def order_cost(self, order: Order, config: SpArchConfig) -> OrderCost:
        """The same as the cost of an operand order."""
        seconds = self.cycles / config.clock_hz
        return OrderCost(order, self.cycles, seconds, self.energy_j, self.dram_bytes, "surrogate")


def estimate(product: Product, config: SpArchConfig, coefficients: Coefficients) -> Estimate:
    """Price `product` with given coefficients; nothing at all where an operand is empty."""
    if min(product.a_density, product.b_density) <= 0:
        return Estimate(0.0, 0.0, 0.0, 0.0, 0.0)
    plan = expected_plan(product, config, coefficients.buffer_share)
    energy_j, dram = _energy_and_bytes(plan, config)
    cycles = cycles_of(plan, coefficients)
    return Estimate(cycles, energy_j, dram, float(plan.rounds.max(axis=1).sum()), plan.lines_per_row)


def _energy_and_bytes(plan: ExpectedPlan, config: SpArchConfig) -> tuple[float, float]:
    """Joules and useful DRAM bytes of a mean plan, by the accounts of the simulator."""
    from sim.sparch.energy import EnergyTable

    dram = figures.dram_bytes(plan.totals, config).total
    return EnergyTable.load().energy_j(figures.action_counts(plan.totals, dram, config))["total"], float(dram)


def cycles_of(plan: ExpectedPlan, coefficients: Coefficients) -> float:
    """Cycles of a run with the mean plan `plan`."""
    return float((coefficients.work * plan.chained + coefficients.round_cycles).sum())


def features(product: Product) -> dict[str, float]:
    """What the box of the fit is about."""
    multiplications = product.rows * product.a_density * product.inner * product.cols * product.b_density
    return {
        "rows": float(product.rows),
        "inner": float(product.inner),
        "cols": float(product.cols),
        "a_density": product.a_density,
        "b_density": product.b_density,
        "a_elements": product.rows * product.inner * product.a_density,
        "b_elements": product.inner * product.cols * product.b_density,
        "a_row_elements": product.inner * product.a_density,
        "b_row_elements": product.cols * product.b_density,
        "multiplications": multiplications,
    }


def as_product(layer: LayerProduct, order: Order) -> Product:
    """One copy of `layer` in one operand order; padding thins the activations."""
    activations = layer.activation_density * layer.coverage
    if order == "weights_first":
        return Product(layer.rows, layer.inner, layer.cols, layer.weight_density, activations)
    return Product(layer.cols, layer.inner, layer.rows, activations, layer.weight_density, 1 - layer.coverage)


@functools.cache
def load_surrogate() -> Surrogate:
    """The surrogate that ships with the package. Raises ConfigError where its file cannot be read."""
    return read_surrogate(FILE)


def read_surrogate(path: Path) -> Surrogate:
    """A surrogate that `sim.sparch_oracle.surrogate_fit` wrote. Raises ConfigError with one line."""
    import tomllib

    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        return Surrogate(
            coefficients=Coefficients(**{name: float(value) for name, value in tree["coefficients"].items()}),
            machine=str(tree["provenance"]["config_fingerprint"]),
            limits={name: (float(low), float(high)) for name, (low, high) in tree["limits"].items()},
            **{f"{what}_error": float(tree["error_90"][what]) for what in ("cycles", "energy", "bytes")},
        )
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot read the surrogate {str(path)!r}: {str(error).splitlines()[0]}") from None


def clustered(matrix: Any) -> str:
    """Why the zeros of a CSR matrix are not independent, as far as counts of rows, columns and neighbours show it.

    Looks at how rows and columns differ in their counts (a binomial variance is expected) and at how often two
    neighbours are both there. An empty text where nothing speaks against independence.
    """
    from scipy.sparse import csr_array

    pattern = csr_array((np.ones(matrix.nnz, np.int64), matrix.indices, matrix.indptr), shape=matrix.shape)
    density = matrix.nnz / max(matrix.shape[0] * matrix.shape[1], 1)
    if density in (0.0, 1.0):
        return ""
    for axis, what in ((1, "rows"), (0, "columns")):
        counts = np.asarray(pattern.sum(axis=axis))
        trials = matrix.shape[axis]
        if counts.size > 1:
            ratio = float(counts.var(ddof=1)) / (trials * density * (1 - density))
            slack = 0.25 + 5 * np.sqrt(2 / (counts.size - 1))
            if not 1 - slack <= ratio <= 1 + slack:
                return f"its {what} differ {ratio:.2g} times as much as independent zeros would make them"
    for first, second, what in (
        (pattern[:, :-1], pattern[:, 1:], "row"), (pattern[:-1], pattern[1:], "column"),
    ):  # fmt: skip
        both, pairs = float(first.multiply(second).sum()), first.shape[0] * first.shape[1]
        expected = pairs * density**2
        if abs(both - expected) > 0.1 * expected + 6 * np.sqrt(expected + 1):
            return f"neighbours in a {what} are both there {both / max(expected, 1e-9):.2g} times as often as chance"
    return ""
