"""Ranges that are reached, and what is said of budgets that are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.search.constraint import Constraint, Measure, Target
from models.search.feasibility import Start, reachable, require_feasible
from sim.errors import ConfigError, InfeasibleError


def test_a_small_space_is_enumerated(toy: Any) -> None:
    (reach,) = reachable(Start.of(toy.problem()))
    latency, _ = toy.everything()
    assert (reach.low, reach.high, reach.how) == (latency.min(), latency.max(), "enumerated")


def test_the_descent_is_exact_for_an_additive_device(large_toy: Any) -> None:
    problem = large_toy.problem()
    (reach,) = reachable(Start.of(problem))
    ends = problem.values(large_toy.space.corners())[:, 0]
    assert (reach.low, reach.high) == (ends[0], ends[1])
    assert reach.how == "descent"


def test_a_descent_finds_the_end_without_help_from_corners(large_toy: Any) -> None:
    problem = large_toy.problem()
    found = large_toy.space.sample(3, np.random.default_rng(1))
    start = Start(problem, found, problem.values(found), "descent")
    (reach,) = reachable(start)
    assert reach.low == problem.values(large_toy.space.corners())[0, 0]


def test_an_impossible_budget_names_what_is_nearest(toy: Any) -> None:
    start = Start.of(toy.problem(1e-7))
    with pytest.raises(InfeasibleError, match=r"latency_s of 0\.0001 ms or less on toy-device: .*nearest: 0\.0\d+ ms"):
        require_feasible(start, reachable(start))


def test_the_nearest_budget_is_not_refused(toy: Any) -> None:
    start = Start.of(toy.problem(1e-7))
    with pytest.raises(InfeasibleError) as error:
        require_feasible(start, reachable(start))
    nearest = float(str(error.value).rpartition("nearest: ")[2].removesuffix(" ms")) * 1e-3
    again = Start.of(toy.problem(nearest))
    kept = require_feasible(again, reachable(again))
    assert again.problem.meets(again.problem.values(kept)).all()


def test_limits_that_exclude_one_another_are_told_so(toy: Any) -> None:
    class Opposite:
        name, fingerprint = "opposite", "opposite"

        def cost(self, batch: Any, *, breakdown: bool = False) -> Any:
            straight = toy.targets[0].oracle.cost(batch)
            columns = {f"latency{bound}_s": 1e-4 - straight["latency_s"] for bound in ("", "_low", "_high")}
            return type(straight).of(batch, **columns)

    problem = toy.problem(3e-6)
    other = Constraint(Measure(1, "latency"), 1e-4 - 4e-6)
    both = replace(problem, targets=(*problem.targets, Target(Opposite())), constraints=(*problem.constraints, other))
    start = Start.of(both)
    with pytest.raises(InfeasibleError, match="each limit can be kept, but no network"):
        require_feasible(start, reachable(start))


def test_a_quantity_that_the_oracle_does_not_give(toy: Any) -> None:
    with pytest.raises(ConfigError, match=r"toy-device gives no energy .*nearest: bound latency or memory or macs"):
        Start.of(toy.problem(1.0, quantity="energy"))


def test_the_upper_end_of_the_interval_can_be_bounded(toy: Any) -> None:
    problem = toy.problem(1.1 * 4e-6, upper=True)
    values = problem.values(toy.space.enumerate(0, 1024))
    assert np.allclose(values[:, 1], 1.1 * values[:, 0])
