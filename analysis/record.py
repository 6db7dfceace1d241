"""Result files in: the JSON of one simulation, checked, as a plain mapping, and small questions to it.

Checking is `sim.result`'s: shape, types, and the sums that must agree. Everything else in this package takes the plain
mapping, so that it also works on ``result.to_dict()``. The keys are those that `glossary` defines.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

OPERANDS = ("a_read", "b_read", "partial_read", "partial_write", "c_write")
STATES = ("busy", "starved", "blocked", "memory", "idle")
ENERGY_GROUPS = ("compute", "sram", "dram", "crossbar")
BOUNDS = ("bandwidth", "multiply", "merge")
ELEMENT_BYTES = 12

Record = Mapping[str, Any]


def load_record(path: str | Path) -> Record:
    """Read and check the result file `path`. Raises InputError: missing, not JSON, another schema, damaged."""
    from sim.result import SimulationResult

    return SimulationResult.load(path).to_dict()


def setting(record: Record, name: str, default: Any = None) -> Any:
    """A setting of the expanded configuration by its dotted name, `default` where this machine has none."""
    value: Any = record["config"]
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one table with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return flat


def energy_groups(*records: Record) -> list[str]:
    """The groups of energy that one of the records has: a machine without a crossbar has none for it."""
    return [name for name in ENERGY_GROUPS if any(record["energy_j"].get(name) is not None for record in records)]


def merge_layers(record: Record) -> list[str]:
    """Names of the layers of the merge tree, from the leaves to the root."""
    numbers = [name.removeprefix("merge_layer_") for name in record["units"] if name.startswith("merge_layer_")]
    return [f"merge_layer_{number}" for number in sorted(numbers, key=lambda text: (len(text), text))]


def operand_b(record: Record) -> Mapping[str, Any]:
    """The entry of operand B: A's own where A is multiplied with itself."""
    matrix: Mapping[str, Any] = record["matrix"]
    b: Mapping[str, Any] = matrix.get("b") or matrix
    return b


def ideal_by_operand(record: Record) -> dict[str, int]:
    """Bytes that the ideal machine moves for each operand: A and B read once, C written once, no partial matrix."""
    return {
        "a_read": ELEMENT_BYTES * record["matrix"]["nnz"],
        "b_read": ELEMENT_BYTES * operand_b(record)["nnz"],
        "partial_read": 0,
        "partial_write": 0,
        "c_write": ELEMENT_BYTES * record["output_nnz"],
    }


def product_name(record: Record) -> str:
    """What was multiplied, in words: the names and sizes of the operands."""
    a, b = record["matrix"], record["matrix"].get("b")
    words = [f"{one['name']} ({one['rows']:,} x {one['cols']:,}, {one['nnz']:,} entries)" for one in (a, b) if one]
    return f"{words[0]} times {words[1] if b else 'itself'}"
