"""What a search asks: the cost of a batch of networks on one device, a row each, with an interval.

An oracle is anything with a name, a fingerprint and ``cost(batch) -> CostTable``. Two come with hwloop: the device
model (`sim.mobile_cost`) and SpArch (`sim.sparch`); a user's own needs these three members and nothing to inherit.

Units are in the names of the columns. ``_low`` and ``_high`` bound one 90 % interval for the network as a whole. What
an oracle cannot say is NaN for floats and -1 for integers, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sim.errors import WorkloadError, nearest
from sim.workload import Operator, WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

FLOAT_COLUMNS = ("latency_s", "latency_low_s", "latency_high_s", "energy_j", "energy_low_j", "energy_high_j")
INTEGER_COLUMNS = ("peak_memory_bytes", "dram_bytes", "macs", "params")
COLUMNS = FLOAT_COLUMNS + INTEGER_COLUMNS


@dataclass(frozen=True)
class OperatorCost:
    """Share of one operator in the cost of a network: how often it runs, and all those runs together."""

    operator: Operator
    count: int
    latency_s: float
    energy_j: float
    dram_bytes: int
    macs: int
    params: int


@dataclass(frozen=True)
class CostTable:
    """One row a network. columns: `COLUMNS` to an array of that many rows; flags: what to know about a row, in words.

    breakdown: for each network its operators, most expensive first, where it was asked for; they need not add up to
    the row, since a device may overlap them. Raises WorkloadError where a column is missing, of another length, has an
    interval that does not hold its value, or is not a column.
    """

    names: Sequence[str]
    columns: Mapping[str, Array]
    flags: Sequence[tuple[str, ...]] = ()
    breakdown: Sequence[Sequence[OperatorCost]] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in (*COLUMNS, *self.columns):
            if name not in COLUMNS:
                raise WorkloadError(f"no cost column {name!r}{nearest(name, COLUMNS)}")
            if name not in self.columns:
                raise WorkloadError(f"cost column {name!r} is missing")
        lengths = {name: len(column) for name, column in self.columns.items()}
        lengths |= {"flags": len(self.flags) or len(self), "breakdown": len(self.breakdown) or len(self)}
        for name, length in lengths.items():
            if length != len(self):
                raise WorkloadError(f"cost column {name!r} has {length} rows for {len(self)} networks")
        for what, unit in (("latency", "s"), ("energy", "j")):
            low, value, high = (self.columns[f"{what}{bound}_{unit}"] for bound in ("_low", "", "_high"))
            wrong = np.flatnonzero((low > value) | (value > high))
            if wrong.size:
                row = int(wrong[0])
                interval = f"{low[row]:g}..{high[row]:g}"
                raise WorkloadError(f"{what} of {self.names[row]!r}, {value[row]:g}, lies outside its {interval}")

    @classmethod
    def of(
        cls,
        batch: WorkloadBatch,
        *,
        flags: Sequence[tuple[str, ...]] = (),
        breakdown: Sequence[Sequence[OperatorCost]] = (),
        **columns: Array,
    ) -> CostTable:
        """A table for `batch`: counts come from the batch where not given, an interval not given is its value alone,
        and what else is not given is unknown (NaN or -1)."""
        rows = len(batch)
        filled: dict[str, Array] = {"macs": batch.macs, "params": batch.params, **columns}
        filled.setdefault("peak_memory_bytes", batch.peak_activation_bytes)
        for what, unit in (("latency", "s"), ("energy", "j")):
            value = filled.setdefault(f"{what}_{unit}", np.full(rows, np.nan))
            for bound in ("low", "high"):
                filled.setdefault(f"{what}_{bound}_{unit}", value)
        filled.setdefault("dram_bytes", np.full(rows, -1, np.int64))
        typed = {
            name: np.asarray(column, np.int64 if name in INTEGER_COLUMNS else np.float64)
            for name, column in filled.items()
        }
        return cls(batch.names, typed, flags, breakdown)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str) -> Array:
        """A column by its name. Raises WorkloadError naming the nearest one."""
        if name not in self.columns:
            raise WorkloadError(f"no cost column {name!r}{nearest(name, COLUMNS)}")
        return self.columns[name]

    def rows(self) -> list[dict[str, Any]]:
        """Plain values for JSON: {network, latency_s, …, flags}; what is unknown is None."""
        listed = {name: self.columns[name].tolist() for name in COLUMNS}
        table = []
        for row, name in enumerate(self.names):
            cells: dict[str, Any] = {"network": name}
            for column, values in listed.items():
                value = values[row]
                unknown = value != value if column in FLOAT_COLUMNS else value < 0
                cells[column] = None if unknown else value
            cells["flags"] = list(self.flags[row]) if self.flags else []
            table.append(cells)
        return table


@runtime_checkable
class Oracle(Protocol):
    """A model of hardware that prices networks. The same fingerprint and the same batch give the same table."""

    @property
    def name(self) -> str:
        """What it stands for, as a user names it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything that its answers follow from, besides the batch: code, profile, settings."""
        ...

    def cost(self, batch: WorkloadBatch, *, breakdown: bool = False) -> CostTable:
        """Price `batch`; with `breakdown` also each operator of each network.

        Raises WorkloadError naming an operator that it cannot price and the share of the MACs that it holds.
        """
        ...
