"""Compressed weights on disk: one safetensors file with the packed arrays, how each is packed, and a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compress.packing import Packed
from sim.errors import InputError
from sim.files import atomic_path

_SCHEMA = "hwloop.compressed/1"
_FIELDS = ("shape", "form", "bits", "entries", "group", "gap_bits")


def write_compressed(path: str | Path, tensors: Mapping[str, Packed], about: Mapping[str, Any]) -> None:
    """Write `tensors` and a description of the model, atomically. Raises InputError."""
    from safetensors.numpy import save_file

    arrays = {f"{name}|{part}": array for name, one in tensors.items() for part, array in one.arrays.items()}
    layout = {name: {key: getattr(one, key) for key in _FIELDS} for name, one in tensors.items()}
    head = json.dumps({"schema": _SCHEMA, "about": about, "layout": layout}, sort_keys=True)
    with atomic_path(path) as fresh:
        sealed = json.dumps({"head": head, "sha256": _checksum(head, arrays)}, sort_keys=True)
        save_file(arrays, str(fresh), {"hwloop": sealed})  # one entry: safetensors writes several in any order


def read_compressed(path: str | Path) -> tuple[dict[str, Packed], dict[str, Any]]:
    """The packed tensors and the description. Raises InputError: no file, damaged, of another kind."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
            held = file.metadata() or {}
        sealed = json.loads(held["hwloop"])
        head = json.loads(sealed["head"])
        sound = sealed["sha256"] == _checksum(sealed["head"], arrays) and head["schema"] == _SCHEMA
    except FileNotFoundError:
        raise InputError(f"no file {path}; nearest: one that 'hwloop compress' wrote") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged or no compressed model: {str(error).splitlines()[0]}") from None
    if not sound:
        raise InputError(f"{path} is damaged: its checksum does not fit; nearest: compress the model again")
    parts: dict[str, dict[str, NDArray[Any]]] = {name: {} for name in head["layout"]}
    for name, array in arrays.items():
        owner, _, part = name.rpartition("|")
        parts[owner][part] = array
    return {name: _packed(fields, parts[name]) for name, fields in head["layout"].items()}, dict(head["about"])


def _packed(fields: Mapping[str, Any], arrays: dict[str, NDArray[Any]]) -> Packed:
    kept: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in fields.items()}
    return Packed(**kept, arrays=arrays)


def _checksum(head: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(head.encode())
    for name in sorted(arrays):
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
