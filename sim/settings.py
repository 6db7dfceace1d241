"""Reading a machine's configuration: TOML files and dotted ``key=value`` settings into one frozen, validated value.

A configuration is a pydantic model whose fields are plain values or tables of plain values. Each accelerator has its
own model; how settings are named, merged and refused is the same for all of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sim.errors import ConfigError, nearest


class Table(BaseModel):
    """Base of configurations and of the tables in them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


C = TypeVar("C", bound=Table)


def whole(default: int, low: int, high: int, what: str) -> Any:
    """A field for a whole number between `low` and `high`."""
    return Field(default=default, ge=low, le=high, description=what)


def setting_names(kind: type[Table]) -> list[str]:
    """All dotted setting names of a configuration, in its order."""
    names: list[str] = []
    for key, field in kind.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Table):
            names += [f"{key}.{sub}" for sub in inner.model_fields]
        else:
            names.append(key)
    return names


def parse_setting(kind: type[Table], text: str) -> tuple[str, Any]:
    """``"dram.channels=32"`` -> name and typed value. Raises ConfigError for an unknown name or no ``=``."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        raise ConfigError(f"setting {text!r} has no '='; write KEY=VALUE")
    _require_known(kind, name)
    try:
        return name, tomllib.loads(f"v = {value.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        return name, value.strip()


def load_config(base: C, file: str | Path | None = None, settings: Mapping[str, Any] | None = None) -> C:
    """`base` changed by a TOML file and by dotted settings, which win.

    Raises ConfigError: unknown key (with the nearest one), wrong type, value out of range, unreadable file.
    """
    kind = type(base)
    tree: dict[str, Any] = base.model_dump()
    for name, value in {**_flatten(_read_toml(file) if file else {}), **(settings or {})}.items():
        _require_known(kind, name)
        table, _, leaf = name.rpartition(".")
        (tree[table] if table else tree)[leaf] = float(value) if name == "clock_hz" and _is_int(value) else value
    return validate_config(kind, tree)


def validate_config(kind: type[C], tree: Mapping[str, Any]) -> C:
    """Check a nested mapping. Raises ConfigError with one line for the first fault."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where} = {fault['input']!r}: {message}" if where else message) from None


def _require_known(kind: type[Table], name: str) -> None:
    if name not in setting_names(kind):
        raise ConfigError(f"unknown setting {name!r}{nearest(name, setting_names(kind))}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _read_toml(file: str | Path) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {file} is not TOML: {error}") from None


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat
