"""Several aims at once: the score against each axis, by non-dominated sorting and crowding (NSGA-II).

Parents are drawn by tournaments of two (the better front, then the less crowded); of parents and children together the
best fronts survive, the last one by crowding. Constraints are kept as in `evolution`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.search.archive import costs
from models.search.breed import Rated, join, take
from models.search.evolution import Evolution
from models.search.front import crowding, ranks
from models.search.space import P


class Pareto(Evolution[P]):
    """NSGA-II; the front of everything scored is in the archive."""

    def step(self) -> None:
        """Draw the population, or the next generation."""
        if self.current is None:
            super().step()
            return
        parents = take(self.problem, self.current, self._tournaments(self.current))
        fresh = self.offspring(parents)
        both = join(self.problem, [self.current, fresh])
        rank, distance = self._order(both)
        survivors = np.lexsort((-distance, rank))[: self.settings.population]
        self.current = take(self.problem, both, np.sort(survivors))
        self.note(fresh)

    def _order(self, rated: Rated[P]) -> tuple[Any, Any]:
        weighed = costs(self.problem, rated)
        rank = ranks(weighed)
        return rank, crowding(weighed, rank)

    def _tournaments(self, rated: Rated[P]) -> Any:
        rank, distance = self._order(rated)
        place = np.empty(len(rated), np.int64)
        place[np.lexsort((-distance, rank))] = np.arange(len(rated))
        pairs = self.rng.integers(0, len(rated), (self.settings.population, 2))
        return np.where(place[pairs[:, 0]] <= place[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
