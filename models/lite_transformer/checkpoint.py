"""A model on disk: ``model.safetensors`` with its settings and the fingerprint of its tokenizer, ``tokenizer.json``.

The state of a run (weights, moments of Adam, step) is a safetensors file too; nothing is pickled. Random numbers and
batches follow from the step, so they need not be kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.lite_transformer.config import ModelTable
from models.lite_transformer.model import TextModel
from models.lite_transformer.tokenizer import Tokenizer
from sim.errors import InputError
from sim.files import atomic_path
from sim.settings import validate_config

MODEL, TOKENIZER, STATE = "model.safetensors", "tokenizer.json", "state.safetensors"
_SCHEMA = "hwloop.text-model/1"


def describe(model: TextModel, task: str, tokenizer: str) -> dict[str, Any]:
    """What a file says of the model in it."""
    settings = model.settings.model_dump(mode="json")
    found = {"schema": _SCHEMA, "task": task, "tokenizer": tokenizer, "model": settings}
    arch = getattr(model, "arch", None)  # of a network that was searched
    return found if arch is None else {**found, "arch": asdict(arch)}


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and a description, atomically."""
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as fresh:
        save_file(whole, str(fresh), {"hwloop": json.dumps(about, sort_keys=True)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and description. Raises InputError for a file that is missing, damaged or of another origin."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            about = json.loads((file.metadata() or {})["hwloop"])
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118  (no mapping)
    except FileNotFoundError:
        raise InputError(f"no file {path}; nearest: the folder that 'hwloop train lite-transformer' wrote") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path} is damaged or was not written by hwloop: {str(error).splitlines()[0]}") from None


def save_model(folder: Path, model: TextModel, task: str, tokenizer: Tokenizer) -> None:
    """Write the model of `folder`; its tokenizer is there already or is written now."""
    if not (folder / TOKENIZER).exists():
        tokenizer.save(folder / TOKENIZER)
    save_tensors(folder / MODEL, model.state_dict(), describe(model, task, tokenizer.fingerprint))


def build(about: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> TextModel:
    """The model that a file describes, with its weights. Raises InputError where they do not fit."""
    if about.get("schema") != _SCHEMA:
        raise InputError(f"{path} holds no text model of this version")
    settings = validate_config(ModelTable, about["model"])
    model = searched(settings, about["arch"]) if "arch" in about else TextModel(settings)
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise InputError(f"{path} is damaged: {str(error).splitlines()[-1].strip()}") from None
    return model.eval()


def searched(settings: ModelTable, arch: Mapping[str, Any]) -> TextModel:
    """A network of a search space. Raises InputError."""
    from models.lite_transformer.architecture import TextArch
    from models.lite_transformer.elastic import SearchedModel

    return SearchedModel(settings, TextArch.of(arch))


def load_model(folder: str | Path) -> tuple[TextModel, Tokenizer, str]:
    """Model, tokenizer and task of a folder. Raises InputError: no model, damaged, the tokenizer of another model."""
    place = Path(folder)
    tensors, about = load_tensors(place / MODEL)
    return build(about, tensors, place / MODEL), matching_tokenizer(place, about), str(about["task"])


def matching_tokenizer(folder: Path, about: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of `folder`. Raises InputError where the model was trained with another one."""
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    if tokenizer.fingerprint != about["tokenizer"]:
        raise InputError(f"{folder / TOKENIZER} is the tokenizer of another model; nearest: the one saved beside it")
    return tokenizer


def save_state(path: Path, model: TextModel, optimizer: torch.optim.Optimizer, about: Mapping[str, Any]) -> None:
    """Write everything that a run goes on from."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, kept in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in kept.items()}
    save_tensors(path, tensors, about)


def load_state(path: Path, model: TextModel, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put a run back to where it was; its description. Raises InputError."""
    tensors, about = load_tensors(path)
    state: dict[int, dict[str, Tensor]] = {}
    weights = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "model":
            weights[rest] = tensor
        else:
            number, _, part = rest.partition(".")
            state.setdefault(int(number), {})[part] = tensor
    try:
        model.load_state_dict(weights)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {str(error).splitlines()[-1].strip()}") from None
    return about
