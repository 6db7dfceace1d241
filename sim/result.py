"""The record of one simulated product: what every accelerator reports, in one shape, as a value and as JSON.

Figures carry their unit in the name. Cycles, bytes, elements and actions are exact integers; seconds, joules and ratios
are floats that follow from them. The product itself and the time line ride along (`product`, `trace`) and are not part
of the JSON. `load` believes nothing: shape, types and the sums of `sim.audit` are checked again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from sim.errors import InputError, InvariantError
from sim.version import __version__

Schema = Literal["hwloop.simulation/1"]
SCHEMA: Schema = "hwloop.simulation/1"
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
Slices = Mapping[str, Sequence[tuple[str, float, float]]]
Counters = Mapping[str, Sequence[tuple[float, float]]]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class WallSeconds(_Record):
    """Host time. scipy: SciPy's product alone, verify: comparing with it; None where the result was not verified."""

    load: Amount
    simulate: Amount
    scipy: Amount | None = None
    verify: Amount | None = None


class OperandRecord(_Record):
    """One operand: its name, its size, and the hash of its content where that is known."""

    name: str
    rows: Count
    cols: Count
    nnz: Count
    sha256: str | None = None


class MatrixRecord(OperandRecord):
    """Operand A. b: the other operand where it is not A again."""

    b: OperandRecord | None = None


class DramBytes(_Record):
    """Useful bytes by operand: elements (and row pointers, where they are charged), no padding to bursts."""

    a_read: Count
    b_read: Count
    partial_read: Count
    partial_write: Count
    c_write: Count
    total: Count


class PrefetchRecord(_Record):
    """Elements of B that the multipliers asked for, those of them read from DRAM, and the share that was not."""

    requested_elements: Count
    read_elements: Count
    hit_rate: float


class BoundsCycles(_Record):
    """Least cycles that the channels, the multipliers and the busiest merge layer need for the work, each alone."""

    bandwidth: Count
    multiply: Count
    merge: Count


class UnitCycles(_Record):
    """What one unit did: worked, had nothing to work on, had no room downstream, waited for DRAM, was done."""

    busy: Count
    starved: Count
    blocked: Count
    memory: Count
    idle: Count

    @property
    def total(self) -> int:
        """Sum of all states."""
        return self.busy + self.starved + self.blocked + self.memory + self.idle


class EnergyRecord(_Record):
    """Joules by group and in total. crossbar: None for a machine without one."""

    compute: Amount
    sram: Amount
    dram: Amount
    crossbar: Amount | None = None
    total: Amount


@dataclass(frozen=True)
class SimulationTrace:
    """Time line of a run. slices: (state, begin, end) of each unit; counters: (time, value) samples; in cycles."""

    slices: Slices
    counters: Counters


class SimulationResult(_Record):
    """Everything that one simulation reports, see DESIGN.md section 5; build it with an accelerator's `simulate`.

    Columns, rounds and prefetch are None for a machine that has no merge rounds and no row buffer.
    """

    schema_: Schema = Field(default=SCHEMA, alias="schema")
    version: str = __version__
    seed: Count | None = None
    wall_s: WallSeconds
    matrix: MatrixRecord
    config: dict[str, Any]
    accelerator: str
    model: str
    cycles: Count
    seconds: Amount
    multiplications: Count
    output_nnz: Count
    flops: Count
    gflops: Amount
    condensed_columns: Count | None
    merge_rounds: Count | None
    first_round_ways: Count | None
    dram_bytes: DramBytes
    channel_bytes: Count
    ideal_dram_bytes: Count
    bandwidth_utilization: Amount
    prefetch: PrefetchRecord | None
    bounds_cycles: BoundsCycles
    units: dict[str, UnitCycles]
    actions: dict[str, Count]
    energy_j: EnergyRecord
    power_w: Amount
    area_mm2: dict[str, Amount | str]
    events: Count
    verified: Literal[True] | None = None
    max_relative_error: Amount | None = None
    flags: tuple[str, ...] = ()

    _make_product: Callable[[], Any] | None = PrivateAttr(default=None)
    _product: Any = PrivateAttr(default=None)
    _rows: Any = PrivateAttr(default=None)
    _trace: SimulationTrace | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """Equal records; products and time lines do not count."""
        return isinstance(other, SimulationResult) and self.to_dict() == other.to_dict()

    @property
    def product(self) -> Any:
        """The product as a ``csr_array`` with sorted columns, entries that cancel to zero kept; built when asked for.

        Raises InputError for a result that was read from a file: it holds figures only.
        """
        if self._product is None:
            if self._make_product is None:
                raise InputError("this result was read from a file, which holds no product; simulate again to get it")
            self._product, self._make_product = self._make_product(), None
        return self._product

    @property
    def product_rows(self) -> Any:
        """The product as the simulator holds it (`sim.sparch.product.SparseRows`), for the other accelerator to reuse.

        None for a result that was read from a file.
        """
        return self._rows

    @property
    def trace(self) -> SimulationTrace | None:
        """The time line, where one was asked for."""
        return self._trace

    def with_companions(
        self, product: Callable[[], Any] | None, trace: SimulationTrace | None = None, rows: Any = None
    ) -> SimulationResult:
        """The same record, carrying how to build its product, its time line, and the product's rows as simulated."""
        copy = self.model_copy()
        copy._make_product, copy._product, copy._trace, copy._rows = product, None, trace, rows
        return copy

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values, in the order of the schema."""
        record: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        if record["matrix"]["b"] is None:
            del record["matrix"]["b"]
        return record

    def to_json(self) -> str:
        """The record as JSON text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json` to `path`, atomically. Raises InputError where that is impossible."""
        from sim.files import write_text

        write_text(path, self.to_json())

    @staticmethod
    def from_json(text: str, source: str = "result") -> SimulationResult:
        """The record in `text`; `source` names it in messages.

        Raises InputError, one line: not JSON, another schema, a field missing, unknown or of a wrong kind, sums that
        do not add up.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{source}: not JSON, so not a result of 'hwloop simulate' ({error})") from None
        return SimulationResult.from_dict(record, source)

    @staticmethod
    def from_dict(record: Any, source: str = "result") -> SimulationResult:
        """The record from plain values, as `from_json` does."""
        from sim.audit import audit_record

        found = record.get("schema") if isinstance(record, dict) else None
        if found != SCHEMA:
            what = f"its schema is {found!r:.60}" if found is not None else "it names no schema"
            raise InputError(f"{source}: not a result of 'hwloop simulate': {what}; expected {SCHEMA!r}")
        try:
            result = SimulationResult.model_validate_json(json.dumps(record))
            audit_record(result)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise InputError(f"{source}: damaged result: {where}: {fault['msg']}") from None
        except (InvariantError, ValueError, RecursionError) as error:
            raise InputError(f"{source}: damaged result: {error}") from None
        return result

    @staticmethod
    def load(path: str | os.PathLike[str]) -> SimulationResult:
        """The record in the file `path`. Raises InputError as `from_json` does, and where it cannot be read."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{path}: not text, so not a result of 'hwloop simulate'") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"cannot read result {str(path)!r}: {reason}") from None
        return SimulationResult.from_json(text, str(path))
