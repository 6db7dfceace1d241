"""What a search needs of a space of networks: draw, vary, join and lower whole populations.

A population is any sized value that its space understands (arrays of choices); the search never looks inside. All
randomness comes from the generator that is handed in, so that one seed gives one result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import Any, Protocol, TypeVar

import numpy as np

from sim.workload import Context, WorkloadBatch

Rows = Any
"""Whatever indexes a NumPy array along its first axis."""
P = TypeVar("P", bound=Sized)


class SearchSpace(Protocol[P]):
    """A space of networks, some of which share all that counts."""

    @property
    def name(self) -> str:
        """As a user names it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of the choices: what a checkpoint must agree with."""
        ...

    @property
    def size(self) -> int:
        """Networks of the space, exactly."""
        ...

    def sample(self, count: int, rng: np.random.Generator) -> P:
        """`count` networks, every choice uniform by itself."""
        ...

    def mutate(self, parents: P, rng: np.random.Generator, probability: float, resolution: float) -> P:
        """One child of each: every choice drawn anew with `probability`, the resolution with its own."""
        ...

    def cross(self, mothers: P, fathers: P, rng: np.random.Generator) -> P:
        """One child of each pair: every choice from either parent."""
        ...

    def select(self, population: P, rows: Rows) -> P:
        """Some of `population`."""
        ...

    def concatenate(self, parts: Sequence[P]) -> P:
        """All of `parts`, in order."""
        ...

    def corners(self) -> P:
        """A few extreme networks, such as the smallest and the largest: where a descent begins."""
        ...

    def neighbours(self, population: P, row: int) -> P:
        """The networks that differ from one in a single choice."""
        ...

    def enumerate(self, start: int, stop: int) -> P:
        """Networks number `start` to `stop` of all `size`, each different. Raises InputError where too many exist."""
        ...

    def lower(self, population: P, *, fusion: Iterable[str] = (), context: Context | None = None) -> WorkloadBatch:
        """What the networks ask of hardware, a row each."""
        ...

    def canonical(self, population: P) -> P:
        """The same networks, with choices that have no effect set to the first one."""
        ...

    def records(self, population: P) -> list[dict[str, Any]]:
        """Each network as plain values, choices without effect included: a search goes on from them."""
        ...

    def of_records(self, records: Sequence[dict[str, Any]]) -> P:
        """The networks of `records`. Raises InputError where one is not of the space."""
        ...


def repeat(space: SearchSpace[P], population: P, row: int, count: int) -> P:
    """One network `count` times."""
    return space.select(population, np.full(count, row, np.int64))
