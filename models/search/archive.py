"""The best of everything that was scored: the Pareto front of the score against each measure."""

from __future__ import annotations

from typing import Any, Generic

import numpy as np

from models.search.breed import Rated, join, take
from models.search.front import non_dominated
from models.search.problem import Problem
from models.search.space import P


class Archive(Generic[P]):
    """Networks that no scored one beats in score and measures at once; the best score is always among them."""

    def __init__(self, problem: Problem[P]) -> None:
        self._problem = problem
        self.rated: Rated[P] | None = None

    def add(self, fresh: Rated[P]) -> None:
        """Take in networks."""
        problem = self._problem
        rows = non_dominated(costs(problem, fresh))
        parts = [take(problem, fresh, rows)] if self.rated is None else [self.rated, take(problem, fresh, rows)]
        both = join(problem, parts)
        self.rated = take(problem, both, non_dominated(costs(problem, both)))

    def best(self) -> Rated[P]:
        """The network of the best score; of equal ones that with the least of the first measure."""
        assert self.rated is not None
        first = self.rated.values[:, 0] if self.rated.values.shape[1] else np.zeros(len(self.rated))
        row = int(np.lexsort((first, -self.rated.scores))[0])
        return take(self._problem, self.rated, np.array([row]))

    def state(self) -> dict[str, Any]:
        """As plain values."""
        return rated_state(self._problem, self.rated) if self.rated is not None else {}

    def restore(self, state: dict[str, Any]) -> None:
        """From plain values."""
        self.rated = rated_of(self._problem, state) if state else None


def costs(problem: Problem[P], rated: Rated[P]) -> Any:
    """What a front weighs, smaller being better: the negative score, then the traded measures."""
    return np.column_stack([-rated.scores, rated.values[:, : problem.traded]])


def rated_state(problem: Problem[P], rated: Rated[P]) -> dict[str, Any]:
    """Rated networks as plain values; numbers come back bit for bit."""
    return {
        "networks": problem.space.records(rated.population),
        "values": rated.values.tolist(),
        "scores": rated.scores.tolist(),
    }


def rated_of(problem: Problem[P], state: dict[str, Any]) -> Rated[P]:
    """What `rated_state` gave. Raises InputError where a network is not of the space."""
    values = np.array(state["values"], np.float64).reshape(-1, len(problem.measures))
    population = problem.space.of_records(state["networks"])
    return Rated(population, values, np.array(state["scores"], np.float64))
