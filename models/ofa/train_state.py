"""The file that a run goes on from: weights, momenta, and where in the schedule it is, written atomically.

Random numbers need no place in it: they follow from the seed and the step (`models.ofa.train_phases`). The file says
whose run it is, and a run of another space, seed, data set or configuration is refused before anything is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as packed
from torch import Tensor, nn, optim

from sim.errors import InputError
from sim.files import atomic_path

FILE, TEACHER, WEIGHTS = "checkpoint.safetensors", "teacher.safetensors", "weights.safetensors"
_SCHEMA = "hwloop.ofa-checkpoint/1"


@dataclass
class Place:
    """Phase and step that come next; sum of losses in the pass so far; history; seconds spent in each phase."""

    phase: int = 0
    step: int = 0
    loss_sum: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    wall_s: dict[str, float] = field(default_factory=dict)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write tensors and `note` (as JSON in the file's metadata), atomically."""
    plain = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
    with atomic_path(path) as fresh:
        fresh.write_bytes(packed(plain, {"hwloop": json.dumps(note, sort_keys=True)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and note of a file. Raises InputError: missing, cut short, not one of ours."""
    try:
        with safe_open(path, "pt") as file:
            note = json.loads((file.metadata() or {})["hwloop"])
            return {name: file.get_tensor(name) for name in file.keys()}, note  # noqa: SIM118
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{str(path)!r} is no file of hwloop's weights, or is cut short: {error}") from None


def save_checkpoint(
    folder: Path, identity: Mapping[str, Any], place: Place, net: nn.Module, optimizer: optim.Optimizer
) -> None:
    """Write the checkpoint of a run."""
    tensors = {f"model/{name}": one for name, one in net.state_dict().items()}
    for number, parameter in enumerate(_parameters(optimizer)):
        buffer = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if buffer is not None:
            tensors[f"momentum/{number}"] = buffer
    save_tensors(folder / FILE, tensors, {"schema": _SCHEMA, "identity": dict(identity), "place": vars(place)})


def read(folder: Path, identity: Mapping[str, Any]) -> tuple[dict[str, Tensor], Place]:
    """Tensors and place of the run in `folder`. Raises InputError where it is another run's, naming what differs."""
    tensors, note = load_tensors(folder / FILE)
    if note.get("schema") != _SCHEMA:
        raise InputError(f"{str(folder / FILE)!r} is no checkpoint of a training run")
    require_same(folder, note["identity"], identity)
    return tensors, Place(**note["place"])


def require_same(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise InputError naming the first thing in which the run in `folder` is another one."""
    for key, value in wanted.items():
        old = found.get(key)
        if old != value:
            what = _difference(old, value) if isinstance(value, dict) else f"{key} {_short(old)}, not {_short(value)}"
            raise InputError(f"{str(folder)!r} holds a run of {what}; give it the same again, or another --out")


def restore(tensors: Mapping[str, Tensor], net: nn.Module) -> None:
    """Weights of a checkpoint into `net`."""
    net.load_state_dict(
        {name.removeprefix("model/"): one for name, one in tensors.items() if name.startswith("model/")}
    )


def restore_momenta(tensors: Mapping[str, Tensor], optimizer: optim.Optimizer) -> None:
    """Momenta of a checkpoint into `optimizer`."""
    for number, parameter in enumerate(_parameters(optimizer)):
        found = tensors.get(f"momentum/{number}")
        if found is not None:
            optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(found)


def _parameters(optimizer: optim.Optimizer) -> list[nn.Parameter]:
    return [one for group in optimizer.param_groups for one in group["params"]]


def _difference(found: Any, wanted: dict[str, Any], prefix: str = "") -> str:
    """The first setting that differs, in words."""
    for key, value in wanted.items():
        old = found.get(key) if isinstance(found, dict) else None
        if old != value:
            if isinstance(value, dict):
                return _difference(old, value, f"{prefix}{key}.")
            return f"{prefix}{key} = {_short(old)}, not {_short(value)}"
    return "other settings"


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] + "…" if len(text) == 64 else text
