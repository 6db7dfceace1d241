"""What was measured, as values and as JSON: rows, and the machine that they were measured on.

Records of other machines are laid beside one's own, so reading believes nothing: kinds, bounds and the figures that
follow from others are checked again. Two conventions of GFLOP/s are in use and both are given by name:

    gflops              (2 x multiplications - nnz(C)) / time / 1e9     as everywhere in hwloop
    gflops_2mult        2 x multiplications / time / 1e9                as papers on software count
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sim.errors import InputError
from sim.version import __version__

Schema = Literal["hwloop.libraries/1"]
SCHEMA: Schema = "hwloop.libraries/1"
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
_FIGURES: tuple[str, ...] = ("best_s", "median_s", "runs", "cpu_s", "hindered", "load_1min", "multiplications")
_FIGURES += ("output_nnz", "flops")
_FIGURES += ("gflops", "gflops_2mult", "agrees", "energy", "version")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Machine(_Record):
    """Where and when. cores: that the process may use; physical_cores: of the machine; None: not known."""

    cpu: str
    cores: Positive
    physical_cores: Positive | None
    memory_bytes: Positive
    os: str
    python: str
    date: str
    load_1min: Amount | None
    container: str | None
    virtual_machine: bool | None
    cuda_device: str | None = None


class Energy(_Record):
    """Joules of one product, and where they come from. low_j = high_j where measured, None where there is no figure."""

    kind: Literal["measured", "modelled, not measured", "not measured"]
    low_j: Amount | None = None
    high_j: Amount | None = None
    assumption: str

    @model_validator(mode="after")
    def _check(self) -> Energy:
        known = self.low_j is not None and self.high_j is not None
        if known == (self.kind == "not measured") or (self.low_j is None) != (self.high_j is None):
            raise ValueError(f"energy is {self.kind!r}, which does not go with low_j {self.low_j} and {self.high_j}")
        if self.low_j is not None and self.high_j is not None and self.low_j > self.high_j:
            raise ValueError(f"energy low_j {self.low_j} is over high_j {self.high_j}")
        return self


class LibraryRow(_Record):
    """One library on one matrix with so many threads; a cell that was not measured has a reason and no figures.

    best_s, median_s: wall time of a product. cpu_s: process CPU time of the best run. hindered: it did not keep its
    cores busy, so its true time is lower. agrees: with SciPy's product, to max_relative_error over the union pattern
    (None: not a number, or another shape). load_1min: of the machine before.
    """

    matrix: str
    sha256: str
    library: str
    baseline: str
    label: str
    threads: Positive
    sorted_output: bool
    status: Literal["measured", "not measured"]
    reason: str | None = None
    version: str | None = None
    best_s: Amount | None = None
    median_s: Amount | None = None
    runs: Positive | None = None
    cpu_s: Amount | None = None
    hindered: bool | None = None
    load_1min: Amount | None = None
    multiplications: Count | None = None
    output_nnz: Count | None = None
    flops: Count | None = None
    gflops: Amount | None = None
    gflops_2mult: Amount | None = None
    agrees: bool | None = None
    max_relative_error: Amount | None = None
    energy: Energy | None = None

    @model_validator(mode="after")
    def _check(self) -> LibraryRow:
        if self.status == "not measured":
            given = [name for name in _FIGURES if getattr(self, name) is not None]
            if given or not self.reason:
                raise ValueError(f"{self._cell}: not measured, so it needs a reason and no {given[:1] or 'figures'}")
            return self
        absent = [name for name in _FIGURES if name != "load_1min" and getattr(self, name) is None]
        if absent:
            raise ValueError(f"{self._cell}: measured, but without {absent[0]}")
        if not self.agrees and not self.reason:
            raise ValueError(f"{self._cell}: disagrees with SciPy without a reason")
        self._check_sums()
        return self

    @property
    def _cell(self) -> str:
        return f"{self.library} on {self.matrix}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def _check_sums(self) -> None:
        figures = (self.best_s, self.median_s, self.multiplications, self.output_nnz, self.flops)
        best, median, products, entries, flops = figures
        assert best is not None
        assert median is not None
        assert products is not None
        assert entries is not None
        if flops != 2 * products - entries:
            raise ValueError(f"{self._cell}: flops {flops} is not 2 x {products} - {entries}")
        if not 0 < best <= median * (1 + 1e-12):
            raise ValueError(f"{self._cell}: best_s {best} is not between 0 and median_s {median}")
        for name, work in (("gflops", flops), ("gflops_2mult", 2 * products)):
            if not math.isclose(getattr(self, name), work / best / 1e9, rel_tol=1e-9, abs_tol=1e-15):
                raise ValueError(f"{self._cell}: {name} {getattr(self, name)} is not {work} / {best} s / 1e9")


class LibraryRecord(_Record):
    """Rows that were measured on one machine."""

    schema_: Schema = Field(default=SCHEMA, alias="schema")
    version: str = __version__
    machine: Machine
    rows: tuple[LibraryRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values, in the order of the schema."""
        record: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        return record

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record to `path` as JSON, atomically. Raises InputError where that is impossible."""
        from sim.files import write_text

        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @staticmethod
    def from_dict(record: Any, source: str = "record") -> LibraryRecord:
        """The record from plain values; `source` names it in messages. Raises InputError, one line, as `load`."""
        found = record.get("schema") if isinstance(record, dict) else None
        if found != SCHEMA:
            what = f"its schema is {found!r:.60}" if found is not None else "it names no schema"
            raise InputError(f"{source}: not a record of libraries: {what}; expected {SCHEMA!r}")
        try:
            return LibraryRecord.model_validate_json(json.dumps(record))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise InputError(f"{source}: damaged record of libraries: {where}: {fault['msg']}") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source}: damaged record of libraries: {error}") from None

    @staticmethod
    def load(path: str | os.PathLike[str]) -> LibraryRecord:
        """The record in the file `path`. Raises InputError: unreadable, not JSON, another schema, damaged."""
        try:
            record = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"cannot read record {str(path)!r}: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON, so not a record of libraries ({error})") from None
        return LibraryRecord.from_dict(record, str(path))


def recorded() -> tuple[LibraryRecord, ...]:
    """The records of other machines that ship with hwloop, by file name. Raises InputError for a damaged one."""
    folder = Path(__file__).resolve().parent.parent / "records"
    return tuple(LibraryRecord.load(path) for path in sorted(folder.glob("*.json")))


def fastest(rows: Iterable[LibraryRow]) -> dict[str, LibraryRow]:
    """For each matrix the row with the best wall time, among those that were measured and agree with SciPy.

    The time of a hindered row is an upper bound, so a table marks such rows: one of them may be faster in truth.
    """
    best: dict[str, LibraryRow] = {}
    for row in rows:
        if row.status == "measured" and row.agrees and row.best_s is not None:
            leader = best.get(row.matrix)
            if leader is None or leader.best_s is None or row.best_s < leader.best_s:
                best[row.matrix] = row
    return best


def disagreements(rows: Iterable[LibraryRow]) -> tuple[str, ...]:
    """A line for each row whose product is not SciPy's. To be shown loudly."""
    return tuple(
        f"WRONG PRODUCT: {row.label} ({row.version}) on {row.matrix} with {row.threads} threads: {row.reason}"
        for row in rows
        if row.agrees is False
    )
