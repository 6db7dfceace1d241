"""Children that keep the constraints: drawn again from the same parents until one does.

All children that still miss are drawn at once, several tries each (`ROUNDS`), so that a generation costs a few array
operations; the first try that keeps them counts. Where none does, the child is a copy of its (first) parent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np

from models.search.problem import Array, Problem
from models.search.space import P, repeat

Places = np.ndarray[Any, np.dtype[np.int64]]
ROUNDS = (2, 6, 24, 96)
_CROSSINGS = 40


@dataclass(frozen=True)
class Rated(Generic[P]):
    """Networks with the values of the measures of a problem and, where they have been asked for, their scores."""

    population: P
    values: Array
    scores: Array

    def __len__(self) -> int:
        return len(self.values)


@dataclass
class Asked:
    """How many networks the oracles priced and the objective scored."""

    priced: int = 0
    scored: int = 0


def rate(problem: Problem[P], population: P, values: Array, asked: Asked) -> Rated[P]:
    """Score networks whose values are known."""
    asked.scored += len(population)
    return Rated(population, values, problem.objective.score(population))


def join(problem: Problem[P], parts: list[Rated[P]]) -> Rated[P]:
    """All of `parts`, in order."""
    population = problem.space.concatenate([one.population for one in parts])
    values, scores = (np.concatenate([getattr(one, key) for one in parts]) for key in ("values", "scores"))
    return Rated(population, values, scores)


def take(problem: Problem[P], rated: Rated[P], rows: Any) -> Rated[P]:
    """Some of `rated`."""
    return Rated(problem.space.select(rated.population, rows), rated.values[rows], rated.scores[rows])


def children(
    problem: Problem[P],
    mothers: Rated[P],
    draw: Callable[[Places], P],
    asked: Asked,
) -> tuple[P, Array]:
    """A child for each of `mothers`, with its values; `draw` gives one for each of the rows that it is called with."""
    space, count = problem.space, len(mothers)
    pool, values = [mothers.population], [mothers.values]
    chosen = np.arange(count)  # until a child keeps the constraints, its mother stands for it
    pending, size = np.arange(count), count
    for tries in ROUNDS:
        rows = np.repeat(pending, tries)
        drawn = draw(rows)
        found = problem.values(drawn)
        asked.priced += len(rows)
        good = np.flatnonzero(problem.meets(found))
        settled, first = np.unique(rows[good], return_index=True)
        chosen[settled] = size + good[first]
        pool.append(drawn)
        values.append(found)
        size += len(rows)
        pending = np.setdiff1d(pending, settled, assume_unique=True)
        if not len(pending):
            break
    return space.select(space.concatenate(pool), chosen), np.concatenate(values)[chosen]


def feasible_sample(
    problem: Problem[P], count: int, anchor: P, rng: np.random.Generator, asked: Asked, most: int = 50
) -> tuple[P, Array, int]:
    """`count` random networks that keep the constraints, their values, and how many of them had to be pulled.

    Of at most `most` x `count` uniform draws those that keep them are taken; what is missing are draws that are crossed
    with `anchor` (one network that keeps them) until they do.
    """
    space = problem.space
    pool, values, kept, drawn = [], [], 0, 0
    while kept < count and drawn < most * count:
        size = max(count, 64) if not drawn else min(4 * count, 4096)
        fresh = space.sample(size, rng)
        found = problem.values(fresh)
        rows = np.flatnonzero(problem.meets(found))[: count - kept]
        drawn, kept = drawn + size, kept + len(rows)
        pool.append(space.select(fresh, rows))
        values.append(found[rows])
    missing = count - kept
    asked.priced += drawn
    if missing:
        pulled, found = _pull(problem, space.sample(missing, rng), anchor, rng, asked)
        pool.append(pulled)
        values.append(found)
    return space.concatenate(pool), np.concatenate(values), missing


def _pull(problem: Problem[P], population: P, anchor: P, rng: np.random.Generator, asked: Asked) -> tuple[P, Array]:
    """Cross each of `population` with `anchor` until it keeps the constraints."""
    space, count = problem.space, len(population)
    towards = repeat(space, anchor, 0, count)
    for _ in range(_CROSSINGS):
        found = problem.values(population)
        asked.priced += count
        misses = ~problem.meets(found)
        if not misses.any():
            return population, found
        crossed = space.cross(population, towards, rng)
        both = space.concatenate([population, crossed])
        population = space.select(both, np.arange(count) + count * misses)
    asked.priced += count
    both = space.concatenate([population, towards])
    population = space.select(both, np.arange(count) + count * ~problem.meets(problem.values(population)))
    return population, problem.values(population)
