"""What every figure of a result means: its unit, its definition and its formula, from ``glossary.toml``.

A name is a dotted path (``dram_bytes.b_read``), the end of one (``hit_rate``), or a setting (``merge_tree.ways``).
In the file ``*`` stands for any one name, so ``units.multipliers.busy`` is defined by ``units.*.busy``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources

from sim.errors import InputError, nearest


@dataclass(frozen=True)
class Definition:
    """One entry. name: dotted path, ``*`` for any name; formula: empty where there is none."""

    name: str
    unit: str
    text: str
    formula: str = ""

    def render(self) -> str:
        """The definition for people, one fact a line."""
        lines = [f"{self.name} [{self.unit}]", f"  {self.text}"]
        return "\n".join([*lines, *([f"  = {self.formula}"] if self.formula else [])])


@lru_cache(maxsize=1)
def glossary() -> dict[str, Definition]:
    """All definitions by name."""
    text = resources.files("analysis").joinpath("glossary.toml").read_text(encoding="utf-8")
    return {name: Definition(name, **entry) for name, entry in tomllib.loads(text).items()}


def define(path: str) -> Definition | None:
    """The definition of one exact dotted path of a result, or None."""
    entries = glossary()
    if path in entries:
        return entries[path]
    parts = path.split(".")
    for name, definition in entries.items():
        pattern = name.split(".")
        if "*" in name and len(pattern) == len(parts) and all(map(fnmatchcase, parts, pattern)):
            return definition
    return None


def find(name: str) -> list[Definition]:
    """What `name` may mean: an exact path, a setting, or every path that ends in it. Raises InputError for no match."""
    exact = None if "*" in name else define(name) or define(f"config.{name}")
    if exact:
        return [exact]
    ending = [one for key, one in glossary().items() if name and "*" not in name and key.endswith(f".{name}")]
    if not ending:
        known = {*glossary(), *map(_bare, glossary())}
        raise InputError(f"no statistic called {name!r}{nearest(name, known)}")
    return ending


def explain_statistic(name: str) -> str:
    """The definition of a statistic or setting in words; all of them where the name has several meanings.

    Raises InputError with the nearest known name.
    """
    return "\n".join(one.render() for one in find(name))


def _bare(name: str) -> str:
    return name.removeprefix("config.").removeprefix("units.")
