"""What a search makes as large as possible: a cheap prediction, or a dear evaluation of which none is repeated."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from models.search.space import P, SearchSpace
from sim.cache import ResultCache, fingerprint

Array = np.ndarray[Any, np.dtype[np.float64]]
P_contra = TypeVar("P_contra", bound=Sized, contravariant=True)


class Objective(Protocol[P_contra]):
    """Scores networks; larger is better."""

    @property
    def name(self) -> str:
        """What the score is."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of all that a score follows from, besides the network."""
        ...

    def score(self, population: P_contra) -> Array:
        """One score a network."""
        ...

    def describe(self, population: P_contra, scores: Array) -> list[dict[str, Any]]:
        """The scores that `score` gave, with what more is known of each, as plain values."""
        ...

    def record(self) -> dict[str, Any]:
        """What the score is and where it comes from, as plain values; ``label`` says how far it can be believed."""
        ...


class DearObjective(Generic[P]):
    """Evaluations that take seconds or hours, such as training: each network once, kept in a `ResultCache`.

    evaluate: from the record of a network to its score. identity: of everything that the score follows from (code,
    data, weights, settings). smaller: the score is a loss, as FID is, and counts negative.
    """

    def __init__(
        self,
        space: SearchSpace[P],
        evaluate: Callable[[dict[str, Any]], float],
        identity: str,
        *,
        name: str = "score",
        smaller: bool = False,
        cache: ResultCache | None = None,
    ) -> None:
        self._space, self._evaluate, self._identity = space, evaluate, identity
        self._sign = -1.0 if smaller else 1.0
        self._cache = cache or ResultCache()
        self.name = name
        self.computed = 0

    @property
    def fingerprint(self) -> str:
        """Hash of the identity and of the space."""
        return fingerprint("dear", self._identity, self._space.fingerprint)

    def score(self, population: P) -> Array:
        """Kept or computed, one network after the other."""
        return np.array([self._sign * self._one(record) for record in self._records(population)], np.float64)

    def describe(self, population: P, scores: Array) -> list[dict[str, Any]]:
        """The scores as they were evaluated."""
        return [{self.name: self._sign * float(score)} for score in scores]

    def record(self) -> dict[str, Any]:
        """Its name and hash."""
        return {"what": self.name, "label": "evaluated", "fingerprint": self.fingerprint}

    def _records(self, population: P) -> list[dict[str, Any]]:
        return self._space.records(self._space.canonical(population))

    def _one(self, record: dict[str, Any]) -> float:
        def compute() -> float:
            self.computed += 1
            return float(self._evaluate(record))

        value, _ = self._cache.get_or_compute(fingerprint(self.fingerprint, record), compute)
        return float(value)
