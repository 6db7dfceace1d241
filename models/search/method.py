"""What all ways of searching share: steps between which a search can be written down and taken up again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np

from models.search.archive import Archive, rated_of, rated_state
from models.search.breed import Asked, Rated
from models.search.problem import Problem
from models.search.space import P


@dataclass(frozen=True)
class Settings:
    """As published for Once-for-All: parents are the best quarter; half of the children are mutants, half crossed.

    mutation: chance of each choice to be drawn anew; resolution_mutation: of the resolution.
    """

    population: int = 100
    generations: int = 500
    parents: float = 0.25
    mutants: float = 0.5
    mutation: float = 0.1
    resolution_mutation: float = 0.1

    @property
    def queries(self) -> int:
        """Networks that are scored: the first population, then each generation of children."""
        return self.population * (self.generations + 1)


class Method(ABC, Generic[P]):
    """A search in steps. anchor: one network that keeps the constraints.

    After any step `state` says all that the rest follows from; a method that is given it by `restore` goes on as the
    first would have.
    """

    every_step = False
    """Whether the state is kept after every step, because a step is dear."""
    only_better = False
    """Whether the history has only the steps that found a better network, because there are very many."""

    def __init__(self, problem: Problem[P], settings: Settings, seed: int, anchor: P) -> None:
        self.problem, self.settings, self.anchor = problem, settings, anchor
        self.rng = np.random.default_rng(seed)
        self.archive: Archive[P] = Archive(problem)
        self.asked = Asked()
        self.current: Rated[P] | None = None
        self.history: list[dict[str, Any]] = []
        self.done, self.pulled = 0, 0

    @property
    @abstractmethod
    def total(self) -> int:
        """Steps in all."""

    @abstractmethod
    def step(self) -> None:
        """One step."""

    def advance(self) -> None:
        """One step, counted."""
        self.step()
        self.done += 1

    def note(self, fresh: Rated[P]) -> None:
        """Take scored networks into archive and history."""
        self.archive.add(fresh)
        assert self.archive.rated is not None
        best, mean = float(self.archive.rated.scores.max()), float(fresh.scores.mean())
        point = {"evaluations": self.asked.scored, "priced": self.asked.priced, "best": best, "mean": mean}
        if not self.only_better or not self.history or best > self.history[-1]["best"]:
            self.history.append(point)

    def state(self) -> dict[str, Any]:
        """All that the rest of the search follows from, as plain values."""
        return {
            "done": self.done,
            "pulled": self.pulled,
            "rng": self.rng.bit_generator.state,
            "priced": self.asked.priced,
            "scored": self.asked.scored,
            "history": self.history,
            "archive": self.archive.state(),
            "current": rated_state(self.problem, self.current) if self.current is not None else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`. Raises KeyError, TypeError, ValueError, InputError where it is damaged."""
        self.done, self.pulled, self.history = int(state["done"]), int(state["pulled"]), list(state["history"])
        self.rng.bit_generator.state = state["rng"]
        self.asked = Asked(int(state["priced"]), int(state["scored"]))
        self.archive.restore(state["archive"])
        self.current = rated_of(self.problem, state["current"]) if state["current"] else None
