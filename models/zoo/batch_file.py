"""Many networks in a file of JSON lines, as one batch.

A line is an object that says which network: ``{"network": "zoo/resnet50@224"}`` by name; ``{"space": "mbv3-w1.2",
"ks": [...], "e": [...], "d": [...], "r": 224}`` an architecture of a search space; or ``{"operators": [...], "inputs":
[...]}`` written out, as `sim.operator_record` has it. ``"name"`` names the row. Architectures of one space are lowered
together.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.zoo import registry
from sim.errors import HwloopError, InputError, WorkloadError, nearest
from sim.fusion import fuse
from sim.network import Network
from sim.operator import Operator
from sim.operator_record import read_network
from sim.workload import Context, WorkloadBatch

_RESNET = "resnet50d"


def read_batch(
    path: str | os.PathLike[str], *, fusion: Iterable[str] = (), context: Context | None = None
) -> WorkloadBatch:
    """The networks of the file at `path`, a row a line, empty lines left out.

    Raises InputError naming the file and the line that cannot be used.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8") as file:
            lines = [(number, line) for number, line in enumerate(file, 1) if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {name!r}: {getattr(error, 'strerror', None) or error}") from None
    if not lines:
        raise InputError(f"{name!r} holds no networks")
    groups = _Groups()
    for number, line in lines:
        try:
            groups.add(json.loads(line))
        except (HwloopError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{name!r}, line {number}: {what}") from None
    batch = groups.batch(tuple(fusion))
    return batch.with_context(context) if context is not None else batch


@dataclass
class _Groups:
    """Rows so far: what is written out or named, and architectures by their space."""

    names: list[str] = field(default_factory=list)
    networks: list[tuple[int, Network]] = field(default_factory=list)
    spaces: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    named: dict[str, Network] = field(default_factory=dict)
    known: dict[str, Operator] = field(default_factory=dict)

    def add(self, record: Any) -> None:
        """One line."""
        if not isinstance(record, Mapping):
            raise WorkloadError(f"a line is an object, got {str(record)[:60]}")
        row = len(self.names)
        if "space" in record:
            self.spaces.setdefault(record["space"], []).append((row, _architecture(record)))
        elif "network" in record:
            name = str(record["network"])
            if name not in self.named:
                self.named[name] = registry.lower(name)
            self.networks.append((row, self.named[name]))
        elif "operators" in record:
            self.networks.append((row, read_network(record, self.known)))
        else:
            raise WorkloadError("one of the keys 'network', 'space' and 'operators' is needed")
        self.names.append(str(record.get("name", record.get("network", row))))

    def batch(self, fusion: tuple[str, ...]) -> WorkloadBatch:
        """All rows in their order."""
        parts, rows = [], []
        for space, members in self.spaces.items():
            rows += [row for row, _ in members]
            parts.append(_population([arch for _, arch in members], space, fusion))
        if self.networks:
            rows += [row for row, _ in self.networks]
            distinct = {id(one): one for _, one in self.networks}
            place = {identity: position for position, identity in enumerate(distinct)}
            batch = WorkloadBatch.of(fuse(one, fusion) for one in distinct.values())
            parts.append(batch.select([place[id(one)] for _, one in self.networks]))
        joined = parts[0] if len(parts) == 1 else WorkloadBatch.concatenate(parts)
        return joined.select(np.argsort(rows, kind="stable")).with_names(self.names)


def _architecture(record: Mapping[str, Any]) -> Any:
    from models.ofa.architecture import Architecture
    from models.ofa.resnet_space import ResNetArchitecture
    from models.ofa.resnet_space import validate as validate_resnet
    from models.ofa.space import SPACES, space

    if record["space"] == _RESNET:
        return validate_resnet(ResNetArchitecture.of(dict(record)))
    if record["space"] not in SPACES:
        raise InputError(f"no search space {record['space']!r}{nearest(str(record['space']), [*SPACES, _RESNET])}")
    return space(record["space"]).validate(Architecture.of(dict(record)))


def _population(members: list[Any], name: str, fusion: tuple[str, ...]) -> WorkloadBatch:
    from models.ofa import lowering, resnet_space
    from models.ofa.architecture import Population
    from models.ofa.space import space

    if name == _RESNET:
        return resnet_space.lower_population(resnet_space.ResNetPopulation.of(members), fusion=fusion)
    return lowering.lower_population(space(name), Population.of(members), fusion=fusion)
