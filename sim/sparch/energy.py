"""Energy and area of SpArch: action counts times energy per action, parts of the published area scaled.

Energies, areas, their units, sources and status stand in energies.toml. Actions fall in three groups (compute, SRAM,
DRAM). Inside a group the table fixes ratios; its one scale is calibrated so that the published energy per FLOP comes
out on a reference workload (`calibrate`). The energy of a DRAM byte follows from the published power per bandwidth.

Not covered: leakage and clock as such (the scales hold them, as if proportional to activity), and how an access's
energy changes with its memory's size. Areas: published at the default configuration, elsewhere scaled and labelled so.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, cast

from sim.errors import ConfigError, nearest

Group = Literal["compute", "sram", "dram"]
GROUPS: tuple[Group, ...] = ("compute", "sram", "dram")
CALIBRATED: tuple[Group, ...] = ("compute", "sram")
ACTIONS = (
    *("multiply", "add", "compare", "fifo_word", "prefetch_read_element", "prefetch_write_element"),
    *("lookahead_element", "partial_buffer_element", "dram_byte"),
)
AREAS = ("tree", "row_prefetcher", "column_fetcher", "partial_writer", "multipliers")
STATUSES = ("published", "calibrated", "literature ratio, unverified")
AREA_BASIS = "calibrated: published areas at the default configuration, scaled in proportion elsewhere"
E = TypeVar("E", bound="Entry")


class EnergyJ(TypedDict):
    """Energy of a run in joules."""

    compute: float
    sram: float
    dram: float
    total: float


class AreaMm2(TypedDict):
    """Area in mm2 at 40 nm; `basis` says what kind of figure this is."""

    tree: float
    row_prefetcher: float
    column_fetcher: float
    partial_writer: float
    multipliers: float
    total: float
    basis: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What every entry of the table carries: the unit of its number, where that is from, how far to trust it."""

    name: str
    unit: str
    source: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Action(Entry):
    """One kind of action and its energy in pJ, before the group's scale."""

    group: Group
    energy_pj: float


@dataclass(frozen=True, kw_only=True)
class GroupScale(Entry):
    """The factor on all energies of the group `name`, and the published nJ/FLOP that it is calibrated to."""

    scale: float
    published_nj_per_flop: float


@dataclass(frozen=True, kw_only=True)
class Area(Entry):
    """One part of the published area, in mm2."""

    area_mm2: float
    scales_with: str


@dataclass(frozen=True)
class Reference:
    """The configuration to which the published areas belong (counts of the named things)."""

    ways: int
    width: int
    prefetch_lines: int
    line_elements: int
    multipliers: int
    column_fetchers: int
    lookahead_elements: int
    partial_fifo_depth: int


@dataclass(frozen=True)
class EnergyTable:
    """The validated table; immutable, and the same object for every `load` of the packaged file."""

    actions: tuple[Action, ...]
    groups: tuple[GroupScale, ...]
    areas: tuple[Area, ...]
    reference: Reference
    calibration_date: str
    calibration_workload: str

    @staticmethod
    def load(path: Path | None = None) -> EnergyTable:
        """Read and validate a table, the packaged energies.toml by default.

        Raises ConfigError in one line for a file that is missing, not TOML, or has a missing, unknown or wrong entry.
        """
        return _packaged() if path is None else _read(Path(path))

    @property
    def energy_basis(self) -> str:
        """One line for reports: what the scales rest on."""
        if not self.calibration_date:
            return "not calibrated: energies of the general literature"
        return f"calibrated {self.calibration_date} to the published nJ/FLOP on {self.calibration_workload}"

    def scales(self) -> dict[Group, float]:
        """The factor of each group, dimensionless."""
        return {cast(Group, group.name): group.scale for group in self.groups}

    def with_scales(self, scales: Mapping[Group, float]) -> EnergyTable:
        """A copy with other factors; groups that are not named keep theirs. Raises ConfigError for an unknown group."""
        for name, scale in scales.items():
            _known(name, GROUPS, "energy group")
            _positive(scale, f"scale of {name}")
        factors = {**self.scales(), **scales}
        return replace(self, groups=tuple(replace(g, scale=factors[cast(Group, g.name)]) for g in self.groups))

    def energy_j(self, counts: Mapping[str, int]) -> EnergyJ:
        """Joules by group and in total for `counts` (action name -> how often; an absent action happened 0 times).

        Raises ConfigError for an unknown action (names the nearest), a negative or a non-integer count.
        """
        table, scales = {action.name: action for action in self.actions}, self.scales()
        joules: EnergyJ = {"compute": 0.0, "sram": 0.0, "dram": 0.0, "total": 0.0}
        for name, given in counts.items():
            _known(name, table, "action")
            action = table[name]
            joules[action.group] += _count(given, name) * action.energy_pj * 1e-12 * scales[action.group]
        joules["total"] = joules["compute"] + joules["sram"] + joules["dram"]
        return joules

    def area_mm2(self, **machine: int) -> AreaMm2:
        """Area by part in mm2 of a machine given by the fields of `Reference`, each the published one where absent.

        tree ~ layers x comparators(width), layers = ceil(log2(ways)); row prefetcher ~ lines x line elements; column
        fetcher half ~ fetchers, half ~ look-ahead elements; writer ~ FIFO depth; multipliers ~ their number.
        A count of 0 removes the part. Raises ConfigError for an unknown name, a negative count, ways < 2, width < 1.
        """
        base, known = self.reference, asdict(self.reference)
        for name, value in machine.items():
            _known(name, known, "area parameter")
            _count(value, name)
        here = replace(base, **machine)
        if here.ways < 2:
            raise ConfigError(f"a merge tree has at least 2 ways, not {here.ways}; nearest: 2")
        fetchers, window = (getattr(here, n) / getattr(base, n) for n in ("column_fetchers", "lookahead_elements"))
        factors = {
            "tree": _tree_comparators(here) / _tree_comparators(base),
            "row_prefetcher": here.prefetch_lines * here.line_elements / (base.prefetch_lines * base.line_elements),
            "column_fetcher": (fetchers + window) / 2,
            "partial_writer": here.partial_fifo_depth / base.partial_fifo_depth,
            "multipliers": here.multipliers / base.multipliers,
        }
        parts = {area.name: area.area_mm2 * factors[area.name] for area in self.areas}
        return cast(AreaMm2, {**parts, "total": math.fsum(parts.values()), "basis": AREA_BASIS})


def calibrate(
    counts_per_matrix: Sequence[Mapping[str, int]], flops: Sequence[int], *, table: EnergyTable | None = None
) -> dict[Group, float]:
    """The scales of the groups with which the published nJ/FLOP hold on a reference workload.

    For compute and SRAM: published figure / mean over the matrices of (energy at scale 1 / FLOP), an arithmetic mean
    with every matrix weighing the same. DRAM keeps its scale. FLOP = 2 x multiplications - nnz(C).
    Raises ConfigError for an empty workload, unequal lengths, a FLOP count below 1, or a group without any energy.
    """
    table = EnergyTable.load() if table is None else table
    if not flops or len(counts_per_matrix) != len(flops):
        raise ConfigError(f"calibration needs one FLOP count a matrix, not {len(flops)} for {len(counts_per_matrix)}")
    if min(flops) < 1:
        raise ConfigError(f"calibration needs FLOP counts of at least 1, not {min(flops)}")
    unscaled = table.with_scales(dict.fromkeys(GROUPS, 1.0))
    energies = [unscaled.energy_j(counts) for counts in counts_per_matrix]
    scales, published = table.scales(), {group.name: group.published_nj_per_flop for group in table.groups}
    for name in CALIBRATED:
        mean_nj = math.fsum(e[name] * 1e9 / f for e, f in zip(energies, flops, strict=True)) / len(flops)
        if mean_nj <= 0:
            raise ConfigError(f"calibration workload has no {name} action; nothing to scale")
        scales[name] = published[name] / mean_nj
    return scales


def _tree_comparators(machine: Reference) -> int:
    from sim.sparch.merger import comparators  # late: it imports numpy

    return (machine.ways - 1).bit_length() * comparators(machine.width)


def _count(value: Any, name: str) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        raise ConfigError(f"{name} must be a whole number, not {value!r}") from None
    if count < 0:
        raise ConfigError(f"{name} must not be negative, is {count}; nearest: 0")
    return count


def _known(name: str, names: Collection[str], what: str) -> None:
    if name not in names:
        raise ConfigError(f"unknown {what} {name!r}{nearest(name, names)}")


def _positive(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{what} must be a positive number, not {value!r}")
    return float(value)


@lru_cache(maxsize=1)
def _packaged() -> EnergyTable:
    return _read(Path(__file__).with_name("energies.toml"))


def _read(path: Path) -> EnergyTable:
    import tomllib

    try:
        return _validated(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the energy table {path}: {str(error).splitlines()[0]}") from None
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None


def _validated(data: Mapping[str, Any]) -> EnergyTable:
    _section(data, "table", ("calibration", "groups", "actions", "areas", "reference"))
    calibration = _section(data["calibration"], "calibration", ("date", "workload"))
    table = EnergyTable(
        actions=_entries(Action, data["actions"], "actions", ACTIONS),
        groups=_entries(GroupScale, data["groups"], "groups", GROUPS),
        areas=_entries(Area, data["areas"], "areas", AREAS),
        reference=_reference(data["reference"]),
        calibration_date=str(calibration["date"]),
        calibration_workload=str(calibration["workload"]),
    )
    for action in table.actions:
        _known(action.group, GROUPS, f"{action.name}.group")
    return table


def _section(value: Any, where: str, names: Iterable[str]) -> dict[str, Any]:
    """The entries of a TOML table, which must be exactly `names`, in that order."""
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table, not {value!r}")
    names = tuple(names)
    for key in value:
        _known(key, names, f"{where} entry")
    if missing := [name for name in names if name not in value]:
        raise ConfigError(f"{where}: {missing[0]!r} is missing")
    return {name: value[name] for name in names}


def _entries(kind: type[E], data: Any, where: str, names: Iterable[str]) -> tuple[E, ...]:
    return tuple(_entry(kind, name, value) for name, value in _section(data, where, names).items())


def _entry(kind: type[E], name: str, value: Any) -> E:
    """One entry from its TOML table: numbers positive, texts not empty, status a known one."""
    entry = _section(value, name, [field.name for field in fields(kind) if field.name != "name"])
    for key, given in entry.items():
        if key in ("energy_pj", "scale", "published_nj_per_flop", "area_mm2"):
            entry[key] = _positive(given, f"{name}.{key}")
        elif not isinstance(given, str) or not given.strip():
            raise ConfigError(f"{name}.{key} must be a text, not {given!r}")
    _known(entry["status"], STATUSES, f"{name}.status")
    return kind(name=name, **entry)


def _reference(value: Any) -> Reference:
    section = _section(value, "reference", [field.name for field in fields(Reference)])
    reference = Reference(**{name: _count(given, f"reference.{name}") for name, given in section.items()})
    if min(asdict(reference).values()) < 1 or reference.ways < 2:
        raise ConfigError("reference: every number must be at least 1, and ways at least 2")
    return reference
