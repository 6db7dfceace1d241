"""Operators and networks as plain values, for JSON: what is left at its default is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sim.errors import WorkloadError, nearest
from sim.network import Network
from sim.operator import Operator

_FIELDS = {one.name: one.default for one in fields(Operator)}


def operator_record(op: Operator) -> dict[str, Any]:
    """`op` as plain values: its kind, and every field that is not at its default."""
    record: dict[str, Any] = {}
    for name, default in _FIELDS.items():
        value = getattr(op, name)
        if name == "fused":
            value = [operator_record(part) for part in value]
        if value not in (default, []):
            record[name] = _listed(value)
    return record


def read_operator(record: Any) -> Operator:
    """The operator of a record. Raises WorkloadError naming the field that is unknown or of the wrong type."""
    if not isinstance(record, Mapping) or not isinstance(record.get("kind"), str):
        raise WorkloadError(f"an operator is an object with a 'kind', got {str(record)[:80]}")
    values: dict[str, Any] = {}
    for name, value in record.items():
        if name not in _FIELDS:
            raise WorkloadError(f"{record['kind']} has no field {name!r}{nearest(str(name), _FIELDS)}")
        default = _FIELDS[name]
        if name == "fused":
            values[name] = tuple(read_operator(part) for part in value)
        elif isinstance(default, tuple):
            values[name] = _tupled(record["kind"], name, value, nested=name == "others")
        elif name == "kind" or _fits(value, default):
            values[name] = value
        else:
            raise WorkloadError(f"{record['kind']}: field {name!r} cannot be {value!r}")
    return Operator(**values)


def network_record(network: Network) -> dict[str, Any]:
    """`network` as plain values: ``{"operators": [...], "inputs": [[-1], [0], ...], ...}``."""
    record: dict[str, Any] = {
        "operators": [operator_record(op) for op in network.operators],
        "inputs": [list(sources) for sources in network.inputs],
    }
    extra = {"serial_steps": network.serial_steps, "idle_params": network.idle_params}
    return record | {name: value for name, value in extra.items() if value != {"serial_steps": 1}.get(name, 0)}


def read_network(record: Mapping[str, Any], known: dict[str, Operator] | None = None) -> Network:
    """The network of a record; without ``inputs`` each operator takes from the one before. Raises WorkloadError.

    known: operators read before, which many networks of one file share; it grows.
    """
    if not isinstance(record.get("operators"), list):
        raise WorkloadError("a network needs a list 'operators'")
    known = {} if known is None else known
    operators = []
    for one in record["operators"]:
        text = str(one)
        if text not in known:
            known[text] = read_operator(one)
        operators.append(known[text])
    inputs = record.get("inputs")
    if inputs is None:
        return Network.chain(operators)
    if not isinstance(inputs, list):
        raise WorkloadError(f"network: 'inputs' must be a list of lists, got {inputs!r}")
    edges = tuple(_tupled("network", "inputs", one, nested=False) for one in inputs)
    steps, idle = record.get("serial_steps", 1), record.get("idle_params", 0)
    if not (_fits(steps, 1) and _fits(idle, 0)):
        raise WorkloadError(f"network: 'serial_steps' and 'idle_params' are whole numbers, got {steps!r} and {idle!r}")
    return Network(tuple(operators), edges, steps, idle)


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple) else value


def _tupled(kind: str, name: str, value: Any, *, nested: bool) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        if nested:
            return tuple(_tupled(kind, name, one, nested=False) for one in value)
        if all(_fits(one, 0) for one in value):
            return tuple(value)
    raise WorkloadError(f"{kind}: field {name!r} must be a list of whole numbers, got {value!r}")


def _fits(value: Any, default: Any) -> bool:
    """Whether `value` has the type of `default`; whole numbers will do for fractions, truth values for nothing else."""
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, int | float if isinstance(default, float) else type(default))
