"""Weights of a supernet from a file or a state dict: checked whole before anything is taken.

The public package changed the names of some layers over time, and its plain networks lack the inner ``conv`` and ``bn``
of elastic layers; both are understood. Files are read with ``weights_only=True``, which runs no code of the file.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from sim.errors import InputError, nearest

_ELASTIC = (
    (re.compile(r"\.linear\.(weight|bias)$"), r".linear.linear.\1"),
    (re.compile(r"\.bn\.(weight|bias|running_mean|running_var|num_batches_tracked)$"), r".bn.bn.\1"),
    (re.compile(r"\.conv\.weight$"), r".conv.conv.weight"),
)


def load(module: nn.Module, source: str | PathLike[str] | Mapping[str, Tensor], name: str) -> None:
    """Weights of `source` into `module`, a supernet of the space `name`.

    Raises InputError naming the first key that is missing, unknown or of another shape; then nothing has changed.
    """
    state, what = (source, "state dict") if isinstance(source, Mapping) else (_read(source), repr(str(source)))
    wanted = module.state_dict()
    found = {_current_name(key, wanted): (key, value) for key, value in state.items()}
    for key, target in wanted.items():
        if key not in found and not _has_default(key):
            raise InputError(f"{what} is no checkpoint of {name}: it has no {key!r}{nearest(key, found)}")
        if key in found:
            _check(what, name, found[key], target)
    for key, (given, _) in found.items():
        if key not in wanted:
            raise InputError(f"{what} is no checkpoint of {name}: it has {given!r}, which the space has not")
    module.load_state_dict(
        {key: found[key][1] if key in found else _default(key, target) for key, target in wanted.items()}
    )


def _check(what: str, name: str, found: tuple[str, Any], target: Tensor) -> None:
    key, value = found
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if shape != tuple(target.shape):
        raise InputError(f"{what} is no checkpoint of {name}: {key!r} is {shape}, needs {tuple(target.shape)}")
    assert isinstance(value, Tensor)
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        raise InputError(f"{what}: {key!r} holds values that are not finite")


def _read(path: str | PathLike[str]) -> Mapping[str, Any]:
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"cannot read {str(path)!r}: no whole torch file of weights ({reason[:120]})") from None
    if isinstance(record, Mapping) and isinstance(record.get("state_dict"), Mapping):
        record = record["state_dict"]
    if not isinstance(record, Mapping) or not all(isinstance(key, str) for key in record):
        raise InputError(f"{str(path)!r} holds no state dict")
    return record


def _current_name(key: str, wanted: Mapping[str, Tensor]) -> str:
    """The name that `key` has in a supernet of this code."""
    key = key.removeprefix("module.").replace(".mobile_inverted_conv.", ".conv.")
    if key in wanted:
        return key
    for pattern, replacement in _ELASTIC:
        elastic = pattern.sub(replacement, key)
        if elastic in wanted:
            return elastic
    return key


def _has_default(key: str) -> bool:
    return key.endswith(("_matrix", "num_batches_tracked"))


def _default(key: str, target: Tensor) -> Tensor:
    return torch.eye(len(target), device=target.device) if key.endswith("_matrix") else torch.zeros_like(target)
