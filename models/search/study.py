"""Many searches at once: a specialised network for each device under each budget, or one for all devices together.

Ranges are found and all budgets are checked before the first search begins. A pair that cannot be reached says so in
its row and the others go on; if none can be reached, that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic

from models.search.checkpoint import Checkpoint, require_fresh
from models.search.constraint import QUANTITIES, Constraint, Measure, Target, unique
from models.search.feasibility import Reach, Start, reachable, require_feasible
from models.search.method import Settings
from models.search.objective import Objective
from models.search.problem import Problem
from models.search.run import METHODS, Progress, search
from models.search.space import P, SearchSpace
from sim.errors import ConfigError, InfeasibleError, nearest
from sim.version import __version__

SCHEMA = "hwloop.search/1"
CHECKPOINT = "checkpoint.json"


@dataclass(frozen=True)
class Bound:
    """The most of a quantity: in the unit of its column, or, with `share`, as a part of the reachable range."""

    quantity: str
    amount: float
    share: bool = False

    @property
    def words(self) -> str:
        """``15 ms``, or ``25 % of the latency range``."""
        if self.share:
            return f"{100 * self.amount:g} % of the {self.quantity} range"
        found = QUANTITIES[self.quantity]
        return f"{self.amount * found.scale:g} {found.unit}"


@dataclass(frozen=True)
class Study(Generic[P]):
    """budgets: bounds of which each gives a row. bounds: kept in all rows. upper: bounds of latency and energy hold for
    the upper end of the 90 % interval. jointly: each network keeps its bounds on all devices."""

    space: SearchSpace[P]
    objective: Objective[P]
    targets: tuple[Target, ...]
    budgets: tuple[Bound, ...] = ()
    bounds: tuple[Bound, ...] = ()
    upper: bool = False
    jointly: bool = False
    method: str = "evolution"
    settings: Settings = field(default_factory=Settings)
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ConfigError: no device, one twice, no such method, nothing bounded."""
        if self.method not in METHODS:
            raise ConfigError(f"no method {self.method!r}{nearest(self.method, METHODS)}")
        names = [target.name for target in self.targets]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"devices {', '.join(names) or '(none)'}: at least one, none of them twice")
        if self.method == "evolution" and not (self.budgets or self.bounds):
            raise ConfigError("nothing is bounded; nearest: --max-latency-ms 20, or --method pareto")

    def groups(self) -> Iterator[tuple[int, ...]]:
        """The devices of each row of the table."""
        places = tuple(range(len(self.targets)))
        yield from ([places] if self.jointly else [(place,) for place in places])

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        return {
            "space": f"{self.space.name} {self.space.fingerprint[:16]}",
            "device": [f"{one.name} {one.oracle.fingerprint[:16]} {one.context}" for one in self.targets],
            "seed": self.seed,
            "method": self.method,
            "settings": asdict(self.settings),
            "predictor": self.objective.fingerprint[:16],
            "constraint": [[asdict(one) for one in many] for many in (self.budgets, self.bounds)]
            + [self.upper, self.jointly],
        }


@dataclass(frozen=True)
class Row(Generic[P]):
    """One search that is to be run: its problem, and what was found out before."""

    name: str
    devices: tuple[str, ...]
    budget: str
    problem: Problem[P]
    reach: tuple[Reach, ...]
    anchor: P | None
    refused: str = ""


def run(study: Study[P], *, out: Path | None = None, resume: bool = False, progress: Progress | None = None) -> Any:
    """The record of all searches. out: a folder for the checkpoint, which is gone when all is done.

    Raises InfeasibleError where no row can be reached, ConfigError where `out` holds another search.
    """
    checkpoint = None
    if out is not None:
        checkpoint = Checkpoint(out / CHECKPOINT, study.identity())
        if resume:
            checkpoint.resume()
        else:
            require_fresh(checkpoint.path)
    rows = plan(study)
    found = [_search(study, row, checkpoint, progress) for row in rows]
    if checkpoint is not None:
        checkpoint.path.unlink(missing_ok=True)
    return _record(study, found)


def plan(study: Study[P]) -> list[Row[P]]:
    """Ranges and feasibility of all rows. Raises InfeasibleError where none can be reached."""
    rows: list[Row[P]] = []
    for devices in study.groups():
        start = Start.of(_problem(study, devices, ()))
        reach = reachable(start)
        rows += [_row(study, devices, budget, start, reach) for budget in (study.budgets or (None,))]
    refused = [row.refused for row in rows if row.refused]
    if len(refused) == len(rows):
        raise InfeasibleError(refused[0])
    return rows


def _row(
    study: Study[P], devices: tuple[int, ...], budget: Bound | None, start: Start[P], reach: tuple[Reach, ...]
) -> Row[P]:
    bounds = (*((budget,) if budget else ()), *study.bounds)
    ranges = {one.measure: one for one in reach}
    constraints = []
    for bound in bounds:
        for measure in _measures(study, devices, bound.quantity):
            one = ranges[measure]
            limit = one.low + bound.amount * (one.high - one.low) if bound.share else bound.amount
            constraints.append(Constraint(measure, limit))
    problem = _problem(study, devices, tuple(constraints))
    names = tuple(study.targets[place].name for place in devices)
    words = ", ".join(bound.words for bound in bounds) or "no bound"
    anchor, refused = None, ""
    try:
        anchor = require_feasible(replace(start, problem=problem), reach)
    except InfeasibleError as error:
        refused = str(error)
    return Row(f"{' + '.join(names)}, {words}", names, words, problem, reach, anchor, refused)


def _problem(study: Study[P], devices: tuple[int, ...], constraints: tuple[Constraint, ...]) -> Problem[P]:
    """Latency is always an axis (of the first device only, where several are bounded but not traded); without
    `constraints` all that will be bounded is one, in the same order."""
    axes = [Measure(place, "latency") for place in (devices if study.method == "pareto" else devices[:1])]
    if not constraints:
        quantities = dict.fromkeys(bound.quantity for bound in (*study.budgets, *study.bounds))
        axes += [measure for one in quantities for measure in _measures(study, devices, one)]
    return Problem(study.space, study.targets, constraints, study.objective, unique(axes))


def _measures(study: Study[P], devices: tuple[int, ...], quantity: str) -> list[Measure]:
    """MACs and parameters are the same on all devices: the first stands for all."""
    upper = study.upper and quantity in ("latency", "energy")
    places = devices[:1] if quantity in ("macs", "params") else devices
    return [Measure(place, quantity, upper) for place in places]


def _search(study: Study[P], row: Row[P], checkpoint: Checkpoint | None, progress: Progress | None) -> dict[str, Any]:
    head = {"device": " + ".join(row.devices), "devices": list(row.devices), "budget": row.budget}
    if row.anchor is None:
        names = [target.name for target in study.targets]
        ranges = [one.record(names[one.measure.target]) for one in row.reach]
        return {**head, "refused": row.refused, "reachable": ranges, "best": None, "evaluations": 0, "wall_s": 0.0}
    found = search(
        row.problem,
        study.method,
        study.settings,
        seed=study.seed,
        name=row.name,
        prepared=(row.reach, row.anchor),
        checkpoint=checkpoint,
        progress=progress,
    )
    return {**head, "refused": None, **found}


def _record(study: Study[P], found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "version": __version__,
        "space": {"name": study.space.name, "size": study.space.size, "fingerprint": study.space.fingerprint},
        "objective": study.objective.record(),
        "devices": [
            {"name": one.name, "fingerprint": one.oracle.fingerprint, **asdict(one.context or _default())}
            for one in study.targets
        ],
        "method": study.method,
        "settings": asdict(study.settings),
        "seed": study.seed,
        "upper_quantile": study.upper,
        "searches": found,
        "evaluations": sum(one["evaluations"] for one in found),
        "wall_s": sum(one["wall_s"] for one in found),
    }


def _default() -> Any:
    from sim.workload import Context

    return Context()
