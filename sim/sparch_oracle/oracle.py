"""`SparchOracle`: networks with sparse weights and activations on a SpArch machine, as a `sim.oracle.Oracle`.

Every operator that is a sparse product is priced in both operand orders and takes the better one; operators run one
after another, so a network is the sum over its operators. ``event`` simulates each distinct operator once on seeded
random operands of its densities, kept in a `ResultCache`; ``surrogate`` estimates and simulates what the estimate does
not cover.

NOT modelled: operators without MACs (norms, activations, pools …), which SpArch does not run: a flag names them; im2col
and the sums of transposed convolutions; the element width, which is 12 B for value and index
whatever the dtype of the network; data that stays on the chip from one layer to the next. Intervals are those of the
surrogate's measured error; simulated figures are their own interval.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import WorkloadError
from sim.oracle import CostTable, OperatorCost
from sim.sparch_oracle.layer_pricing import AT_LEAST, Progress, price_product
from sim.sparch_oracle.lowering import LOWERED, LayerProduct, lower
from sim.sparch_oracle.pricing import LayerCost, config_fingerprint, named_fidelity

if TYPE_CHECKING:
    from sim.cache import ResultCache
    from sim.operator import Operator
    from sim.sparch.config import SpArchConfig
    from sim.sparch_oracle.surrogate import Surrogate
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[np.float64]]
_FIGURES = ("seconds", "energy_j", "dram_bytes")


class SparchOracle:
    """Latency, energy and DRAM bytes of networks on SpArch.

    config: the machine, by default the published one. cache: where simulations are kept; None keeps them in this object
    only. seed: of the random operands. simulations: products simulated so far, those found in the cache not counted.
    Raises ConfigError for an unknown fidelity.
    """

    def __init__(
        self,
        config: SpArchConfig | None = None,
        *,
        cache: ResultCache | None = None,
        fidelity: str = "event",
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        from sim.sparch.config import SpArchConfig

        self.config, self.fidelity = config or SpArchConfig(), named_fidelity(fidelity)
        self.cache, self.seed, self.progress = cache, seed, progress
        self.simulations = 0
        self._priced: dict[LayerProduct, LayerCost] = {}

    @property
    def name(self) -> str:
        """``sparch``, with the fidelity where it is not the simulator."""
        return "sparch" if self.fidelity == "event" else "sparch-surrogate"

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of sources, configuration, fidelity and seed."""
        from sim.cache import code_fingerprint, fingerprint

        sources = code_fingerprint("sim.sparch", "sim.sparch_oracle")
        return fingerprint("sparch oracle", sources, config_fingerprint(self.config), self.fidelity, self.seed)

    @functools.cached_property
    def surrogate(self) -> Surrogate | None:
        """The surrogate, where it is asked."""
        from sim.sparch_oracle.surrogate import load_surrogate

        return load_surrogate() if self.fidelity == "surrogate" else None

    def cost(self, batch: WorkloadBatch, *, breakdown: bool = False) -> CostTable:
        """Price `batch`. Raises WorkloadError naming an operator that SpArch cannot run and its share of the MACs."""
        self._require_runnable(batch)
        layers = [lower(op, batch.context.batch_size) for op in batch.operators]
        prices = self._price_all(layers)
        figures, slack = self._sums(layers, prices)
        totals = batch.total(np.concatenate([figures, slack], axis=1))
        columns: dict[str, Array] = {"dram_bytes": np.rint(totals[:, 2])}
        for place, (what, unit) in enumerate((("latency", "s"), ("energy", "j"))):
            value, error = totals[:, place], totals[:, 3 + place]
            columns |= {
                f"{what}_{unit}": value,
                f"{what}_low_{unit}": value - error,
                f"{what}_high_{unit}": value + error,
            }
        listed = self._breakdown(batch, layers, figures) if breakdown else ()
        return CostTable.of(batch, flags=self._flags(batch, layers), breakdown=listed, **columns)

    def operator_layers(self, op: Operator, samples: int = 1) -> list[tuple[LayerProduct, LayerCost]]:
        """The products of one operator with their prices: orders, sources and flags. Raises WorkloadError."""
        products = lower(op, samples)
        self._price_all([products])
        return [(one, self._priced[one]) for one in products]

    def _require_runnable(self, batch: WorkloadBatch) -> None:
        macs = batch.operator_values("macs")
        for position, op in enumerate(batch.operators):
            wrong = [part for part in op.parts if part.kind not in LOWERED and part.macs]
            if wrong:
                only = np.zeros(len(batch.operators))
                only[position] = macs[position]
                share = 100.0 * float(batch.total(only).sum()) / max(float(batch.total(macs).sum()), 1.0)
                raise WorkloadError(
                    f"SpArch cannot run {wrong[0].kind} of shape {wrong[0].shape}, {share:.1f} % of the MACs; "
                    f"it runs {', '.join(LOWERED)}"
                )

    def _price_all(self, layers: list[tuple[LayerProduct, ...]]) -> dict[LayerProduct, LayerCost]:
        missing = list(dict.fromkeys(one for products in layers for one in products if one not in self._priced))
        for done, one in enumerate(missing):
            self._priced[one], simulated = price_product(
                one, self.config, surrogate=self.surrogate, cache=self.cache, seed=self.seed, progress=self._compiling
            )
            self.simulations += simulated
            if self.progress is not None:
                self.progress("layers", done + 1, len(missing))
        return self._priced

    def _compiling(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None and stage == "compile":
            self.progress(stage, done, total)

    def _sums(
        self, layers: list[tuple[LayerProduct, ...]], prices: dict[LayerProduct, LayerCost]
    ) -> tuple[Array, Array]:
        """Of each operator: seconds, joules and bytes; and by how much seconds and joules may be wrong."""
        figures, slack = np.zeros((len(layers), 3)), np.zeros((len(layers), 2))
        for position, products in enumerate(layers):
            for one in products:
                best = prices[one].best
                figures[position] += [getattr(best, name) for name in _FIGURES]
                if best.source == "surrogate" and self.surrogate is not None:
                    errors = (self.surrogate.cycles_error, self.surrogate.energy_error)
                    slack[position] += np.array(errors) * (best.seconds, best.energy_j)
        return figures, slack

    def _flags(self, batch: WorkloadBatch, layers: list[tuple[LayerProduct, ...]]) -> list[tuple[str, ...]]:
        idle = sorted({part.kind for op in batch.operators for part in op.parts if not part.macs})
        marks = [
            [any(part.kind == kind for part in op.parts if not part.macs) for op in batch.operators] for kind in idle
        ]
        doubts = sorted({flag for products in layers for one in products for flag in self._doubts(one)})
        marks += [[any(doubt in self._doubts(one) for one in products) for products in layers] for doubt in doubts]
        if not marks:
            return [() for _ in range(len(batch))]
        present = batch.total(np.array(marks, np.int64).T) > 0
        flags = []
        for row in present:
            left_out = [kind for kind, there in zip(idle, row, strict=False) if there]
            words = [f"not on SpArch, not priced: {', '.join(left_out)}"] if left_out else []
            flags.append((*words, *(doubt for doubt, there in zip(doubts, row[len(idle) :], strict=True) if there)))
        return flags

    def _doubts(self, one: LayerProduct) -> tuple[str, ...]:
        return tuple(flag for flag in self._priced[one].best.flags if flag != AT_LEAST)

    def _breakdown(
        self, batch: WorkloadBatch, layers: list[tuple[LayerProduct, ...]], figures: Array
    ) -> list[list[OperatorCost]]:
        counts, size = batch.counts, batch.context.batch_size
        listed = []
        for row in range(len(batch)):
            costs = []
            for place in range(counts.indptr[row], counts.indptr[row + 1]):
                column, count = int(counts.indices[place]), int(counts.data[place])
                if layers[column]:
                    op, (seconds, joules, moved) = batch.operators[column], figures[column]
                    costs.append(
                        OperatorCost(
                            op,
                            count,
                            count * float(seconds),
                            count * float(joules),
                            round(count * moved),
                            count * op.macs * size,
                            count * op.params,
                        )
                    )
            listed.append(sorted(costs, key=lambda cost: -cost.latency_s))
        return listed
