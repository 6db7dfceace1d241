"""Uniform draws that keep the constraints, as many as an evolution would score: what every search has to beat."""

from __future__ import annotations

from models.search.breed import feasible_sample, rate
from models.search.method import Method
from models.search.space import P


class RandomSearch(Method[P]):
    """As many draws a step as a generation has children."""

    @property
    def total(self) -> int:
        """As many steps as an evolution of the same settings."""
        return self.settings.generations + 1

    def step(self) -> None:
        """One batch."""
        population, values, pulled = feasible_sample(
            self.problem, self.settings.population, self.anchor, self.rng, self.asked
        )
        self.pulled += pulled
        self.note(rate(self.problem, population, values, self.asked))
