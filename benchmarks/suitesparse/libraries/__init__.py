"""Real libraries that multiply sparse matrices, run on this machine beside the simulators.

`measure` runs one of `NAMES` on one matrix; `LibraryRecord` keeps rows with the machine that they were measured on;
`recorded` gives the records of other machines that ship with hwloop. Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.suitesparse.libraries.machine import describe_machine, record_name
    from benchmarks.suitesparse.libraries.measuring import measure, measure_record, thread_counts
    from benchmarks.suitesparse.libraries.record import LibraryRecord, LibraryRow, disagreements, fastest, recorded
    from benchmarks.suitesparse.libraries.registry import NAMES, check_names

__all__ = [
    "NAMES",
    "LibraryRecord",
    "LibraryRow",
    "check_names",
    "describe_machine",
    "disagreements",
    "fastest",
    "measure",
    "measure_record",
    "record_name",
    "recorded",
    "thread_counts",
]

_MODULES = dict.fromkeys(("LibraryRecord", "LibraryRow", "disagreements", "fastest", "recorded"), "record")
_MODULES |= dict.fromkeys(("describe_machine", "record_name"), "machine")
_MODULES |= dict.fromkeys(("measure", "measure_record", "thread_counts"), "measuring")
_MODULES |= dict.fromkeys(("NAMES", "check_names"), "registry")


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
