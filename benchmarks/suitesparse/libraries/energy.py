"""Energy of one product: measured by RAPL where that can be read, else a labelled range.

RAPL counts microjoules of each processor package, everything that runs on it included. Without it only a model is left,

    E = P_core x cores x t,   P_core = 3 to 12 W

(a server part's TDP over its cores at the low end; one busy core with its share of caches and DRAM at the high end),
which is never one number and never called a measurement. Graphics cards are not modelled.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.suitesparse.libraries.record import Energy

RAPL_ROOT = Path("/sys/class/powercap")
CORE_W_LOW = 3.0
CORE_W_HIGH = 12.0


@dataclass(frozen=True)
class RaplMeter:
    """The package counters below `root`: folders ``intel-rapl:N`` (AMD's too); their subzones would count twice."""

    root: Path = field(default_factory=lambda: RAPL_ROOT)

    def read(self) -> dict[str, int] | None:
        """Microjoules of each package; None where there are none or one cannot be read (root only, on most systems)."""
        values: dict[str, int] = {}
        try:
            for zone in sorted(self.root.glob("intel-rapl:*")):
                if zone.name.count(":") == 1 and (zone / "name").read_text().startswith("package"):
                    values[zone.name] = int((zone / "energy_uj").read_text())
        except (OSError, ValueError):
            return None
        return values or None

    def joules(self, before: dict[str, int] | None, after: dict[str, int] | None) -> float | None:
        """Energy between two readings; a counter that has wrapped is put right. None where nothing could be read."""
        if before is None or after is None or before.keys() != after.keys():
            return None
        total = 0
        for zone, start in before.items():
            spent = after[zone] - start
            if spent < 0:
                wrap = self._range(zone)
                if wrap is None:
                    return None
                spent += wrap
            total += spent
        return total / 1e6

    def _range(self, zone: str) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int((self.root / zone / "max_energy_range_uj").read_text())
        return None


def energy_of(measured_j: float | None, runs: int, best_s: float, threads: int, on_device: bool) -> Energy:
    """Energy of one product. measured_j: of all runs together, None without a meter."""
    from benchmarks.suitesparse.libraries.record import Energy

    if on_device:
        return Energy(kind="not measured", assumption="energy of graphics cards is neither measured nor modelled")
    if measured_j is not None:
        each = measured_j / runs
        note = f"RAPL packages, mean of {runs} runs, all that the machine did meanwhile included"
        return Energy(kind="measured", low_j=each, high_j=each, assumption=note)
    note = (
        f"{CORE_W_LOW:g} to {CORE_W_HIGH:g} W per core x {threads} core{'s' if threads > 1 else ''} x best time; "
        "no energy meter could be read"
    )
    return Energy(
        kind="modelled, not measured",
        low_j=CORE_W_LOW * threads * best_s,
        high_j=CORE_W_HIGH * threads * best_s,
        assumption=note,
    )
