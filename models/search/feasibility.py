"""What of each measure a space can reach, before a search begins; and a network that keeps all constraints.

Spaces of few networks are enumerated: the answer is exact. Elsewhere a descent changes one choice at a time, starting
from the best of the corners and of a sample, until no single change helps. That is exact where a cost is a sum of
parts that each follow from one choice, as in an additive device at one depth and resolution; else it is the best found,
and no network that differs from it in one choice is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal

import numpy as np

from models.search.constraint import Measure
from models.search.problem import Array, Problem
from models.search.space import P
from sim.errors import InfeasibleError

How = Literal["enumerated", "descent"]
FEW = 20_000
_SAMPLE = 256
_STEPS = 200


@dataclass(frozen=True)
class Reach:
    """Least and most of a measure, in the unit of its column, and how they were found."""

    measure: Measure
    low: float
    high: float
    how: How

    def record(self, device: str) -> dict[str, Any]:
        """As plain values."""
        return {
            "device": device,
            "column": self.measure.column,
            "low": self.low,
            "high": self.high,
            "how": self.how,
        }


@dataclass(frozen=True)
class Start(Generic[P]):
    """Values of a first set of networks, from which descents begin."""

    problem: Problem[P]
    population: P
    values: Array
    how: How

    @classmethod
    def of(cls, problem: Problem[P], seed: int = 0) -> Start[P]:
        """All networks of a small space; corners and a sample of a large one."""
        space = problem.space
        if space.size <= FEW:
            population = space.enumerate(0, space.size)
            return cls(problem, population, problem.values(population), "enumerated")
        population = space.concatenate([space.corners(), space.sample(_SAMPLE, np.random.default_rng(seed))])
        return cls(problem, population, problem.values(population), "descent")

    def least(self, aim: Callable[[Array], Array]) -> tuple[P, float]:
        """The network with the least of `aim`, a function of the rows of values, and what it is."""
        space, goals = self.problem.space, aim(self.values)
        row = int(np.argmin(goals))
        best, goal = space.select(self.population, np.array([row])), float(goals[row])
        for _ in range(_STEPS if self.how == "descent" else 0):
            near = space.neighbours(best, 0)
            goals = aim(self.problem.values(near))
            row = int(np.argmin(goals))
            if not goals[row] < goal:
                break
            best, goal = space.select(near, np.array([row])), float(goals[row])
        return best, goal


def reachable(start: Start[P]) -> tuple[Reach, ...]:
    """The range of each measure of the problem."""
    found = []
    for column, measure in enumerate(start.problem.measures):
        _, low = start.least(lambda values, column=column: values[:, column])  # type: ignore[misc]
        _, high = start.least(lambda values, column=column: -values[:, column])  # type: ignore[misc]
        found.append(Reach(measure, low, -high, start.how))
    return tuple(found)


def require_feasible(start: Start[P], reach: tuple[Reach, ...]) -> P:
    """One network that keeps all constraints.

    Raises InfeasibleError naming the first limit below what can be reached, or, where each can be kept but not all
    together, how far the nearest network is from them.
    """
    problem = start.problem
    for one, limit in zip(reach, problem.limits, strict=True):
        if limit < one.low:
            words = one.measure.words
            name = problem.targets[one.measure.target].name
            raise InfeasibleError(
                f"no network of {problem.space.name} has {one.measure.column} of {words(limit)} or less on {name}: "
                f"the space reaches {words(one.low)} to {words(one.high)}; nearest: {words(_above(one.low))}"
            )
    if not len(problem.measures):
        return problem.space.corners()
    best, goal = start.least(lambda values: _excess(values, problem.limits))
    values = problem.values(best)
    if not problem.meets(values).all():
        needed = ", ".join(
            f"{measure.column} {measure.words(value)} on {problem.targets[measure.target].name}"
            for measure, value, limit in zip(problem.measures, values[0], problem.limits, strict=True)
            if np.isfinite(limit)
        )
        raise InfeasibleError(
            f"each limit can be kept, but no network of {problem.space.name} was found that keeps all of them "
            f"(the best is {100 * (goal - 1):.2g} % above); nearest: {needed}"
        )
    return best


def _excess(values: Array, limits: Array) -> Array:
    """The largest share of a limit that is used; tiny pressure on the others, so that ties are broken."""
    shares = values / np.where(np.isfinite(limits), limits, np.inf)
    worst: Array = shares.max(axis=1) + 1e-9 * shares.sum(axis=1)
    return worst


def _above(value: float) -> float:
    """`value` rounded up to four digits, so that who types it is not refused."""
    digits = 10.0 ** (np.floor(np.log10(abs(value))) - 3) if value else 1.0
    return float(np.ceil(value / digits + 1e-6) * digits)
