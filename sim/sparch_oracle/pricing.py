"""The price of one sparse layer on SpArch: both operand orders simulated, the better one named, each kept by content.

``weights_first`` multiplies W · X, ``activations_first`` Xᵀ · Wᵀ: the same products, but the first operand is the one
that is condensed and the second the one that the row prefetcher reads, so cycles, bytes and energy differ. Better means
fewer cycles, then less energy.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sim.cache import code_fingerprint, fingerprint
from sim.errors import ConfigError, WorkloadError, nearest

if TYPE_CHECKING:
    from sim.cache import ResultCache
    from sim.operator import Operator
    from sim.sparch.config import SpArchConfig
    from sim.sparch.operand import Operand

Order = Literal["weights_first", "activations_first"]
ORDERS: tuple[Order, ...] = ("weights_first", "activations_first")
Source = Literal["event", "surrogate"]
FIDELITIES: tuple[Source, ...] = ("event", "surrogate")
_SOURCES = (
    "sim.sparch",
    "sim.sparch_oracle.lowering",
    *(f"sim.{one}" for one in ("events", "hbm", "jit", "result", "audit", "version", "cache")),
)


@dataclass(frozen=True)
class OrderCost:
    """One operand order of a layer. source: what gave the figures. flags: what the simulator says against them."""

    order: Order
    cycles: float
    seconds: float
    energy_j: float
    dram_bytes: float
    source: Source = "event"
    flags: tuple[str, ...] = ()

    def times(self, copies: float) -> OrderCost:
        """The cost of that many, one after another."""
        scaled = {name: getattr(self, name) * copies for name in ("cycles", "seconds", "energy_j", "dram_bytes")}
        return replace(self, **scaled)


@dataclass(frozen=True)
class LayerCost:
    """A layer at its better operand order; `orders` has every one that was priced, best first."""

    orders: tuple[OrderCost, ...]

    @property
    def best(self) -> OrderCost:
        """The order with the fewest cycles."""
        return self.orders[0]

    @property
    def order(self) -> Order:
        """Name of the better order."""
        return self.best.order

    @property
    def cycles(self) -> float:
        """Cycles of the better order; seconds, energy_j and dram_bytes likewise."""
        return self.best.cycles

    @property
    def seconds(self) -> float:
        return self.best.seconds

    @property
    def energy_j(self) -> float:
        return self.best.energy_j

    @property
    def dram_bytes(self) -> float:
        return self.best.dram_bytes

    @staticmethod
    def of(costs: Sequence[OrderCost]) -> LayerCost:
        """The better of `costs` first."""
        return LayerCost(tuple(sorted(costs, key=lambda one: (one.cycles, one.energy_j))))


def price_layer(
    weights: Any,
    activations: Any,
    *,
    config: SpArchConfig | None = None,
    order: str = "best",
    fidelity: str = "event",
    cache: ResultCache | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> LayerCost:
    """Simulate weights (rows x inner) times activations (inner x cols), anything that SciPy turns into CSR.

    order: ``best`` prices both, or the name of one. fidelity: ``surrogate`` estimates an order where the zeros of both
    matrices look independent and the surrogate knows such layers, and simulates it elsewhere. cache: where simulations
    are kept by content; None keeps nothing.
    Raises WorkloadError (matrices that do not multiply, or that are no matrices), ConfigError (order, fidelity).
    """
    from sim.sparch.operand import Operand

    wanted = named_orders(order)
    w, x = Operand.of(weights, "weights"), Operand.of(activations, "activations")
    if w.cols != x.rows:
        raise WorkloadError(
            f"weights {w.rows} x {w.cols} do not multiply activations {x.rows} x {x.cols}; they need {w.cols} rows"
        )
    machine = config or _default_config()
    content = (operand_hash(w), operand_hash(x)) if cache is not None else ("", "")
    costs = _estimated(w, x, machine, wanted) if named_fidelity(fidelity) == "surrogate" else []
    known = {cost.order for cost in costs}
    for one in wanted:
        if one in known:
            continue
        key = layer_key(machine, one, *content)
        compute = functools.partial(simulate_order, w, x, machine, one, progress)
        costs.append(order_cost(one, cache.get_or_compute(key, compute)[0] if cache is not None else compute()))
    return LayerCost.of(costs)


def price_operator(op: Operator, weights: Any, inputs: Any, **how: Any) -> tuple[LayerCost, ...]:
    """`price_layer` of a linear, conv2d or conv_transpose2d with its real weights and inputs, one cost a group.

    weights, inputs: arrays as torch lays them out, inputs with a batch axis; zeros are what pruning and ReLU left. how:
    of `price_layer`. Groups run one after another. Raises WorkloadError where the shapes are not those of `op`.
    """
    from sim.sparch_oracle.lowering import activation_matrices, weight_matrix

    pairs = zip(weight_matrix(weights, op), activation_matrices(inputs, op), strict=True)
    return tuple(price_layer(w, x, **how) for w, x in pairs)


def named_orders(order: str) -> tuple[Order, ...]:
    """The orders that `order` stands for. Raises ConfigError with the nearest name."""
    if order == "best":
        return ORDERS
    for one in ORDERS:
        if order == one:
            return (one,)
    raise ConfigError(f"no operand order {order!r}{nearest(order, ('best', *ORDERS))}")


def named_fidelity(fidelity: str) -> Source:
    """The fidelity of that name. Raises ConfigError with the nearest name."""
    for one in FIDELITIES:
        if fidelity == one:
            return one
    raise ConfigError(f"no fidelity {fidelity!r}{nearest(str(fidelity), FIDELITIES)}")


def _estimated(w: Operand, x: Operand, config: SpArchConfig, orders: Sequence[Order]) -> list[OrderCost]:
    """The orders that the surrogate answers for; none where zeros are clustered."""
    from sim.sparch_oracle.expected import Product
    from sim.sparch_oracle.surrogate import clustered, load_surrogate

    if not w.nnz or not x.nnz or clustered(w.scipy()) or clustered(x.scipy()):
        return []
    densities = w.nnz / (w.rows * w.cols), x.nnz / (x.rows * x.cols)
    model, costs = load_surrogate(), []
    for order in orders:
        product = Product(w.rows, w.cols, x.cols, *densities)
        if order == "activations_first":
            product = Product(x.cols, w.cols, w.rows, densities[1], densities[0])
        guess = model.estimate(product, config)
        if not model.refusal(product, config, guess):
            costs.append(guess.order_cost(order, config))
    return costs


def layer_key(config: SpArchConfig, order: str, *content: Any) -> str:
    """Name of a simulated layer in a `ResultCache`; `content` says what its operands are."""
    return fingerprint("sparch layer", simulator_fingerprint(), config_fingerprint(config), order, content)


@functools.cache
def simulator_fingerprint() -> str:
    """Hash of the sources that a simulated layer follows from."""
    return code_fingerprint(*_SOURCES)


def config_fingerprint(config: SpArchConfig) -> str:
    """Hash of the expanded configuration."""
    return fingerprint(config.model_dump(mode="json"))


def operand_hash(matrix: Operand) -> str:
    """Hex SHA-256 of the shape and pattern; values change no figure and do not count."""
    digest = hashlib.sha256(f"{matrix.rows} {matrix.cols} ".encode())
    for part in (matrix.indptr, matrix.indices):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def order_cost(order: Order, record: dict[str, Any]) -> OrderCost:
    """From what the cache keeps."""
    figures = {name: record[name] for name in ("cycles", "seconds", "energy_j", "dram_bytes")}
    return OrderCost(order=order, flags=tuple(record["flags"]), **figures)


def simulate_order(
    w: Operand, x: Operand, config: SpArchConfig, order: Order, progress: Callable[[str, int, int], None] | None
) -> dict[str, Any]:
    from sim.sparch.operand import Operand
    from sim.sparch.simulation import simulate

    a, b = (w, x) if order == "weights_first" else (Operand.of(x.scipy().T.tocsr()), Operand.of(w.scipy().T.tocsr()))
    watched = {} if progress is None else {"progress": progress}
    result = simulate(a, b, config=config, verify=False, **watched)  # type: ignore[arg-type]
    return {
        "cycles": result.cycles,
        "seconds": result.seconds,
        "energy_j": result.energy_j.total,
        "dram_bytes": result.dram_bytes.total,
        "flags": list(result.flags),
    }


def _default_config() -> SpArchConfig:
    from sim.sparch.config import SpArchConfig

    return SpArchConfig()
