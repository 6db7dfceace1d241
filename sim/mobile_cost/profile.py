"""A device profile: the fitted coefficients of one device as a TOML (or JSON) file, and how it was calibrated.

Plain numbers only, so that a profile means the same under any version of any library. Unknown keys and newer versions
are refused. Numbers are rounded to six digits; what is read back prices networks as it did before it was written.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from sim.errors import ConfigError, nearest
from sim.files import write_text
from sim.fusion import INFERENCE
from sim.mobile_cost.boosting import Trees
from sim.mobile_cost.corrections import COLUMNS as CORRECTED
from sim.mobile_cost.corrections import Corrections
from sim.mobile_cost.device_model import Component, DeviceModel
from sim.mobile_cost.energy import EnergyModel
from sim.mobile_cost.exact import ExactTable
from sim.mobile_cost.intervals import Interval
from sim.mobile_cost.kernel_model import KernelModel
from sim.mobile_cost.residual import COLUMNS, Residual
from sim.mobile_cost.terms import CLASSES, INDEX, TERMS, Runtime
from sim.settings import Table
from sim.workload import Context

VERSION = 2
"""2: intervals may have groups (lower, upper), measured operators (exact). Files of version 1 are read as before."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
Array = np.ndarray[Any, np.dtype[Any]]
Label = Literal["calibrated", "anchored", "published", "measured", "adapted"]


class TreeTable(Table):
    """A learned part: columns with their fitted range, trees as flat lists (feature -1 ends a branch)."""

    columns: list[str]
    low: list[float]
    high: list[float]
    clip: list[float] = Field(min_length=2, max_length=2)
    base: float
    nodes: int
    feature: list[int]
    threshold: list[float]
    value: list[float]


class IntervalTable(Table):
    """90 % interval: bounds of the score, what scales it, and trees with the bounds of groups."""

    low: float
    high: float
    scale: TreeTable | None = None
    lower: TreeTable | None = None
    upper: TreeTable | None = None


class ComponentTable(Table):
    """One kernel model: seconds a unit of each term; corrections of single operators by kernel class."""

    weight: float = 1.0
    variant: str = ""
    tile_out: int = Field(default=1, ge=1)
    tile_in: int = Field(default=1, ge=1)
    fuses: bool = True
    overlap: float = Field(default=1.0, ge=1.0)
    queueing: float = Field(default=1.0, ge=1.0)
    constant_s: float = Field(default=0.0, ge=0.0)
    seconds: dict[str, float]
    residual: TreeTable | None = None
    corrections: dict[str, TreeTable] | None = None


class EnergyTable(Table):
    """Static power and joules a unit of each term."""

    power_w: float = Field(ge=0.0)
    constant_j: float = 0.0
    tile_out: int = Field(default=1, ge=1)
    tile_in: int = Field(default=1, ge=1)
    fuses: bool = True
    joules: dict[str, float] = Field(default_factory=dict)
    residual: TreeTable | None = None


class FittedOn(Table):
    """One set of measurements: networks, error of rows left out of the fit (MAPE in %, share within 10 %)."""

    set: str
    networks: int
    mape: float | None = None
    within_10: float | None = None
    energy_mape: float | None = None
    source: str = ""
    note: str = ""


class DeviceProfile(Table):
    """What a device costs, and how that is known.

    fusion: rules of `sim.fusion` that networks are to be lowered with before they are priced. macs_range: MACs of the
    smallest and the largest network that it was fitted on. resolution_range: shortest and longest input side of them,
    pixels; empty where they have no image. exact: seconds of operators that were measured one by one, see `exact`.
    """

    version: int = VERSION
    name: str
    description: str = ""
    runtime: str = ""
    label: Label = "calibrated"
    date: str = ""
    batch_sizes: list[int] = Field(default_factory=lambda: [1])
    dtypes: list[str] = Field(default_factory=lambda: ["float32"])
    threads: list[int] = Field(default_factory=lambda: [1])
    memory_bytes: int | None = None
    fusion: list[str] = Field(default_factory=lambda: list(INFERENCE))
    additive: bool = False
    macs_range: list[int] = Field(default_factory=list, max_length=2)
    resolution_range: list[int] = Field(default_factory=list, max_length=2)
    calibrated_classes: list[str] = Field(default_factory=list)
    unsupported_classes: list[str] = Field(default_factory=list)
    fitted_on: list[FittedOn] = Field(default_factory=list)
    components: list[ComponentTable] = Field(min_length=1)
    interval: IntervalTable | None = None
    energy: EnergyTable | None = None
    energy_interval: IntervalTable | None = None
    exact: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of all that it says."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    @property
    def context(self) -> Context:
        """The first setting that it was calibrated in."""
        return Context(self.batch_sizes[0], self.dtypes[0], self.threads[0])

    def model(self) -> DeviceModel:
        """The model that it describes."""
        return DeviceModel(
            tuple(_component(one) for one in self.components),
            _interval(self.interval),
            _energy(self.energy) if self.energy else None,
            _interval(self.energy_interval),
            tuple(self.calibrated_classes),
            self.additive,
            ExactTable(self.exact, self.context) if self.exact else None,
        )

    def save(self, path: str | Path) -> None:
        """Write it, as JSON if the name ends in .json, else as TOML. Raises InputError where that is impossible."""
        tree = self.model_dump(exclude_none=True, exclude={"exact"} if not self.exact else None)
        as_json = Path(path).suffix == ".json"
        write_text(path, json.dumps(tree, indent=1) + "\n" if as_json else to_toml(tree))


def load_profile(path: str | Path) -> DeviceProfile:
    """Read a profile. Raises ConfigError: unreadable, newer version, unknown key, value out of range."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        tree = json.loads(text) if Path(path).suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read profile {path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"profile {path} is not TOML or JSON: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"profile {path} holds no table")
    return parse_profile(tree, str(path))


def parse_profile(tree: dict[str, Any], where: str) -> DeviceProfile:
    """A profile from its plain tree; `where` names it in errors."""
    version = tree.get("version", VERSION)
    if isinstance(version, int) and version > VERSION:
        raise ConfigError(f"profile {where} has version {version}; this hwloop reads up to {VERSION}")
    try:
        profile = DeviceProfile.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = nearest(str(fault["loc"][-1]), DeviceProfile.model_fields)
            raise ConfigError(f"profile {where}: unknown key {key!r}{known}") from None
        raise ConfigError(f"profile {where}: {key}: {fault['msg']}") from None
    for table in (*(one.seconds for one in profile.components), profile.energy.joules if profile.energy else {}):
        for key in table:
            if key not in INDEX:
                raise ConfigError(f"profile {where}: unknown key {key!r}{nearest(key, INDEX)}")
    corrected = [name for one in profile.components for name in one.corrections or ()]
    for name in (*profile.calibrated_classes, *profile.unsupported_classes, *corrected):
        if name not in CLASSES:
            raise ConfigError(f"profile {where}: no kernel class {name!r}{nearest(name, CLASSES)}")
    return profile


def tables(model: DeviceModel) -> dict[str, Any]:
    """The parts of a profile that describe `model`."""
    return {
        "components": [_component_table(one) for one in model.components],
        "interval": _interval_table(model.interval),
        "energy": _energy_table(model.energy) if model.energy else None,
        "energy_interval": _interval_table(model.energy_interval),
        "calibrated_classes": list(model.calibrated),
        "additive": model.additive,
        "exact": dict(model.exact.seconds) if model.exact else {},
    }


def to_toml(tree: dict[str, Any], prefix: str = "") -> str:
    """A nested tree of plain values as TOML text."""
    plain, nested = [], []
    for key, value in tree.items():
        name = key if _BARE.fullmatch(key) else json.dumps(key)
        if isinstance(value, dict):
            nested.append(f"\n[{prefix}{name}]\n{to_toml(value, f'{prefix}{name}.')}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            nested += [f"\n[[{prefix}{name}]]\n{to_toml(one, f'{prefix}{name}.')}" for one in value]
        else:
            plain.append(f"{name} = {json.dumps(value)}\n")
    return "".join(plain + nested)


def _short(values: Array, digits: int = 6) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in np.asarray(values, float).ravel()]


def _tree_table(part: Residual | None) -> TreeTable | None:
    if part is None:
        return None
    trees = part.trees
    return TreeTable(
        columns=list(part.columns),
        low=_short(part.low),
        high=_short(part.high),
        clip=_short(np.array(part.clip)),
        base=float(f"{trees.base:.6g}"),
        nodes=int(trees.feature.shape[1]) if trees.feature.size else 1,
        feature=[int(one) for one in trees.feature.ravel()],
        threshold=_short(trees.threshold),
        value=_short(trees.value, 3),
    )


def _residual(table: TreeTable | None, known: tuple[str, ...] = COLUMNS) -> Residual | None:
    if table is None:
        return None
    for name in table.columns:
        if name not in known:
            raise ConfigError(f"no feature {name!r}{nearest(name, known)}")
    feature = np.array(table.feature, np.int32).reshape(-1, table.nodes)
    trees = Trees(
        feature,
        np.array(table.threshold, float).reshape(feature.shape),
        np.array(table.value, float).reshape(feature.shape),
        table.base,
    )
    return Residual(
        tuple(table.columns), np.array(table.low), np.array(table.high), trees, (table.clip[0], table.clip[1])
    )


def _interval_table(interval: Interval | None) -> IntervalTable | None:
    if interval is None:
        return None
    scale, lower, upper = (_tree_table(part) for part in (interval.scale, interval.lower, interval.upper))
    return IntervalTable(low=interval.low, high=interval.high, scale=scale, lower=lower, upper=upper)


def _interval(table: IntervalTable | None) -> Interval | None:
    if table is None:
        return None
    return Interval(table.low, table.high, *(_residual(part) for part in (table.scale, table.lower, table.upper)))


def _named(coefficients: Array) -> dict[str, float]:
    return {term.key: float(f"{value:.6g}") for term, value in zip(TERMS, coefficients, strict=True) if value > 0}


def _array(named: dict[str, float]) -> Array:
    coefficients = np.zeros(len(TERMS))
    for key, value in named.items():
        coefficients[INDEX[key]] = value
    return coefficients


def _component_table(one: Component) -> ComponentTable:
    kernel = one.kernel
    corrections = kernel.corrections.by_class if kernel.corrections is not None else {}
    return ComponentTable(
        weight=one.weight,
        variant=one.variant,
        tile_out=kernel.runtime.tile_out,
        tile_in=kernel.runtime.tile_in,
        fuses=kernel.runtime.fuses,
        overlap=kernel.overlap,
        queueing=kernel.queueing,
        constant_s=float(f"{kernel.constant_s:.6g}"),
        seconds=_named(kernel.coefficients),
        residual=_tree_table(one.residual),
        corrections={name: _some_trees(part) for name, part in corrections.items()} or None,
    )


def _some_trees(part: Residual) -> TreeTable:
    table = _tree_table(part)
    assert table is not None
    return table


def _component(table: ComponentTable) -> Component:
    runtime = Runtime(table.tile_out, table.tile_in, table.fuses)
    parts = {name: _residual(one, CORRECTED) for name, one in (table.corrections or {}).items()}
    corrections = Corrections({name: part for name, part in parts.items() if part is not None}) if parts else None
    kernel = KernelModel(_array(table.seconds), table.constant_s, table.overlap, table.queueing, runtime, corrections)
    return Component(kernel, _residual(table.residual), table.variant, table.weight)


def _energy_table(energy: EnergyModel) -> EnergyTable:
    return EnergyTable(
        power_w=energy.power_w,
        constant_j=energy.constant_j,
        tile_out=energy.runtime.tile_out,
        tile_in=energy.runtime.tile_in,
        fuses=energy.runtime.fuses,
        joules=_named(energy.coefficients),
        residual=_tree_table(energy.residual),
    )


def _energy(table: EnergyTable) -> EnergyModel:
    runtime = Runtime(table.tile_out, table.tile_in, table.fuses)
    return EnergyModel(table.power_w, _array(table.joules), table.constant_j, runtime, _residual(table.residual))
