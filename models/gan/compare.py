"""Search on latency against search on MACs: what does a generator lose where only its MACs were bounded?

For each device and each latency budget L three generators are chosen, by their score on search images:

    latency     the best that keeps L
    same MACs   the best of at most as many MACs as that one has: does it keep L?
    safe MACs   the best under the largest MAC budget with which every generator of the space keeps L: what does that
                guarantee cost in quality?

Searches are run under each of these bounds; then all three rules choose from everything that any search of the
comparison has scored, so that they differ in their bound alone and not in the luck of a search. Nothing is chosen by
test images, on which the chosen are measured; nothing is fine-tuned. Scores are kept in a cache: what was killed
repeats none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from models.gan.prices import Places, Prices, costs
from models.gan.reference import measures, open_teacher
from models.gan.search import GanObjective, GanSpace, Scorer
from models.gan.study import MacOracle
from models.gan.train import data_record, translate
from models.search.constraint import Constraint, Measure, Target
from models.search.host import Host, timed
from models.search.objective import Array
from models.search.problem import Problem
from models.search.run import prepare, search
from models.search.study import Row, Study, plan
from sim.cache import ResultCache
from sim.errors import ConfigError

SCHEMA = "hwloop.gan-comparison/1"
RULES = ("latency", "same_macs", "safe_macs")
HOST_SAMPLE = 12
"""Random networks that are timed where a device is this machine."""
Progress = Callable[[str, int, int], None]


class Pool:
    """An objective that remembers what it has scored; all rules choose from it."""

    def __init__(self, inner: GanObjective, space: GanSpace) -> None:
        self._inner, self._space = inner, space
        self.name, self.fingerprint = inner.name, inner.fingerprint
        self._scores: dict[tuple[int, ...], float] = {}

    def score(self, population: Places) -> Array:
        """As the inner objective."""
        found = self._inner.score(population)
        self._scores.update(zip(map(tuple, population.tolist()), found.tolist(), strict=True))
        return found

    def describe(self, population: Places, scores: Array) -> list[dict[str, Any]]:
        """As the inner objective."""
        return self._inner.describe(population, scores)

    def record(self) -> dict[str, Any]:
        """As the inner objective."""
        return self._inner.record()

    def __len__(self) -> int:
        return len(self._scores)

    def best(self, keeps: Callable[[Places], Any]) -> Places | None:
        """The best of all that were scored and of which `keeps` says so; of equal ones the first in order."""
        rows = np.array(sorted(self._scores), np.int64)
        scores = np.array([self._scores[tuple(row)] for row in rows.tolist()])
        allowed = np.where(keeps(rows), scores, -np.inf)
        place = int(np.argmax(allowed))
        return rows[place : place + 1] if np.isfinite(allowed[place]) else None

    def score_of(self, network: Places) -> float:
        """The score as it was evaluated (a KID is smaller where it is better)."""
        return float(self.describe(network, np.array([self._scores[tuple(network[0].tolist())]]))[0][self.name])


def compare(
    study: Study[Places],
    *,
    cache: Path,
    hosts: Mapping[str, Host] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """One row for each device and latency budget of `study`. hosts: the devices that are this machine.

    Raises ConfigError where the study bounds more than latency, InfeasibleError where no budget can be reached.
    """
    space, objective = _require(study)
    pool = Pool(GanObjective(space, objective.scorer, ResultCache(cache)), space)
    study = replace(study, objective=pool)
    rows = [row for row in plan(study) if row.anchor is not None]
    for row in rows:
        assert row.anchor is not None
        known = (row.reach, row.anchor)
        how = (row.problem, study.method, study.settings)
        search(*how, seed=study.seed, name=row.name, prepared=known, progress=progress)
    prices = {target.name: Prices.of(space, target, study.seed) for target in study.targets}
    for limit in _mac_limits(rows, prices, pool):
        problem = Problem(space, (Target(MacOracle()),), (Constraint(Measure(0, "macs"), limit),), pool)
        name = f"at most {limit / 1e6:.4g} MMACs"
        found = prepare(problem)
        search(problem, study.method, study.settings, seed=study.seed, name=name, prepared=found, progress=progress)
    bench = Bench(objective.scorer, hosts or {}, prices)
    return {
        "schema": SCHEMA,
        "space": {"name": space.name, "size": space.size, "run": str(objective.scorer.work.out)},
        "seed": study.seed,
        "method": study.method,
        "settings": asdict(study.settings),
        "objective": pool.record(),
        "scored": len(pool),
        "data": data_record(objective.scorer.work.images),
        "teacher": open_teacher(objective.scorer.work, objective.scorer.extractor).record(),
        "rows": [_row(row, prices[row.devices[0]], pool, bench, progress) for row in rows],
        "devices": [bench.device(one) for one in prices.values()],
    }


class Bench:
    """Measures generators of a supernet: quality on the test images, latency where a device is this machine."""

    def __init__(self, scorer: Scorer, hosts: Mapping[str, Host], prices: Mapping[str, Prices]) -> None:
        self._scorer, self._hosts, self._prices = scorer, hosts, prices
        self._quality: dict[tuple[int, ...], dict[str, Any]] = {}
        self._seconds: dict[tuple[str, tuple[int, ...]], float | None] = {}

    def quality(self, channels: tuple[int, ...]) -> dict[str, Any]:
        """Measures on the test images, with the weights of the supernet."""
        if channels not in self._quality:
            work = self._scorer.work
            fake = translate(work.images, self._net(channels), work.images.test)
            self._quality[channels] = measures(fake, work, self._scorer.extractor)
        return self._quality[channels]

    def seconds(self, device: str, channels: tuple[int, ...]) -> float | None:
        """Measured latency, or None where the device is not here."""
        key = (device, channels)
        if key not in self._seconds:
            shape = tuple(self._scorer.work.family.example().shape[1:])
            host = self._hosts.get(device)
            self._seconds[key] = timed(self._net(channels), shape, host)["latency_s"] if host is not None else None
        return self._seconds[key]

    def device(self, prices: Prices) -> dict[str, Any]:
        """How MACs mislead on a device; here also by measured latencies."""
        found, name = prices.record(), prices.target.name
        for one in ("slower", "faster") if found["misleading"] else ():
            entry = found["misleading"][one]
            entry["measured_latency_s"] = self.seconds(name, tuple(entry["channels"]))
        return {**found, "measured": self._on_host(prices) if name in self._hosts else None}

    def _on_host(self, prices: Prices) -> dict[str, Any]:
        """Rank correlations of measured latency with MACs and with predicted latency, over random networks."""
        from scipy.stats import spearmanr

        places = prices.correlated
        chosen = places[np.linspace(0, len(places) - 1, min(HOST_SAMPLE, len(places))).astype(np.int64)]
        networks = [prices.described(prices.network(int(place))) for place in chosen]
        name = prices.target.name
        timed_s = np.array([self.seconds(name, tuple(one["channels"])) for one in networks], np.float64)
        against = {key: [one[key] for one in networks] for key in ("macs", "latency_s")}
        return {
            "networks": [
                one | {"measured_latency_s": value} for one, value in zip(networks, timed_s.tolist(), strict=True)
            ],
            "spearman_macs": float(spearmanr(against["macs"], timed_s).statistic),
            "spearman_predicted": float(spearmanr(against["latency_s"], timed_s).statistic),
        }

    def _net(self, channels: tuple[int, ...]) -> nn.Module:
        return self._scorer.work.ready(self._scorer.net.export(channels))


def _require(study: Study[Places]) -> tuple[GanSpace, GanObjective]:
    space, objective = study.space, study.objective
    assert isinstance(space, GanSpace)
    assert isinstance(objective, GanObjective)
    if study.bounds or study.jointly or study.upper or not study.budgets:
        raise ConfigError(
            "--compare bounds latency on each device and nothing else; nearest: --max-latency-ms 25%,50%,75%"
        )
    return space, objective


def _mac_limits(rows: list[Row[Places]], prices: Mapping[str, Prices], pool: Pool) -> list[float]:
    """The MAC budgets that are searched, each once."""
    found: dict[float, None] = {}
    for row in rows:
        for rule in RULES[1:]:
            limit = _bound(rule, row, prices[row.devices[0]], pool)
            if limit is not None:
                found[float(limit)] = None
    return list(found)


def _bound(rule: str, row: Row[Places], prices: Prices, pool: Pool) -> int | None:
    """The MAC budget of a rule."""
    limit = float(row.problem.limits[0])
    if rule == "safe_macs":
        return prices.safe_macs(limit)
    winner = _chosen("latency", row, prices, pool)
    return int(prices.described(winner)["macs"]) if winner is not None else None


def _chosen(rule: str, row: Row[Places], prices: Prices, pool: Pool) -> Places | None:
    """What a rule chooses from the pool, or None."""
    column = "latency_s" if rule == "latency" else "macs"
    limit = float(row.problem.limits[0]) if rule == "latency" else _bound(rule, row, prices, pool)
    if limit is None:
        return None
    return pool.best(lambda rows: costs(prices.space, prices.target, rows)[column] <= limit)


def _row(row: Row[Places], prices: Prices, pool: Pool, bench: Bench, progress: Progress | None) -> dict[str, Any]:
    limit, device = float(row.problem.limits[0]), row.devices[0]
    found: dict[str, Any] = {"device": device, "budget": row.budget, "limit_s": limit, "priced": prices.how}
    for place, rule in enumerate(RULES):
        if progress is not None:
            progress(f"measuring, {row.name}", place, len(RULES))
        network = _chosen(rule, row, prices, pool)
        bound = {} if rule == "latency" else {"most_macs": _bound(rule, row, prices, pool)}
        if network is None:
            found[rule] = {**bound, "channels": None}
            continue
        described = prices.described(network)
        channels = tuple(described["channels"])
        found[rule] = {
            **bound,
            **described,
            "of_budget": described["latency_s"] / limit,
            "score": {pool.name: pool.score_of(network)},
            "measures": bench.quality(channels),
            "measured_latency_s": bench.seconds(device, channels),
        }
    return found
