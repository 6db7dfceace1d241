"""Energy and area of OuterSPACE: action counts times energy per action, by the rules of `sim.sparch.energy`.

Numbers, units, sources and status stand in energies.toml. The published split knows four groups, the crossbar being the
fourth. Compute, SRAM and crossbar are scaled to it on the reference workload; a DRAM byte's energy is derived, not
scaled, for both machines. The energy is therefore calibrated, its course from matrix to matrix is not. Not covered:
leakage (in the scales, as if proportional to activity). Area: published for 256 processing elements, else in
proportion.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sim.errors import ConfigError, nearest

Group = Literal["compute", "sram", "dram", "crossbar"]
GROUPS: tuple[Group, ...] = ("compute", "sram", "dram", "crossbar")
CALIBRATED: tuple[Group, ...] = ("compute", "sram", "crossbar")
Status = Literal["published", "calibrated", "literature ratio, unverified"]
Positive = Annotated[float, Field(gt=0)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Action(_Entry):
    """One kind of action and its energy in pJ, before the group's scale."""

    group: Group
    energy_pj: Positive
    unit: str
    source: str
    status: Status


class GroupScale(_Entry):
    """The factor on all energies of a group, and the published nJ/FLOP that it is calibrated to."""

    scale: Positive
    published_nj_per_flop: Positive
    source: str
    status: Status


class Area(_Entry):
    """The published area, and the number of processing elements that it belongs to."""

    area_mm2: Positive
    processing_elements: int
    source: str
    status: Status


class Calibration(_Entry):
    """When the scales were found, and on what."""

    date: str
    workload: str


class EnergyTable(_Entry):
    """The validated table."""

    calibration: Calibration
    groups: dict[Group, GroupScale]
    actions: dict[str, Action]
    area: Area

    @staticmethod
    def load() -> EnergyTable:
        """The packaged energies.toml."""
        return _packaged()

    def energy_j(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Joules by group and in total for `counts` (action name -> how often). Raises ConfigError, unknown action."""
        joules: dict[str, float] = dict.fromkeys(GROUPS, 0.0)
        for name, count in counts.items():
            if name not in self.actions:
                raise ConfigError(f"unknown action {name!r}{nearest(name, self.actions)}")
            action = self.actions[name]
            joules[action.group] += count * action.energy_pj * 1e-12 * self.groups[action.group].scale
        return {**joules, "total": math.fsum(joules.values())}

    def area_mm2(self, processing_elements: int) -> dict[str, float | str]:
        """Area in mm2 at 32 nm, with what it rests on."""
        area = self.area
        same = processing_elements == area.processing_elements
        basis = f"published for {area.processing_elements} processing elements at 32 nm"
        total = area.area_mm2 * processing_elements / area.processing_elements
        return {"total": total, "basis": basis if same else f"calibrated: {basis}, in proportion to their number"}


def calibrate(counts_per_matrix: Sequence[Mapping[str, int]], flops: Sequence[int]) -> dict[Group, float]:
    """The scales with which the published nJ/FLOP hold as the mean over a workload, every matrix weighing the same.

    DRAM keeps its scale. FLOP = 2 x multiplications - nnz(C). Raises ConfigError: nothing to calibrate on.
    """
    table = EnergyTable.load()
    if not flops or len(counts_per_matrix) != len(flops) or min(flops) < 1:
        raise ConfigError(f"calibration needs one FLOP count above 0 a matrix, not {list(flops)[:3]}")
    scales = {name: group.scale for name, group in table.groups.items()}
    energies = [table.energy_j(counts) for counts in counts_per_matrix]
    for name in CALIBRATED:
        mean_nj = math.fsum(e[name] * 1e9 / f for e, f in zip(energies, flops, strict=True)) / len(flops)
        if mean_nj <= 0:
            raise ConfigError(f"calibration workload has no {name} action; nothing to scale")
        scales[name] *= table.groups[name].published_nj_per_flop / mean_nj
    return scales


@lru_cache(maxsize=1)
def _packaged() -> EnergyTable:
    text = Path(__file__).with_name("energies.toml").read_text(encoding="utf-8")
    return EnergyTable.model_validate(tomllib.loads(text))
