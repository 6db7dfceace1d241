"""The matrices of a bench record as rows, with the ratios that figures and tables show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.bench_table import fastest_library
from analysis.paper import usable
from analysis.record import Record


@dataclass(frozen=True)
class Row:
    """One matrix. libraries: rows by name that were measured and agree with SciPy."""

    name: str
    real: bool
    sparch: Record
    outerspace: Record
    libraries: Mapping[str, Mapping[str, Any]]

    @property
    def intensity(self) -> float:
        """FLOP for each byte that the ideal machine moves."""
        return ratio(self.sparch["flops"], self.sparch["ideal_dram_bytes"]) or 0.0

    @property
    def dram_saving(self) -> float | None:
        """DRAM bytes of OuterSPACE over those of SpArch."""
        return ratio(self.outerspace["dram_bytes"]["total"], self.sparch["dram_bytes"]["total"])

    @property
    def speedup(self) -> float | None:
        """Seconds of OuterSPACE as simulated over those of SpArch."""
        return ratio(self.outerspace["seconds"], self.sparch["seconds"])

    @property
    def energy_ratio(self) -> float | None:
        """Joules of OuterSPACE over those of SpArch."""
        return ratio(self.outerspace["energy_j"]["total"], self.sparch["energy_j"]["total"])

    @property
    def fastest(self) -> str | None:
        """Name of the fastest library row."""
        return fastest_library({"libraries": self.libraries})


def rows(bench: Mapping[str, Any]) -> list[Row]:
    """All matrices of the record, real ones first, each group by the GFLOP/s of SpArch."""
    found = [
        Row(
            shown_name(one),
            one["real"],
            one["sparch"],
            one["outerspace"],
            {name: row for name, row in one["libraries"].items() if usable(row)},
        )
        for one in bench["matrices"]
    ]
    return sorted(found, key=lambda row: (not row.real, -row.sparch["gflops"], row.name))


def shown_name(matrix: Mapping[str, Any]) -> str:
    """The name, with ``~`` behind it for a stand-in. A generator's text names its own parameters and stays."""
    name = str(matrix["name"])
    return name if matrix["real"] or name.endswith("~") or ":" in name else f"{name}~"


def averages(bench: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The averages of the record with a name for each: of the real matrices, and of all where there are others."""
    given, matrices = bench["averages"], bench["matrices"]
    real = sum(bool(one["real"]) for one in matrices)
    found = [(f"average, {real} real", given["real"])] if given.get("real") else []
    if given.get("all") and real < len(matrices):
        found.append((f"average, all {len(matrices)}", given["all"]))
    return found


def library_label(row: Mapping[str, Any]) -> str:
    """``MKL, 2 threads``."""
    threads = row.get("threads") or 1
    return f"{row['label']}, {threads} thread{'s' if threads > 1 else ''}"


def ratio(over: float, under: float) -> float | None:
    """The quotient, or None without one."""
    return over / under if under else None


def kinds(found: Sequence[Row], *others: str) -> tuple[str, ...]:
    """Labels of a figure: simulated, `others`, and stand-in where a matrix is one."""
    standins = ("stand-in",) if any(row.name.endswith("~") for row in found) else ()
    return ("simulated", *others, *standins)


def listing(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
