"""Measurements of one device: networks (an operator alone is one of a single operator), seconds, joules.

This is what every converter gives and what calibration takes; the canonical file that users write is read by
`canonical`. Groups keep together what must not be split between fitting and testing (isomorphic architectures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import InputError

if TYPE_CHECKING:
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Measurements:
    """Rows of one set on one device.

    device, set: names. batch: a network for each row, with its context. latency_s: NaN where not measured. energy_j:
    likewise, empty where the set has none. group: rows of one group stay on one side of a split. family: kind of
    network, for splits that leave one out. variants: other lowerings of the same networks, by the runtime that would
    run them so. whole_network: False for tables of operators or blocks. space: sets of one space share their groups.
    may_be_empty: the space has networks of nothing. fit_limit: how many rows the published protocol of the set fits on.
    """

    device: str
    set: str
    batch: WorkloadBatch
    latency_s: Array
    energy_j: Array = field(default_factory=lambda: np.zeros(0))
    group: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    family: Sequence[str] = ()
    variants: dict[str, WorkloadBatch] = field(default_factory=dict)
    resolution: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    whole_network: bool = True
    fit_limit: int | None = None
    space: str = ""
    may_be_empty: bool = False

    def __post_init__(self) -> None:
        rows = len(self.batch)
        for name in ("energy_j", "group", "family", "resolution"):
            if len(getattr(self, name)) not in (0, rows):
                raise InputError(f"{self.set}: {len(getattr(self, name))} values of {name} for {rows} networks")
        if len(self.latency_s) != rows:
            raise InputError(f"{self.set}: {len(self.latency_s)} latencies for {rows} networks")

    def __len__(self) -> int:
        return len(self.latency_s)

    @property
    def has_energy(self) -> bool:
        """Whether any row has an energy."""
        return bool(len(self.energy_j)) and bool(np.isfinite(self.energy_j).any())

    def select(self, rows: Array) -> Measurements:
        """Some rows, by position or by a mask."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        kept = {
            name: getattr(self, name)[index] for name in ("energy_j", "group", "resolution") if len(getattr(self, name))
        }
        return replace(
            self,
            batch=self.batch.select(index),
            latency_s=self.latency_s[index],
            family=[self.family[int(row)] for row in index] if len(self.family) else (),
            variants={name: batch.select(index) for name, batch in self.variants.items()},
            **kept,
        )

    def usable(self) -> Measurements:
        """Rows with a latency; without those below 5 % of the median where networks of nothing are possible."""
        known = np.isfinite(self.latency_s) & (self.latency_s > 0)
        if self.may_be_empty and known.any():
            known &= np.nan_to_num(self.latency_s) >= 0.05 * float(np.median(self.latency_s[known]))
        return self if known.all() else self.select(known)

    def lowered(self, variant: str) -> Measurements:
        """The rows as the runtime `variant` runs them; unchanged where there is no such variant."""
        return replace(self, batch=self.variants[variant]) if variant in self.variants else self


def split(groups: Array, share: float, seed: int) -> tuple[Array, Array]:
    """Positions to fit on and to test on: `share` of the groups are tested, whole groups, same seed same split."""
    distinct = np.unique(groups)
    chosen = np.random.default_rng(seed).permutation(distinct)[: round(share * len(distinct))]
    tested = np.isin(groups, chosen)
    return np.flatnonzero(~tested), np.flatnonzero(tested)
