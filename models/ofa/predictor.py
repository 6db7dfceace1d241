"""Accuracy of a sub-network, predicted: an ensemble of small perceptrons on its one-hot encoding, asked with NumPy.

    accuracy = mean over members of W4 relu(W3 relu(W2 relu(W1 x + b1) + b2) + b3) + b4,    x = `Space.encode`

The interval is the mean -+ one half-width, such that 90 % of the networks that a member had left out lay inside (split
conformal; the spread of the members is no part of it, since most of them have learned a left-out network). Files are
safetensors with their origin as metadata. The released predictor of Once-for-All (128 inputs, one network, no metadata)
loads too: resolutions 112 to 224 in steps of 16, accuracy on a hold-out as a fraction. NOT modelled: what the encoding
does not tell, such as the training of the super-net.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.ofa.architecture import Population
from models.ofa.space import Space, space
from sim.cache import fingerprint
from sim.errors import ConfigError, InputError
from sim.files import atomic_path

Array = np.ndarray[Any, np.dtype[np.float64]]
Weights = np.ndarray[Any, np.dtype[np.float32]]
Layers = tuple[tuple[Weights, Weights], ...]

SCHEMA = "hwloop.accuracy-predictor/2"
RELEASED_RESOLUTIONS = tuple(range(112, 225, 16))
RELEASED_INPUTS = 128


@dataclass(frozen=True)
class Origin:
    """Where a predictor comes from. label: "trained", "released" or "placeholder"; unseen: its error on networks that
    it was not trained on (see `score`); half_width: of the 90 % interval, 0 where nothing is known of it."""

    space: str
    resolutions: tuple[int, ...]
    label: str
    samples: int = 0
    data_sha256: str = ""
    seed: int = 0
    half_width: float = 0.0
    unseen: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


class AccuracyPredictor:
    """members: layers of each network, weights (out x in) and biases, float32."""

    def __init__(self, members: Sequence[Layers], origin: Origin) -> None:
        """Raises InputError where the layers do not fit the encoding of the space."""
        self.members, self.origin = tuple(members), origin
        self._space = replace(space(origin.space), resolutions=tuple(origin.resolutions))
        inputs = self._space.encode(self._space.sample(1, np.random.default_rng(0))).shape[1]
        for layers in self.members:
            sizes = [inputs, *(weight.shape[0] for weight, _ in layers)]
            fits = all(weight.shape[1] == size for (weight, _), size in zip(layers, sizes, strict=False))
            if not fits or sizes[-1] != 1 or any(bias.shape != weight.shape[:1] for weight, bias in layers):
                shapes = ", ".join(str(weight.shape) for weight, _ in layers)
                raise InputError(f"layers of shapes {shapes} do not lead from {inputs} inputs of {origin.space} to one")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Sides that it was trained on; what lies between is interpolated."""
        return tuple(self.origin.resolutions)

    @property
    def fingerprint(self) -> str:
        """Hash of all weights and of the origin."""
        import hashlib

        digest = hashlib.sha256(fingerprint(_plain(self.origin)).encode())
        for layers in self.members:
            for pair in layers:
                for part in pair:
                    digest.update(np.ascontiguousarray(part, "<f4").tobytes())
        return digest.hexdigest()

    def each(self, population: Population) -> Array:
        """(members, networks): what each member says."""
        features = self._space.encode(population)
        return np.stack([_forward(layers, features) for layers in self.members]).astype(np.float64)

    def predict(self, population: Population) -> Array:
        """Accuracy of each network, a fraction."""
        mean: Array = self.each(population).mean(axis=0)
        return mean

    def interval(self, population: Population) -> tuple[Array, Array]:
        """Lower and upper end of the 90 % interval; NaN where the file says nothing of its errors."""
        mean, half = self.predict(population), self.origin.half_width or math.nan
        return mean - half, mean + half

    def save(self, path: str | Path) -> None:
        """Write it as safetensors; the same predictor gives the same bytes. Raises InputError."""
        from safetensors.numpy import save

        tensors = {
            f"member{place}.layer{depth}.{name}": np.ascontiguousarray(part)
            for place, layers in enumerate(self.members)
            for depth, pair in enumerate(layers)
            for name, part in zip(("weight", "bias"), pair, strict=True)
        }
        origin = json.dumps({"schema": SCHEMA, **_plain(self.origin)}, sort_keys=True, allow_nan=False)
        metadata = {"origin": origin}  # one entry: safetensors writes several in any order
        with atomic_path(path) as fresh:
            fresh.write_bytes(save(tensors, metadata))


def load(path: str | Path) -> AccuracyPredictor:
    """Read a predictor: a file of `save`, or the released one as .safetensors or .pth.

    Raises InputError: unreadable, damaged, of another layout, a space that is not known.
    """
    text = str(path)
    try:
        if Path(path).suffix in (".pth", ".pt", ".tar", ".bin"):
            return _released(_from_torch(path), text)
        from safetensors import safe_open

        with safe_open(text, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
    except OSError as error:
        raise InputError(f"cannot read predictor {text!r}: {error.strerror or error}") from None
    except InputError:
        raise
    except Exception as error:  # a damaged file fails in ways that its reader does not list
        raise InputError(f"{text!r} is no predictor: {error}") from None
    if "origin" not in metadata:
        return _released(tensors, text)
    try:
        raw = json.loads(metadata["origin"])
        schema = raw.pop("schema", None)
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{text!r} is no predictor: {error!r}") from None
    if schema != SCHEMA:
        raise InputError(f"predictor {text!r} has schema {schema!r}; nearest: {SCHEMA!r}")
    try:
        origin = Origin(**{**raw, "resolutions": tuple(raw["resolutions"])})
        count = 1 + max(int(name.partition(".")[0].removeprefix("member")) for name in tensors)
        members = [_layers(tensors, f"member{place}.layer") for place in range(count)]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{text!r} is no predictor: {error!r}") from None
    return AccuracyPredictor(members, origin)


def require_space(predictor: AccuracyPredictor, one: Space) -> None:
    """Raises ConfigError where `predictor` was made for another space (released ones serve both mbv3 widths)."""
    mine = predictor.origin.space
    if mine != one.name and not (predictor.origin.label == "released" and one.name.startswith("mbv3")):
        raise ConfigError(f"the predictor is of space {mine!r}, not {one.name!r}; nearest: --space {mine}")


def _forward(layers: Layers, values: Weights) -> Weights:
    for weight, bias in layers[:-1]:
        values = np.maximum(values @ weight.T + bias, 0.0)
    weight, bias = layers[-1]
    last: Weights = (values @ weight.T + bias)[:, 0]
    return last


def _layers(tensors: Mapping[str, Any], prefix: str) -> Layers:
    """Layers ``prefix0.weight``, ``prefix0.bias``, … ; numbers need not follow on one another."""
    numbers = sorted(
        int(name.removeprefix(prefix).partition(".")[0])
        for name in tensors
        if name.startswith(prefix) and name.endswith(".weight")
    )
    if not numbers:
        raise KeyError(f"{prefix}0.weight")
    return tuple(
        (
            np.asarray(tensors[f"{prefix}{one}.weight"], np.float32),
            np.asarray(tensors[f"{prefix}{one}.bias"], np.float32),
        )
        for one in numbers
    )


def _released(tensors: Mapping[str, Any], text: str) -> AccuracyPredictor:
    """The published layout: layers 0, 2, 4, 6 of a sequence, 128 inputs."""
    try:
        layers = _layers(tensors, "")
        inputs = layers[0][0].shape[1]
    except (KeyError, ValueError) as error:
        raise InputError(f"{text!r} is no predictor: no layer {error}") from None
    if inputs != RELEASED_INPUTS:
        raise InputError(f"{text!r} takes {inputs} inputs and has no metadata; nearest: the released layout of 128")
    return AccuracyPredictor([layers], Origin("mbv3-w1.2", RELEASED_RESOLUTIONS, "released"))


def _from_torch(path: str | Path) -> dict[str, Any]:
    import torch

    tree = torch.load(path, map_location="cpu", weights_only=True)
    tree = tree.get("state_dict", tree)
    return {name: tensor.numpy() for name, tensor in tree.items()}


def _plain(origin: Origin) -> dict[str, Any]:
    tree = asdict(origin)
    return {**tree, "resolutions": list(origin.resolutions), "unseen": dict(origin.unseen)}
