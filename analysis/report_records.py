"""The records in a folder, told by their schema and checked as far as the report leans on them.

Results of single simulations are checked in full by `sim.result`; of the rest, the fields that figures and tables read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sim.errors import InputError
from sim.result import SimulationResult

BENCH, ABLATION, SWEEP = "hwloop.bench/1", "hwloop.ablation/1", "hwloop.sweep/1"
Plain = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class _Library(_Part):
    label: str
    status: str
    threads: int = 1
    reason: str | None = None
    best_s: float | None = Field(default=None, gt=0)
    agrees: bool | None = None


class _Matrix(_Part):
    name: str
    real: bool
    sparch: Plain
    outerspace: Plain
    locality: dict[str, Plain] | None = None
    libraries: dict[str, _Library]


class _Average(_Part):
    dram_saving: float | None
    hit_rate: float | None
    gflops: float | None
    bandwidth_utilization: float | None
    speedup_outerspace: float | None
    speedup_outerspace_simulated: float | None
    energy_ratio: float | None


class _Averages(_Part):
    real: _Average | None = None
    all: _Average
    all_range: dict[str, list[float] | None] | None = None


class _Recorded(_Part):
    machine: Plain
    rows: list[_Library]


class _Bench(_Part):
    matrices: list[_Matrix] = Field(min_length=1)
    averages: _Averages
    machine: Plain | None = None
    code: dict[str, str] | None = None
    recorded: list[_Recorded] = []


class _Step(_Part):
    name: str
    dram_bytes: int = Field(gt=0)
    cycles: int


class _Ablated(_Part):
    name: str
    outerspace_dram_bytes: int
    steps: list[_Step] = Field(min_length=1)


class _Ablation(_Part):
    matrices: list[_Ablated] = Field(min_length=1)


class _Machine(_Part):
    settings: Plain
    gflops: float | None
    energy_nj_per_flop: float | None
    area_mm2: float | None
    pareto: bool


class _Point(_Part):
    matrix: str
    gflops: float
    seconds: float
    scipy_s: float | None = None


class _Axis(_Part):
    names: list[str] = Field(min_length=1)
    values: list[list[Any]]


class _Sweep(_Part):
    matrices: list[str]
    machines: list[_Machine] = Field(min_length=1)
    points: list[_Point] = Field(min_length=1)
    axes: list[_Axis] = []
    one_at_a_time: bool = False


_SHAPES: Mapping[str, type[_Part]] = {BENCH: _Bench, ABLATION: _Ablation, SWEEP: _Sweep}


@dataclass
class Records:
    """What a folder holds. sweeps: in the order of the file names, the scaling study among them."""

    bench: Plain | None = None
    ablation: Plain | None = None
    sweeps: list[Plain] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def read_records(folder: str | Path) -> Records:
    """All hwloop records among the JSON files of `folder`; other JSON files are passed over.

    Raises InputError: no such folder, none there, two of a kind of which the page has room for one, a damaged record.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"no folder {str(folder)!r}; it should hold the records that 'hwloop bench --out DIR' writes")
    found = Records()
    for path in sorted(place.glob("*.json")):
        record = _record(path)
        if record is None:
            continue
        _check(record, path)
        if record["schema"] == SWEEP:
            found.sweeps.append(record)
        elif record["schema"] == BENCH:
            _only(found.bench, path)
            found.bench = record
        else:
            _only(found.ablation, path)
            found.ablation = record
        found.sources.append(path.name)
    if not found.sources:
        raise InputError(
            f"no record in {str(folder)!r}; expected bench.json of 'hwloop bench', ablation.json of 'hwloop ablate' "
            "or sweep.json of 'hwloop sweep'"
        )
    return found


def _record(path: Path) -> Plain | None:
    """The record in a file, None for anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("schema") in list(_SHAPES) else None


def _only(there: Plain | None, path: Path) -> None:
    if there is not None:
        raise InputError(f"{path}: a second {there['schema']!r} in one folder; keep one")


def _check(record: Plain, path: Path) -> None:
    try:
        shape = _SHAPES[record["schema"]].model_validate(record)
    except (ValidationError, RecursionError) as error:
        fault = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "nested too deep"}
        where = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"{path}: damaged record: {where}: {fault['msg']}") from None
    if isinstance(shape, _Bench):
        for one in shape.matrices:
            for result in (one.sparch, one.outerspace):
                SimulationResult.from_dict(result, f"{path}: {one.name}")
            for name, row in one.libraries.items():
                if row.status == "measured" and row.best_s is None:
                    raise InputError(f"{path}: damaged record: {one.name}: {name} is measured, but without best_s")
    if isinstance(shape, _Ablation) and len({tuple(s.name for s in one.steps) for one in shape.matrices}) > 1:
        raise InputError(f"{path}: damaged record: its matrices have different steps")
    if isinstance(shape, _Sweep) and shape.one_at_a_time:
        steps = sum(len(axis.values) for axis in shape.axes)
        if steps != len(shape.machines):
            raise InputError(f"{path}: damaged record: {steps} steps of its axes, but {len(shape.machines)} machines")
