"""The table that users write: measured operators, measured networks, or both, as CSV.

One row is one measurement, or one operator of a measured network:

    network,count,kind,shape,out_channels,kernel,stride,padding,groups,latency_ms,energy_mj
    ,1,conv2d,32x56x56,64,3x3,2x2,1x1x1x1,1,0.84,                 an operator alone
    mine,2,conv2d,32x56x56,32,3x3,1x1,1x1x1x1,1,9.1,21.5          a network: rows of one name, time on one of them
    mine,1,linear,1x32,1000,,,,,,
    zoo/mobilenet_v2,,,,,,,,,28.5,                                a network by its name

Columns of operators are the fields of `sim.operator.Operator`; shapes are numbers joined by ``x``. Exactly one of
latency_s, latency_ms, latency_us; at most one of energy_j, energy_mj, energy_uj. Optional, the same in all rows:
batch_size, dtype, threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import InputError, WorkloadError, nearest
from sim.mobile_cost.rows import number, read_rows
from sim.mobile_cost.tables import Measurements
from sim.network import Network
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch

Resolve = Callable[[str], Network]

UNITS = {
    "latency": {"latency_s": 1.0, "latency_ms": 1e-3, "latency_us": 1e-6},
    "energy": {"energy_j": 1.0, "energy_mj": 1e-3, "energy_uj": 1e-6},
}
_SHAPES = ("shape", "kernel", "stride", "padding", "dilation", "output_padding", "size")
_NUMBERS = ("out_channels", "groups", "heads", "length")
_CONTEXT = ("batch_size", "dtype", "threads")
_OTHER = ("network", "count", "kind", "function", "bias", "others")
COLUMNS = (*_OTHER, *_SHAPES, *_NUMBERS, *_CONTEXT, *UNITS["latency"], *UNITS["energy"])


def read(
    path: str | Path, device: str = "", resolve: Resolve | None = None, pool: WorkloadBatch | None = None
) -> Measurements:
    """A table in this layout. resolve: gives the network of a name, for rows without operators; those of `pool` (in the
    default context) go by its names first.

    Raises InputError: unreadable, a column unknown, without a unit or missing, a value that is no number, an operator
    that makes no sense, a network without a time or with two, a name that nothing resolves.
    """
    path = Path(path)
    rows = read_rows(path, ())
    latency, energy = _checked_columns(path, list(rows[0]))
    ready = {name: place for place, name in enumerate(pool.names)} if pool is not None else {}
    names, networks, seconds, joules = [], list[Network | int](), [], []
    for name, members in _measurements(rows):
        where = f"{path}: {name or 'row ' + str(members[0][0] + 2)}"
        operators = [part for _, row in members for part in _operators(row, where)]
        if operators:
            networks.append(Network.chain(operators))
        else:
            networks.append(ready[name] if name in ready else _resolved(name, resolve, where))
        names.append(name or operators[0].kind)
        times = [number(row, latency, path) * UNITS["latency"][latency] for _, row in members if row[latency]]
        if len(times) != 1 or not times[0] > 0:
            raise InputError(f"{where}: needs exactly one positive {latency}, has {times or 'none'}")
        seconds.append(times[0])
        used = [number(row, energy, path) * UNITS["energy"][energy] for _, row in members if energy and row[energy]]
        joules.append(used[0] if used else float("nan"))
    return Measurements(
        device or path.stem,
        path.stem,
        _batch(networks, pool).with_names(names).with_context(_context(path, rows)),
        np.array(seconds),
        energy_j=np.array(joules) if energy else np.zeros(0),
        group=np.arange(len(names)),
        whole_network=all(isinstance(one, int) or len(one) > 1 for one in networks),
    )


def _batch(networks: Sequence[Network | int], pool: WorkloadBatch | None) -> WorkloadBatch:
    """Networks and rows of `pool` as one batch, in their order."""
    built = [one for one in networks if not isinstance(one, int)]
    taken = [one for one in networks if isinstance(one, int)]
    if pool is None or not taken:
        return WorkloadBatch.of(built)
    if not built:
        return pool.select(taken)
    order = np.argsort(np.argsort([isinstance(one, int) for one in networks], kind="stable"))
    return WorkloadBatch.concatenate([WorkloadBatch.of(built), pool.select(taken)]).select(order)


def _checked_columns(path: Path, found: list[str]) -> tuple[str, str]:
    for name in found:
        if name in ("latency", "energy"):
            raise InputError(f"{path}: column {name!r} has no unit; name it one of {', '.join(UNITS[name])}")
        if name not in COLUMNS:
            raise InputError(f"{path}: unknown column {name!r}{nearest(str(name), COLUMNS)}")
    latency = [name for name in UNITS["latency"] if name in found]
    energy = [name for name in UNITS["energy"] if name in found]
    if len(latency) != 1:
        needed = ", ".join(UNITS["latency"])
        raise InputError(f"{path}: needs exactly one of the columns {needed}; has {latency or 'none'}")
    if len(energy) > 1:
        raise InputError(f"{path}: has more than one energy column: {', '.join(energy)}")
    if "kind" not in found and "network" not in found:
        raise InputError(f"{path}: column 'kind' (operators) or 'network' (networks) is missing")
    return latency[0], energy[0] if energy else ""


def _measurements(rows: list[dict[str, str]]) -> list[tuple[str, list[tuple[int, dict[str, str]]]]]:
    """Rows of one measurement together: neighbours with the same network name, others alone."""
    groups: list[tuple[str, list[tuple[int, dict[str, str]]]]] = []
    for position, row in enumerate(rows):
        name = row.get("network") or ""
        if name and groups and groups[-1][0] == name and row.get("kind"):
            groups[-1][1].append((position, row))
        else:
            groups.append((name, [(position, row)]))
    return groups


def _operators(row: Mapping[str, str], where: str) -> list[Operator]:
    if not row.get("kind"):
        return []
    fields: dict[str, Any] = {"kind": row["kind"]}
    try:
        for name in _SHAPES:
            if row.get(name):
                fields[name] = tuple(int(part) for part in row[name].split("x"))
        for name in _NUMBERS:
            if row.get(name):
                fields[name] = int(row[name])
        if row.get("others"):
            fields["others"] = tuple(tuple(int(part) for part in one.split("x")) for one in row["others"].split("|"))
        count = int(row.get("count") or 1)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    if row.get("function"):
        fields["function"] = row["function"]
    if row.get("bias"):
        fields["bias"] = row["bias"].lower() in ("1", "true", "yes")
    try:
        return [Operator(**fields)] * count
    except WorkloadError as error:
        raise InputError(f"{where}: {error}") from None


def _resolved(name: str, resolve: Resolve | None, where: str) -> Network:
    if not name:
        raise InputError(f"{where}: neither an operator nor the name of a network")
    if resolve is None:
        raise InputError(f"{where}: no operators, and nothing that knows networks by name")
    return resolve(name)


def _context(path: Path, rows: list[dict[str, str]]) -> Context:
    given: dict[str, Any] = {}
    for name in _CONTEXT:
        values = sorted({row[name] for row in rows if row.get(name)})
        if len(values) > 1:
            raise InputError(f"{path}: {name} differs between rows ({', '.join(values)}); make one table for each")
        if values:
            try:
                given[name] = values[0] if name == "dtype" else int(values[0])
            except ValueError:
                raise InputError(f"{path}: {name} {values[0]!r} is not a whole number") from None
    try:
        return Context(**given)
    except WorkloadError as error:
        raise InputError(f"{path}: {error}") from None
