"""Sub-networks of the Once-for-All spaces: one (`Architecture`), and many as arrays (`Population`).

Slots beyond the depth of their stage are there but mean nothing; two architectures that differ only in those are the
same network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Architecture:
    """ks, e: kernel and expansion of each slot; d: blocks of each stage; r: side of the input."""

    ks: tuple[int, ...]
    e: tuple[int, ...]
    d: tuple[int, ...]
    r: int

    @classmethod
    def of(cls, record: dict[str, Any]) -> Architecture:
        """From ``{"ks": [...], "e": [...], "d": [...], "r": 224}``; `r` may be a list of one, as in published files."""
        side = record["r"][0] if isinstance(record["r"], list) else record["r"]
        ks, e, d = (tuple(int(value) for value in record[key]) for key in ("ks", "e", "d"))
        return cls(ks, e, d, int(side))

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {"ks": list(self.ks), "e": list(self.e), "d": list(self.d), "r": self.r}


@dataclass(frozen=True)
class Population:
    """Architectures as int64 arrays: ks, e (networks x slots), d (networks x stages), r (networks)."""

    ks: Array
    e: Array
    d: Array
    r: Array

    @classmethod
    def of(cls, architectures: Iterable[Architecture]) -> Population:
        """Stack architectures of one space."""
        many = list(architectures)
        return cls(*(np.array([getattr(one, key) for one in many], np.int64) for key in ("ks", "e", "d", "r")))

    @classmethod
    def concatenate(cls, parts: Sequence[Population]) -> Population:
        """All of `parts`, in order."""
        return cls(*(np.concatenate([getattr(one, key) for one in parts]) for key in ("ks", "e", "d", "r")))

    def __len__(self) -> int:
        return len(self.r)

    def select(self, rows: Any) -> Population:
        """Some of them: whatever indexes a NumPy array along its first axis."""
        return Population(self.ks[rows], self.e[rows], self.d[rows], self.r[rows])

    def __getitem__(self, row: int) -> Architecture:
        ks, e, d = (tuple(int(value) for value in column[row]) for column in (self.ks, self.e, self.d))
        return Architecture(ks, e, d, int(self.r[row]))
