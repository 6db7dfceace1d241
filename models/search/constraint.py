"""Quantities that a search bounds or trades: latency, energy, memory, MACs, parameters, each of one oracle.

A bound on the upper quantile holds for the upper end of the oracle's 90 % interval: 95 of 100 networks keep it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.errors import ConfigError
from sim.oracle import CostTable, Oracle
from sim.workload import Context

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Quantity:
    """column, upper: in a `CostTable`, of a value and of the upper end of its interval. unit, scale: for people."""

    column: str
    upper: str
    unit: str
    scale: float


QUANTITIES = {
    "latency": Quantity("latency_s", "latency_high_s", "ms", 1e3),
    "energy": Quantity("energy_j", "energy_high_j", "mJ", 1e3),
    "memory": Quantity("peak_memory_bytes", "peak_memory_bytes", "KiB", 1 / 1024),
    "macs": Quantity("macs", "macs", "MMACs", 1e-6),
    "params": Quantity("params", "params", "M params", 1e-6),
}


@dataclass(frozen=True)
class Target:
    """An oracle, and how networks are lowered for it: rules of `sim.fusion`, batch size, element type, threads."""

    oracle: Oracle
    fusion: tuple[str, ...] = ()
    context: Context | None = None

    @property
    def name(self) -> str:
        """Name of the device."""
        return self.oracle.name


@dataclass(frozen=True)
class Measure:
    """One quantity on one target; upper: the upper end of its 90 % interval instead of its value."""

    target: int
    quantity: str
    upper: bool = False

    @property
    def column(self) -> str:
        """Its column of a `CostTable`."""
        found = QUANTITIES[self.quantity]
        return found.upper if self.upper else found.column

    def values(self, tables: dict[int, CostTable], targets: tuple[Target, ...]) -> Array:
        """One value a network. Raises ConfigError where the oracle does not give it."""
        column = tables[self.target][self.column]
        if len(column) and (np.isnan(column).all() if column.dtype.kind == "f" else bool((column < 0).all())):
            name = targets[self.target].name
            raise ConfigError(f"{name} gives no {self.quantity} ({self.column}); {_others(tables[self.target], name)}")
        return np.asarray(column, np.float64)

    def words(self, value: float, digits: int = 5) -> str:
        """`value` with its unit."""
        found = QUANTITIES[self.quantity]
        return f"{value * found.scale:.{digits}g} {found.unit}"


def _others(table: CostTable, name: str) -> str:
    given = [
        quantity
        for quantity, one in QUANTITIES.items()
        if not (np.isnan(table[one.column]).all() if table[one.column].dtype.kind == "f" else False)
    ]
    return f"nearest: bound {' or '.join(given)}, or name another device than {name}"


@dataclass(frozen=True)
class Constraint:
    """A measure and the most that it may be, in the unit of its column."""

    measure: Measure
    limit: float


def unique(measures: Iterable[Measure]) -> tuple[Measure, ...]:
    """`measures` without repetition, in order."""
    return tuple(dict.fromkeys(measures))
