"""A small space with a device and an objective of its own, where everything can be told by brute force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.search.choices import Array, ChoiceSpace
from models.search.constraint import Constraint, Measure, Target
from models.search.problem import Problem
from sim.oracle import CostTable
from sim.workload import FEATURES, Context, Operator, WorkloadBatch

WIDTHS = (4, 8, 12, 16)


class Toy(ChoiceSpace):
    """A linear operator at each position, as wide as it is chosen."""

    def __init__(self, positions: int = 5) -> None:
        super().__init__("toy", [WIDTHS] * positions, resolution=0)
        self.lowered: list[int] = []
        operators = [Operator("linear", (100 + place,), wide) for place in range(positions) for wide in WIDTHS]
        nothing = csr_array((0, len(operators)), dtype=np.int64)
        self._all = WorkloadBatch(operators, nothing, {name: np.zeros(0) for name in FEATURES})

    def lower(self, population: Array, *, fusion: Iterable[str] = (), context: Context | None = None) -> WorkloadBatch:
        self.lowered.append(len(population))
        rows, positions = population.shape
        columns = (population + len(WIDTHS) * np.arange(positions)).ravel()
        indptr = np.arange(0, rows * positions + 1, positions)
        counts = csr_array((np.ones(len(columns), np.int64), columns, indptr), (rows, len(WIDTHS) * positions))
        return self._all.with_networks(counts, {name: np.full(rows, positions) for name in FEATURES})


@dataclass
class ToyDevice:
    """A nanosecond each MAC, known to a tenth; no energy."""

    name: str = "toy-device"
    scale: float = 1e-9

    @property
    def fingerprint(self) -> str:
        return f"{self.name} {self.scale}"

    def cost(self, batch: WorkloadBatch, *, breakdown: bool = False) -> CostTable:
        seconds = batch.total(batch.operator_values("macs")) * self.scale
        return CostTable.of(batch, latency_s=seconds, latency_low_s=0.9 * seconds, latency_high_s=1.1 * seconds)


class ToyObjective:
    """Grows with every choice, by a weight of each position, and less and less."""

    name = "accuracy"
    fingerprint = "toy objective"

    def __init__(self) -> None:
        self.scored = 0

    def score(self, population: Array) -> Any:
        self.scored += len(population)
        weights = 1.0 + np.arange(population.shape[1]) % 3
        return 1.0 - np.exp(-(np.sqrt(population) * weights).sum(axis=1) / 8.0)

    def describe(self, population: Array, scores: Any) -> list[dict[str, Any]]:
        return [{"accuracy": float(one), "accuracy_low": None, "accuracy_high": None} for one in scores]

    def record(self) -> dict[str, Any]:
        return {"what": "made up", "label": "toy", "fingerprint": self.fingerprint}


@dataclass
class ToyWorld:
    """What the tests build problems of."""

    space: Toy
    objective: ToyObjective
    targets: tuple[Target, ...]

    def problem(self, limit_s: float = np.inf, *, quantity: str = "latency", upper: bool = False) -> Problem[Array]:
        measure = Measure(0, quantity, upper)
        constraints = (Constraint(measure, limit_s),) if np.isfinite(limit_s) else ()
        return Problem(self.space, self.targets, constraints, self.objective, (Measure(0, "latency"),))

    def everything(self) -> tuple[Any, Any]:
        """Latency and score of all networks."""
        all_of_them = self.space.enumerate(0, self.space.size)
        return self.problem().values(all_of_them)[:, 0], self.objective.score(all_of_them)


@pytest.fixture
def toy() -> ToyWorld:
    """A world of 1,024 networks."""
    return ToyWorld(Toy(), ToyObjective(), (Target(ToyDevice()),))


@pytest.fixture
def large_toy() -> ToyWorld:
    """A world of 4^14 networks, too many to enumerate."""
    return ToyWorld(Toy(14), ToyObjective(), (Target(ToyDevice()),))
