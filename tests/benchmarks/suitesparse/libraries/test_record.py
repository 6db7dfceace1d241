"""Records: round trip, damage of every kind, the fastest of each matrix, what ships with hwloop."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from library_cases import row

from benchmarks.suitesparse.libraries.machine import cpu_name, describe_machine, record_name
from benchmarks.suitesparse.libraries.record import LibraryRecord, LibraryRow, disagreements, fastest, recorded
from sim.errors import InputError


def blank(**changes: Any) -> LibraryRow:
    """A row that was not measured."""
    fields = {"matrix": "m", "sha256": "ab", "library": "x", "baseline": "x", "label": "X", "threads": 1}
    return LibraryRow(**(fields | {"sorted_output": False, "status": "not measured", "reason": "no card"} | changes))


@pytest.fixture(scope="module")
def record() -> LibraryRecord:
    """A measured and an unmeasured row on this machine."""
    return LibraryRecord(machine=describe_machine(), rows=(row(), blank()))


def test_round_trip(record: LibraryRecord, tmp_path: Path) -> None:
    record.save(tmp_path / "r.json")
    again = LibraryRecord.load(tmp_path / "r.json")
    assert again == record
    assert json.loads((tmp_path / "r.json").read_text())["schema"] == "hwloop.libraries/1"


DAMAGE = {
    "rows.0.flops": 1501,
    "rows.0.gflops": 1.0,
    "rows.0.gflops_2mult": 1.0,
    "rows.0.best_s": 0.7,
    "rows.0.median_s": None,
    "rows.0.runs": 0,
    "rows.0.agrees": "yes",
    "rows.0.energy.kind": "guessed",
    "rows.0.energy.low_j": 2.0,
    "rows.0.energy.high_j": None,
    "rows.0.threads": -1,
    "rows.0.unknown": 1,
    "rows.1.reason": None,
    "rows.1.best_s": 0.1,
    "rows.1.status": "measured",
    "machine.cores": 0,
    "machine.memory_bytes": 1.5,
    "schema": "hwloop.libraries/2",
    "rows": {},
}


@pytest.mark.parametrize("place", DAMAGE)
def test_damage_is_found(record: LibraryRecord, place: str, tmp_path: Path) -> None:
    plain: Any = copy.deepcopy(record.to_dict())
    *path, last = place.split(".")
    target = plain
    for part in path:
        target = target[int(part) if part.isdigit() else part]
    target[last] = DAMAGE[place]
    file = tmp_path / "r.json"
    file.write_text(json.dumps(plain))
    with pytest.raises(InputError) as error:
        LibraryRecord.load(file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"schema": null}', "\udcff", '{"schema": NaN}'])
def test_what_is_no_record_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"r\.json: not"):
        LibraryRecord.load(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read record"):
        LibraryRecord.load(tmp_path / "none.json")


def test_fastest_compares_only_rows_that_agree() -> None:
    def timed(name: str, best_s: float, **more: Any) -> LibraryRow:
        speeds = {"gflops": 1500 / best_s / 1e9, "gflops_2mult": 2000 / best_s / 1e9}
        return row(library=name, best_s=best_s, median_s=best_s, **speeds, **more)

    wrong = timed("wrong", 0.01, agrees=False, reason="row 0, column 0: 1.0, SciPy has 2.0")
    rows = [timed("slow", 0.5), wrong, timed("quick", 0.2), blank(), blank(matrix="other")]
    assert {name: one.library for name, one in fastest(rows).items()} == {"m": "quick"}
    assert fastest([]) == {}
    (line,) = disagreements(rows)
    assert line.startswith("WRONG PRODUCT: SciPy (scipy 1) on m with 1 threads: row 0, column 0")


def test_records_that_ship_can_be_read_and_hold_mkl() -> None:
    records = recorded()
    assert records
    for one in records:
        measured = [line for line in one.rows if line.status == "measured"]
        assert measured
        assert disagreements(one.rows) == ()
        assert all(line.energy is not None and line.energy.kind for line in measured)
    libraries = {line.library for one in records for line in one.rows if line.status == "measured"}
    assert {"mkl-unsorted", "mkl-sorted", "scipy", "numba-dense", "numba-hash"} <= libraries


def test_machine_says_what_bears_on_timings() -> None:
    machine = describe_machine()
    assert machine.cores >= 1
    assert machine.cpu == cpu_name()
    assert machine.memory_bytes > 2**20
    assert record_name(machine).endswith(f"-{machine.date}.json")


def test_processor_is_named_with_family_and_model() -> None:
    text = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name : X\n"
    assert cpu_name(text) == "AMD EPYC (family 25, model 17)"
