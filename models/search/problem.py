"""A search problem: the space, the oracles, what bounds the networks and what makes them good."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np

from models.search.constraint import Constraint, Measure, Target, unique
from models.search.objective import Objective
from models.search.space import P, SearchSpace
from sim.oracle import CostTable

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Problem(Generic[P]):
    """axes: further measures, traded against the objective and recorded but not bounded."""

    space: SearchSpace[P]
    targets: tuple[Target, ...]
    constraints: tuple[Constraint, ...]
    objective: Objective[P]
    axes: tuple[Measure, ...] = ()

    @functools.cached_property
    def measures(self) -> tuple[Measure, ...]:
        """The columns of `values`: those of the axes, then those that are bounded."""
        return unique((*self.axes, *(one.measure for one in self.constraints)))

    @functools.cached_property
    def limits(self) -> Array:
        """The least bound of each measure, infinite where there is none."""
        limits = np.full(len(self.measures), np.inf)
        for one in self.constraints:
            place = self.measures.index(one.measure)
            limits[place] = min(limits[place], one.limit)
        return limits

    @property
    def traded(self) -> int:
        """Leading columns of `values` that fronts are drawn over: the axes, else the first measure."""
        return len(self.axes) or min(1, len(self.measures))

    def tables(self, population: P) -> dict[int, CostTable]:
        """What each oracle that a measure is of says of the networks."""
        tables = {}
        for place in dict.fromkeys(measure.target for measure in self.measures):
            target = self.targets[place]
            batch = self.space.lower(population, fusion=target.fusion, context=target.context)
            tables[place] = target.oracle.cost(batch)
        return tables

    def values(self, population: P) -> Array:
        """(networks, measures). Raises ConfigError where an oracle does not give what is asked of it."""
        tables = self.tables(population)
        columns = [measure.values(tables, self.targets) for measure in self.measures]
        return np.stack(columns, axis=1) if columns else np.zeros((len(population), 0))

    def meets(self, values: Array) -> Any:
        """Whether each row of `values` keeps all limits."""
        return (values <= self.limits).all(axis=1)
