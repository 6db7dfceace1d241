"""What a stand-in is made of: four recipes, the published targets and the figures reached, read from `standins.toml`.

Costs nothing to import: kernels are compiled by the modules that follow a recipe.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sim.errors import InputError, nearest

TABLE = Path(__file__).with_name("standins.toml")
MARK = "~"
LOCALITIES = ("middle", "low", "high")
FEATURE_SOURCE = "FEATS: SpMV-Research matrix features (cslab-ntua/SpMV-Research, feats.csv)"


@dataclass(frozen=True, kw_only=True)
class LengthShape:
    """Row lengths: family, entries of the shortest non-empty row, deviation over all rows, and how they lie.

    `family`: ``pareto`` or ``logistic``. `empty` is the share of empty rows. `alike` rows in a run (natural order)
    have nearly equal lengths.
    """

    family: str
    low: int
    std: float
    empty: float = 0.0
    alike: int = 1


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """`width` and `depth`: points along the second and third axis (depth 1: a plane); the first takes what is left.

    `keep`: share of the offered edges that is taken, decided for `grain` vertices in a row at once. `reach`: number of
    offsets that are offered to every vertex.
    """

    width: int
    depth: int
    keep: float
    reach: int
    diagonal: bool
    grain: int = 1


@dataclass(frozen=True, kw_only=True)
class Network:
    """Links of a row: `copy`, `hubs`, `inside` and `bias` are probabilities, `near` and `far` powers of two.

    `copy` is tried first, then `hubs`, then `inside` of what is left. `hub_low` and `hub_high` are powers of two
    too; `hub_length` is in entries, `community` in rows.
    """

    copy: float
    hubs: float
    inside: float
    bias: float
    community: int
    near: int
    far: int
    hub_low: int = 0
    hub_high: int = 10
    hub_length: int = 1
    backward: bool = False
    diagonal: bool = False


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """`run`, `window` in rows, `far` a probability, `parts` a count; run 1 with far 1 is a random order."""

    run: float
    window: int
    far: float
    parts: int = 1


@dataclass(frozen=True, kw_only=True)
class StandinSpec:
    """One stand-in. `name` ends in ``~``; `original` is its name in the catalogue, which holds the other targets.

    `span` (mean column span of a row, in columns) and `similarity` (of neighbouring rows, 0 to 1) are published
    figures of the original, see `FEATURE_SOURCE`; `reached` holds the figures of the stand-in for each locality.
    `knobs` tells `fit` which parameter serves which figure. `fitted` is the date of the fit.
    """

    name: str
    original: str
    idea: str
    seed: int
    span: float
    similarity: float
    lengths: LengthShape
    pattern: Lattice | Network
    numbering: Mapping[str, Numbering]
    knobs: Mapping[str, str]
    reached: Mapping[str, Mapping[str, float]]
    fitted: str = ""
    note: str = ""


def standin_names() -> tuple[str, ...]:
    """Names of all stand-ins in the order of the catalogue, each ending in ``~``."""
    return tuple(f"{original}{MARK}" for original in _table())


def find_standin(original: str) -> StandinSpec | None:
    """The stand-in of the catalogue matrix `original`, or None if it has none."""
    return _table().get(original)


def standin(name: str) -> StandinSpec:
    """The stand-in called `name` (``web-Google~``). Raises `InputError` that offers the nearest name."""
    return _table()[split_name(name)[0]]


def split_name(name: str) -> tuple[str, str]:
    """Original and locality of ``web-Google~`` (middle), ``web-Google-low~`` or ``web-Google-high~``.

    Raises `InputError` for anything else.
    """
    base = name.removesuffix(MARK)
    for locality in LOCALITIES[1:]:
        if base.endswith(f"-{locality}") and base.removesuffix(f"-{locality}") in _table():
            return base.removesuffix(f"-{locality}"), locality
    if name.endswith(MARK) and base in _table():
        return base, LOCALITIES[0]
    from benchmarks.suitesparse import catalogue

    if base not in _table() and catalogue.find(base) is not None:
        raise InputError(f"no stand-in called {name!r}: {base} needs none; nearest: {base}")
    raise InputError(f"no stand-in called {name!r}{nearest(name, standin_names())}")


def full_name(original: str, locality: str) -> str:
    """The inverse of `split_name`. Raises `InputError` for an unknown locality."""
    if locality not in LOCALITIES:
        raise InputError(f"no locality called {locality!r}{nearest(locality, LOCALITIES)}")
    return f"{original}{MARK}" if locality == LOCALITIES[0] else f"{original}-{locality}{MARK}"


@functools.cache
def _table() -> Mapping[str, StandinSpec]:
    import tomllib

    raw = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return MappingProxyType({original: parse_spec(original, record) for original, record in raw.items()})


def parse_spec(original: str, record: Mapping[str, Any]) -> StandinSpec:
    """A specification from its table in the file."""
    kind = Lattice if record["family"] == "lattice" else Network
    plain = {one.name: record[one.name] for one in fields(StandinSpec) if one.name in record}
    made = {
        "lengths": LengthShape(**record["lengths"]),
        "pattern": kind(**record["pattern"]),
        "numbering": {locality: Numbering(**one) for locality, one in record["numbering"].items()},
        "reached": record.get("reached", {}),
    }
    return StandinSpec(name=f"{original}{MARK}", original=original, **{**plain, **made})
