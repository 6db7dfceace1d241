"""Dear evaluations: each network once, also over searches and kills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.search.method import Settings
from models.search.objective import DearObjective
from models.search.problem import Problem
from models.search.run import search
from sim.cache import ResultCache


def test_no_network_is_evaluated_twice(toy: Any, tmp_path: Path) -> None:
    asked: list[str] = []
    losses: list[float] = []

    def evaluate(record: dict[str, Any]) -> float:
        asked.append(str(record))
        losses.append(float(sum(record["choices"])))
        return losses[-1]

    def dear() -> DearObjective[Any]:
        return DearObjective(toy.space, evaluate, "made up 1", smaller=True, cache=ResultCache(tmp_path))

    problem = toy.problem(5e-6)
    for _ in range(2):
        mine = Problem(toy.space, problem.targets, problem.constraints, dear(), problem.axes)
        found = search(mine, "evolution", Settings(8, 6), seed=2)
        assert found["best"]["predicted"]["score"] == min(losses)
    assert len(asked) == len(set(asked))


def test_a_kill_loses_only_the_evaluation_under_way(toy: Any, tmp_path: Path) -> None:
    def evaluate(record: dict[str, Any]) -> float:
        if record["choices"][0] == 16:
            raise KeyboardInterrupt
        return 1.0

    population = np.array([[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [3, 0, 0, 0, 0]])
    cache = ResultCache(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        DearObjective(toy.space, evaluate, "x", cache=cache).score(population)
    again = DearObjective(toy.space, lambda record: 2.0, "x", cache=cache)
    assert again.score(population).tolist() == [1.0, 1.0, 2.0]
    assert again.computed == 1
