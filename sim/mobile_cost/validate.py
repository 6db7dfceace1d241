"""How good the device model is on networks that it was not fitted on: one row for each check, set and device.

Own split: a seeded quarter of the groups of each set is held out (small sets are rotated, so that every network is
predicted once by a fit without it). With a test folder: fitted on all of the training folder, scored on the other.
Every prediction goes through `DeviceOracle.cost`, the path that users take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.mobile_cost import baselines, checks
from sim.mobile_cost.calibrate import calibrate, fold_of
from sim.mobile_cost.converters.folder import load
from sim.mobile_cost.oracle import DeviceOracle
from sim.mobile_cost.profiles import profile_of
from sim.mobile_cost.tables import Measurements, split

if TYPE_CHECKING:
    from sim.oracle import CostTable

Array = np.ndarray[Any, np.dtype[Any]]

_SMALL = 150
_ROTATIONS = 4
_HELD_OUT = 0.25


@dataclass
class Scored:
    """Truth and answers of the rows of one set that were predicted without being fitted.

    calibrated_on: networks whose errors bound the intervals, where the rows asked for are exchangeable with them.
    """

    truth: list[Array] = field(default_factory=list)
    value: list[Array] = field(default_factory=list)
    low: list[Array] = field(default_factory=list)
    high: list[Array] = field(default_factory=list)
    baselines: dict[str, list[float]] = field(default_factory=dict)
    calibrated_on: int | None = None

    def add(self, truth: Array, costs: CostTable, what: str, unit: str) -> None:
        """Rows with a measured value."""
        known = np.isfinite(truth)
        self.truth.append(truth[known])
        for kept, name in ((self.value, ""), (self.low, "_low"), (self.high, "_high")):
            kept.append(costs[f"{what}{name}_{unit}"][known])

    def row(self, check: str, set_name: str, device: str) -> dict[str, Any]:
        """The row of DESIGN.md section 5."""
        truth, value, low, high = (np.concatenate(one) for one in (self.truth, self.value, self.low, self.high))
        beside = {name: float(np.mean(found)) for name, found in self.baselines.items() if found}
        return {
            "check": check,
            "set": set_name,
            "device": device,
            **scores(truth, value, low, high),
            "calibrated_on": self.calibrated_on,
            "baselines": {name: beside.get(name) for name in ("macs_only", "linear_counts", "constant_power")},
        }


def scores(truth: Array, value: Array, low: Array | None = None, high: Array | None = None) -> dict[str, Any]:
    """n, mape, median_ape (both in %), within_5, within_10 (shares), spearman, coverage_90 (share)."""
    from scipy.stats import rankdata

    error = np.abs(value / truth - 1.0)
    ranks = [rankdata(one) for one in (truth, value)]
    flat = any(np.ptp(one) == 0 for one in ranks)
    inside = None if low is None or high is None else float(np.mean((low <= truth) & (truth <= high)))
    return {
        "n": len(truth),
        "mape": float(100 * error.mean()),
        "median_ape": float(100 * np.median(error)),
        "within_5": float(np.mean(error <= 0.05)),
        "within_10": float(np.mean(error <= 0.10)),
        "spearman": None if flat else float(np.asarray(np.corrcoef(ranks[0], ranks[1]))[0, 1]),
        "coverage_90": inside,
    }


def validate(
    train_dir: str | Path,
    test_dir: str | Path | None = None,
    seed: int = 0,
    *,
    only: Sequence[str] = (),
    devices: Sequence[str] = (),
    everything: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Rows {check, set, device, n, mape, median_ape, within_5, within_10, spearman, coverage_90, baselines}.

    And calibrated_on, see `Scored`.

    only: prefixes of file stems, to look at some sets. devices: prefixes of device names. progress: called with the
    name of each set that is done. everything: also the sets that no check of the accuracy table asks for.
    Raises InputError: a folder without known files, or a file that is not what its name says.
    """
    from sim.mobile_cost import special_checks

    say = progress or (lambda _: None)
    prefixes = tuple(only)
    train = load(Path(train_dir), only=prefixes)
    test = load(Path(test_dir), also=Path(train_dir), only=prefixes) if test_dir is not None else None
    if devices:
        train = [one for one in train if one.device.startswith(tuple(devices))]
    rows: list[dict[str, Any]] = []
    for members in _grouped(train, everything):
        keys = {(one.set, one.device) for one in members}
        tested = None if test is None else [one for one in test if (one.set, one.device) in keys]
        if tested is not None and not tested:
            continue
        rows += score_sets(members, tested, seed)
        say(f"{members[0].set} {members[0].device}")
    rows += special_checks.run(train, test, seed, say)
    return rows


def _grouped(sets: Sequence[Measurements], everything: bool) -> list[list[Measurements]]:
    """Sets that one profile is fitted on: the tasks of one configuration together, others alone."""
    asked = [
        one for one in sets if everything or checks.name_of(one.set, one.device, "latency") in checks.REQUIRED_AND_AIM
    ]
    groups: dict[tuple[str, str], list[Measurements]] = {}
    for one in asked:
        if len(one.usable()) >= checks.FEWEST_ROWS:
            kind = one.set.partition("_")[0] if one.set.startswith("hwnas") else one.set
            groups.setdefault((kind, one.device), []).append(one)
    return list(groups.values())


def score_sets(members: list[Measurements], tested: list[Measurements] | None, seed: int) -> list[dict[str, Any]]:
    """Rows of the sets of one device: latency, and energy where measured."""
    usable = [one.usable() for one in members]
    latency = {one.set: Scored() for one in usable}
    energy = {one.set: Scored() for one in usable if one.has_energy}
    for fitted, held_out in _splits(usable, tested, seed):
        limited = [_limited(one, seed) for one in fitted]
        profile = profile_of(members[0].device, calibrate(limited, seed), limited)
        oracle = DeviceOracle(profile)
        for scored in (*latency.values(), *energy.values()):
            scored.calibrated_on = sum(len(one) for one in limited)
        for known, one in zip(limited, held_out, strict=True):
            costs = oracle.cost(one.batch, variants=one.variants)
            scored = latency[one.set]
            scored.add(one.latency_s, costs, "latency", "s")
            scored.baselines.setdefault("macs_only", []).append(baselines.macs_only(known, one))
            scored.baselines.setdefault("linear_counts", []).append(baselines.linear_counts(known, one))
            if one.has_energy and one.set in energy:
                energy[one.set].add(one.energy_j, costs, "energy", "j")
                found = baselines.constant_power(known, one, costs["latency_s"])
                if found is not None:
                    energy[one.set].baselines.setdefault("constant_power", []).append(found)
    device = members[0].device
    rows = [scored.row(checks.name_of(name, device, "latency"), name, device) for name, scored in latency.items()]
    return rows + [scored.row(checks.name_of(name, device, "energy"), name, device) for name, scored in energy.items()]


def _limited(data: Measurements, seed: int) -> Measurements:
    if data.fit_limit is None or len(data) <= data.fit_limit:
        return data
    return data.select(np.sort(np.random.default_rng(seed).permutation(len(data))[: data.fit_limit]))


def _splits(
    usable: list[Measurements], tested: list[Measurements] | None, seed: int
) -> list[tuple[list[Measurements], list[Measurements]]]:
    if tested is not None:
        by_set = {one.set: one.usable() for one in tested}
        kept = [one for one in usable if one.set in by_set]
        return [(kept, [by_set[one.set] for one in kept])]
    if len(usable) == 1 and len(usable[0]) < _SMALL:
        data = usable[0]
        folds = fold_of(data.group, seed, _ROTATIONS)
        return [([data.select(folds != fold)], [data.select(folds == fold)]) for fold in range(_ROTATIONS)]
    fitted, held_out = [], []
    for data in usable:
        seen, unseen = split(data.group, _HELD_OUT, seed)
        fitted.append(data.select(seen))
        held_out.append(data.select(unseen))
    return [(fitted, held_out)]
