"""Every network of a space that is small enough, in chunks; a chunk that is done is never asked for again."""

from __future__ import annotations

import numpy as np

from models.search.breed import rate
from models.search.method import Method, Settings
from models.search.problem import Problem
from models.search.space import P
from sim.errors import ConfigError

MOST = 2_000_000_000
"""Networks: about a day at 20,000 a second."""


class Exhaustive(Method[P]):
    """A chunk a step; the state is kept after each."""

    every_step = True
    only_better = True

    def __init__(self, problem: Problem[P], settings: Settings, seed: int, anchor: P, chunk: int = 8192) -> None:
        """Raises ConfigError where the space is too large."""
        super().__init__(problem, settings, seed, anchor)
        self.chunk = chunk
        if problem.space.size > MOST:
            raise ConfigError(
                f"{problem.space.name} has {problem.space.size:.3g} networks, exhaustive search goes up to {MOST:.3g};"
                " nearest: --method evolution"
            )

    @property
    def total(self) -> int:
        """Chunks."""
        return -(-self.problem.space.size // self.chunk)

    def step(self) -> None:
        """The next chunk: price all, score those that keep the constraints."""
        space = self.problem.space
        start = self.done * self.chunk
        population = space.enumerate(start, min(start + self.chunk, space.size))
        values = self.problem.values(population)
        self.asked.priced += len(population)
        rows = np.flatnonzero(self.problem.meets(values))
        if len(rows):
            fresh = rate(self.problem, space.select(population, rows), values[rows], self.asked)
            self.note(fresh)
