"""A space of independent choices: a network is one place in each of several lists. Base of small spaces.

Populations are int64 arrays (networks x positions) of places among the choices. Who derives from it says how a
population is lowered and what a network is called.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from models.search.space import Rows
from sim.cache import fingerprint
from sim.errors import InputError
from sim.workload import Context, WorkloadBatch

Array = np.ndarray[Any, np.dtype[np.int64]]
_MOST = 2**62


class ChoiceSpace(ABC):
    """choices: of each position. resolution: the position that has a mutation rate of its own, if there is one."""

    def __init__(self, name: str, choices: Sequence[Sequence[Any]], resolution: int | None = None) -> None:
        self.name = name
        self.choices = tuple(tuple(one) for one in choices)
        self._counts = np.array([len(one) for one in self.choices], np.int64)
        self._resolution = resolution

    @abstractmethod
    def lower(self, population: Array, *, fusion: Iterable[str] = (), context: Context | None = None) -> WorkloadBatch:
        """What the networks ask of hardware, a row each."""

    @property
    def fingerprint(self) -> str:
        """Hash of name and choices."""
        return fingerprint(type(self).__qualname__, self.name, [list(one) for one in self.choices])

    @property
    def size(self) -> int:
        """Networks of the space, exactly."""
        return math.prod(len(one) for one in self.choices)

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """`count` networks, every choice uniform by itself."""
        return rng.integers(0, self._counts, (count, len(self._counts)))

    def mutate(self, parents: Array, rng: np.random.Generator, probability: float, resolution: float) -> Array:
        """Every choice drawn anew with `probability`, the resolution with its own."""
        chance = np.full(len(self._counts), probability)
        if self._resolution is not None:
            chance[self._resolution] = resolution
        fresh = self.sample(len(parents), rng)
        return np.where(rng.random(parents.shape) < chance, fresh, parents)

    def cross(self, mothers: Array, fathers: Array, rng: np.random.Generator) -> Array:
        """Every choice from either parent."""
        return np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)

    def select(self, population: Array, rows: Rows) -> Array:
        """Some of `population`."""
        chosen: Array = population[rows]
        return chosen

    def concatenate(self, parts: Sequence[Array]) -> Array:
        """All of `parts`, in order."""
        return np.concatenate(parts)

    def corners(self) -> Array:
        """All first and all last choices."""
        return np.stack([np.zeros_like(self._counts), self._counts - 1])

    def neighbours(self, population: Array, row: int) -> Array:
        """The networks that differ from one in a single choice."""
        found = []
        for position, count in enumerate(self._counts.tolist()):
            changed = np.repeat(population[row : row + 1], count, axis=0)
            changed[:, position] = np.arange(count)
            found.append(changed[changed[:, position] != population[row, position]])
        return np.concatenate(found)

    def enumerate(self, start: int, stop: int) -> Array:
        """Networks number `start` to `stop`, the last position running fastest."""
        if self.size > _MOST:
            raise InputError(f"{self.name} has {self.size:.3g} networks: too many to number")
        rest = np.arange(start, min(stop, self.size), dtype=np.int64)
        columns = np.empty((len(rest), len(self._counts)), np.int64)
        for position in range(len(self._counts) - 1, -1, -1):
            rest, columns[:, position] = np.divmod(rest, self._counts[position])
        return columns

    def canonical(self, population: Array) -> Array:
        """`population`: every choice has an effect."""
        return population

    def records(self, population: Array) -> list[dict[str, Any]]:
        """``{"choices": [...]}`` for each network."""
        return [
            {"choices": [one[place] for one, place in zip(self.choices, row, strict=True)]}
            for row in population.tolist()
        ]

    def of_records(self, records: Sequence[dict[str, Any]]) -> Array:
        """The networks of `records`. Raises InputError naming the position and what may stand there."""
        rows = np.zeros((len(records), len(self.choices)), np.int64)
        for row, record in enumerate(records):
            values = record.get("choices", [])
            if len(values) != len(self.choices):
                raise InputError(f"{self.name}: {len(self.choices)} choices are needed, got {len(values)}")
            for position, (value, allowed) in enumerate(zip(values, self.choices, strict=True)):
                if value not in allowed:
                    raise InputError(f"{self.name}: choice {position} is {value!r}; nearest: one of {allowed}")
                rows[row, position] = allowed.index(value)
        return rows
