"""Evolution as published for Once-for-All, a generation at a time.

The parents (the best quarter) stay; half of the children are mutants of a parent, half are crossed from two. A child
that breaks a constraint is drawn again from the same parents (Cai et al., ICLR 2020, and the released finder). Unlike
there no two parents are the same network: in a small space copies of one would soon be all of them.
"""

from __future__ import annotations

import numpy as np

from models.search.breed import Places, Rated, children, feasible_sample, join, rate, take
from models.search.method import Method
from models.search.space import P


class Evolution(Method[P]):
    """One generation a step; the first step draws the population."""

    @property
    def total(self) -> int:
        """The first population and the generations."""
        return self.settings.generations + 1

    def step(self) -> None:
        """Draw the population, or the next generation."""
        if self.current is None:
            self.current = self._first()
            self.note(self.current)
            return
        size = max(1, round(self.settings.parents * self.settings.population))
        parents = take(self.problem, self.current, self._best_distinct(self.current, size))
        fresh = self.offspring(parents)
        self.current = join(self.problem, [parents, fresh])
        self.note(fresh)

    @staticmethod
    def _best_distinct(rated: Rated[P], count: int) -> Places:
        """Rows of the best `count` networks of which no two have the same score and values."""
        found = np.column_stack([-rated.scores, rated.values])
        return np.unique(found, axis=0, return_index=True)[1][:count]

    def _first(self) -> Rated[P]:
        population, values, self.pulled = feasible_sample(
            self.problem, self.settings.population, self.anchor, self.rng, self.asked
        )
        return rate(self.problem, population, values, self.asked)

    def offspring(self, parents: Rated[P]) -> Rated[P]:
        """Mutants and crossed children of parents that are drawn uniformly."""
        space, rng, settings = self.problem.space, self.rng, self.settings
        mutants = round(settings.mutants * settings.population)
        crossed = settings.population - mutants
        mothers = rng.integers(0, len(parents), settings.population)
        fathers = rng.integers(0, len(parents), crossed)

        def draw(rows: Places) -> P:
            own = space.select(parents.population, mothers[rows[rows < mutants]])
            late = rows[rows >= mutants]
            left = space.select(parents.population, mothers[late])
            right = space.select(parents.population, fathers[late - mutants])
            changed = space.mutate(own, rng, settings.mutation, settings.resolution_mutation)
            return space.concatenate([changed, space.cross(left, right, rng)])

        drawn = children(self.problem, take(self.problem, parents, mothers), draw, self.asked)
        return rate(self.problem, *drawn, self.asked)
