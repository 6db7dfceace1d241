"""Evolution, random, exhaustive and Pareto search: constraints kept, seeds, resume, and against brute force."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.search.checkpoint import Checkpoint
from models.search.evolution import Evolution
from models.search.exhaustive import Exhaustive
from models.search.front import non_dominated
from models.search.method import Settings
from models.search.run import METHODS, prepare, search
from sim.errors import ConfigError

SMALL = Settings(population=20, generations=15)
LIMIT = 4.2e-6


def timeless(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "wall_s"}


@pytest.mark.parametrize("method", sorted(METHODS))
def test_all_methods_keep_the_constraint_and_repeat_themselves(method: str, toy: Any) -> None:
    first = search(toy.problem(LIMIT), method, SMALL, seed=3)
    again = search(toy.problem(LIMIT), method, SMALL, seed=3)
    assert timeless(first) == timeless(again)
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    for one in (first["best"], *first["front"]):
        assert all(value["value"] <= LIMIT for value in one["predicted"]["measures"])
    best = [point["best"] for point in first["history"]]
    assert best == sorted(best)
    assert best[-1] == first["best"]["predicted"]["accuracy"]


def test_seeds_differ(large_toy: Any) -> None:
    found = [search(large_toy.problem(1.2e-5), "random", SMALL, seed=seed)["history"] for seed in (0, 1)]
    assert found[0] != found[1]


def test_as_many_networks_are_scored_as_published(toy: Any) -> None:
    for method in ("evolution", "random", "pareto"):
        assert search(toy.problem(LIMIT), method, SMALL)["evaluations"] == SMALL.queries == 320


def test_exhaustive_search_finds_what_brute_force_finds(toy: Any) -> None:
    found = search(toy.problem(LIMIT), "exhaustive")
    latency, score = toy.everything()
    allowed = latency <= LIMIT
    assert found["best"]["predicted"]["accuracy"] == score[allowed].max()
    assert (found["evaluations"], found["priced"]) == (int(allowed.sum()), 1024)
    front = non_dominated(np.column_stack([-score[allowed], latency[allowed]]))
    accuracies = [one["predicted"]["accuracy"] for one in found["front"]]
    assert accuracies == sorted(score[allowed][front])


def test_evolution_finds_the_best_of_a_small_space(toy: Any) -> None:
    found = search(toy.problem(LIMIT), "evolution", Settings(40, 40), seed=1)
    latency, score = toy.everything()
    assert found["best"]["predicted"]["accuracy"] == score[latency <= LIMIT].max()


def test_evolution_beats_random_search(large_toy: Any) -> None:
    problem = large_toy.problem(1.1e-5)
    for seed in range(5):
        best = {
            method: search(problem, method, Settings(50, 40), seed=seed)["best"]["predicted"]["accuracy"]
            for method in ("evolution", "random")
        }
        assert best["evolution"] > best["random"]


def test_pareto_finds_most_of_the_front(toy: Any) -> None:
    found = search(toy.problem(), "pareto", Settings(60, 60), seed=0)
    latency, score = toy.everything()
    rows = non_dominated(np.column_stack([-score, latency]))
    there = {(latency[row], score[row]) for row in rows}
    mine = {(one["predicted"]["measures"][0]["value"], one["predicted"]["accuracy"]) for one in found["front"]}
    assert len(mine & there) >= 0.9 * len(there)


def test_a_budget_near_the_least_is_still_searched(large_toy: Any) -> None:
    problem = large_toy.problem()
    least = problem.values(large_toy.space.corners())[0, 0]
    found = search(large_toy.problem(1.06 * least), "evolution", SMALL)
    assert found["pulled"] > 0
    assert found["best"]["predicted"]["measures"][0]["value"] <= 1.06 * least


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_search_goes_on_as_if_it_had_not_stopped(
    method: str, steps: int, toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method == "exhaustive":
        monkeypatch.setattr(Exhaustive.__init__, "__defaults__", (100,))
    whole = search(toy.problem(LIMIT), method, SMALL, seed=5)
    path = tmp_path / "checkpoint.json"
    first = Checkpoint(path, {"seed": 5})

    def stop(name: str, done: int, total: int) -> None:
        if done == steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(toy.problem(LIMIT), method, SMALL, seed=5, checkpoint=first, progress=stop)
    second = Checkpoint(path, {"seed": 5})
    assert second.resume()
    rest = search(toy.problem(LIMIT), method, SMALL, seed=5, checkpoint=second)
    assert timeless(rest) == timeless(whole)
    third = Checkpoint(path, {"seed": 5})
    third.resume()
    assert search(toy.problem(LIMIT), method, SMALL, seed=5, checkpoint=third) == rest


def test_exhaustive_search_repeats_nothing(toy: Any, tmp_path: Path) -> None:
    problem, path = toy.problem(LIMIT), tmp_path / "checkpoint.json"
    prepared = prepare(problem)
    checkpoint = Checkpoint(path, {})

    class Stopped(Exception):
        pass

    def stop(name: str, done: int, total: int) -> None:
        if done == 4:
            raise Stopped  # as a kill would: nothing is written when it happens

    METHODS["small"] = lambda *some: Exhaustive(*some, chunk=64)  # type: ignore[assignment]
    try:
        toy.space.lowered.clear()
        with pytest.raises(Stopped):
            search(problem, "small", prepared=prepared, checkpoint=checkpoint, progress=stop)
        before = len(toy.space.lowered)
        again = Checkpoint(path, {})
        again.resume()
        search(problem, "small", prepared=prepared, checkpoint=again)
    finally:
        del METHODS["small"]
    chunks = [count for count in toy.space.lowered if count == 64]
    assert (before, len(chunks)) == (4, 16 + 1)  # one chunk was done but not yet written


def test_a_space_without_end_is_not_enumerated(large_toy: Any) -> None:
    huge = type(large_toy.space)(30)
    problem = replace(large_toy.problem(), space=huge)
    with pytest.raises(ConfigError, match=r"1\.15e\+18 networks.*nearest: --method evolution"):
        search(problem, "exhaustive")


def test_children_that_cannot_keep_the_constraint_are_their_parents(toy: Any) -> None:
    problem = toy.problem()
    least = float(problem.values(toy.space.corners())[0, 0])
    tight = toy.problem(least * (1 + 1e-9))
    run = Evolution(tight, SMALL, 0, toy.space.corners())
    for _ in range(3):
        run.advance()
    assert run.current is not None
    assert (run.current.population == 0).all()
