"""Run a search: feasibility first, then steps with checkpoints, then a record that says what was found and how."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from models.search.archive import Archive
from models.search.breed import Rated, take
from models.search.checkpoint import Checkpoint
from models.search.evolution import Evolution
from models.search.exhaustive import Exhaustive
from models.search.feasibility import Reach, Start, reachable, require_feasible
from models.search.method import Method, Settings
from models.search.pareto import Pareto
from models.search.problem import Problem
from models.search.random_search import RandomSearch
from models.search.space import P
from sim.errors import InputError

METHODS: dict[str, type[Method[Any]]] = {
    "evolution": Evolution,
    "random": RandomSearch,
    "exhaustive": Exhaustive,
    "pareto": Pareto,
}
Progress = Callable[[str, int, int], None]
MOST_OF_FRONT = 200


def prepare(problem: Problem[P]) -> tuple[tuple[Reach, ...], P]:
    """Ranges of all measures, and a network that keeps the constraints. Raises InfeasibleError, ConfigError."""
    start = Start.of(problem)
    reach = reachable(start)
    return reach, require_feasible(start, reach)


def search(
    problem: Problem[P],
    method: str = "evolution",
    settings: Settings | None = None,
    *,
    seed: int = 0,
    name: str = "search",
    prepared: tuple[tuple[Reach, ...], P] | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The record of one search: {constraint, reachable, best, front, history, evaluations, priced, pulled, wall_s}.

    With a `checkpoint` that holds a state of `name` it goes on from there; a result there is returned as it is.
    Raises InfeasibleError, ConfigError; InputError where the checkpoint is damaged.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

    begin = time.perf_counter()
    kept = checkpoint.states.get(name, {}) if checkpoint else {}
    if "result" in kept:
        result: dict[str, Any] = kept["result"]
        return result
    reach, anchor = prepared or prepare(problem)
    run = METHODS[method](problem, settings or Settings(), seed, anchor)
    before = 0.0
    if "state" in kept:
        before = _take_up(run, kept, checkpoint)
    try:
        with threadpool_limits(1, user_api="blas"):  # threads that wait for each other on a busy machine cost 40 times
            while run.done < run.total:
                run.advance()
                if progress is not None:
                    progress(name, run.done, run.total)
                if checkpoint is not None and (run.every_step or checkpoint.due()):
                    checkpoint.save(name, _state(run, before + time.perf_counter() - begin), now=True)
    except KeyboardInterrupt:
        if checkpoint is not None:
            checkpoint.save(name, _state(run, before + time.perf_counter() - begin), now=True)
        raise
    found = _record(problem, run, reach, before + time.perf_counter() - begin)
    if checkpoint is not None:
        checkpoint.save(name, {"result": found}, now=True)
    return found


def _state(run: Method[P], seconds: float) -> dict[str, Any]:
    return {"state": run.state(), "wall_s": seconds}


def _take_up(run: Method[P], kept: dict[str, Any], checkpoint: Checkpoint | None) -> float:
    try:
        run.restore(kept["state"])
        return float(kept["wall_s"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        where = str(checkpoint.path) if checkpoint else "checkpoint"
        raise InputError(f"{where!r} is damaged: {error!r}; nearest: another --out") from None


def _record(problem: Problem[P], run: Method[P], reach: tuple[Reach, ...], seconds: float) -> dict[str, Any]:
    names = [target.name for target in problem.targets]
    constraints = [
        {"device": names[one.measure.target], "column": one.measure.column, "limit": one.limit}
        for one in problem.constraints
    ]
    return {
        "constraint": constraints,
        "reachable": [one.record(names[one.measure.target]) for one in reach],
        "best": describe(problem, run.archive.best(), full=True)[0] if run.archive.rated is not None else None,
        "front": _front(problem, run.archive),
        "history": run.history,
        "evaluations": run.asked.scored,
        "priced": run.asked.priced,
        "pulled": run.pulled,
        "wall_s": seconds,
    }


def _front(problem: Problem[P], archive: Archive[P]) -> list[dict[str, Any]]:
    """At most `MOST_OF_FRONT` networks of the front, evenly by score, the ends included."""
    rated: Rated[P] | None = archive.rated
    if rated is None:
        return []
    order = np.argsort(rated.scores, kind="stable")
    if len(order) > MOST_OF_FRONT:
        order = order[np.unique(np.linspace(0, len(order) - 1, MOST_OF_FRONT).round().astype(np.int64))]
    return describe(problem, take(problem, rated, order))


def describe(problem: Problem[P], rated: Rated[P], *, full: bool = False) -> list[dict[str, Any]]:
    """{arch, predicted, measured} of each network; `full`: also all that each oracle says of it, priced anew."""
    names = [target.name for target in problem.targets]
    rows = []
    scores = problem.objective.describe(rated.population, rated.scores)
    tables = problem.tables(rated.population) if full else {}
    for row, arch in enumerate(problem.space.records(problem.space.canonical(rated.population))):
        values = [
            {"device": names[measure.target], "column": measure.column, "value": float(rated.values[row, place])}
            for place, measure in enumerate(problem.measures)
        ]
        predicted: dict[str, Any] = {**scores[row], "measures": values}
        if full:
            predicted["costs"] = [{"device": names[place], **table.rows()[row]} for place, table in tables.items()]
        rows.append({"arch": arch, "predicted": predicted, "measured": None})
    return rows
