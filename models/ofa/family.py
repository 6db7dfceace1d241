"""Once-for-All as a family to search: spaces by name, predictors from files."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.ofa import predictor as predictors
from models.ofa.architecture import Population
from models.ofa.predictor import AccuracyPredictor, Array
from models.ofa.search import OFASpace
from models.ofa.space import SPACES, space
from models.search.constraint import Target
from models.search.objective import Objective
from sim.errors import ConfigError, InputError, nearest

if TYPE_CHECKING:
    from models.ofa.winners import Delivery

SHIPPED = {"mini": "mini_predictor.safetensors"}
"""Spaces whose predictor comes with the package."""


class PredictedAccuracy:
    """The objective of a predictor."""

    def __init__(self, predictor: AccuracyPredictor) -> None:
        self.predictor = predictor
        self.name = "accuracy"
        self.fingerprint = predictor.fingerprint

    def score(self, population: Population) -> Array:
        """Predicted accuracy, a fraction."""
        return self.predictor.predict(population)

    def describe(self, population: Population, scores: Array) -> list[dict[str, Any]]:
        """{accuracy, accuracy_low, accuracy_high}; None where the predictor has no interval."""
        low, high = self.predictor.interval(population)
        return [
            {
                "accuracy": float(value),
                "accuracy_low": float(one) if one == one else None,
                "accuracy_high": float(other) if other == other else None,
            }
            for value, one, other in zip(scores, low, high, strict=True)
        ]

    def record(self) -> dict[str, Any]:
        """What is known of the predictor."""
        origin = self.predictor.origin
        return {
            "what": "predicted accuracy",
            "label": origin.label,
            "space": origin.space,
            "samples": origin.samples,
            "unseen": dict(origin.unseen),
            "note": origin.note,
            "fingerprint": self.fingerprint,
        }


class OnceForAll:
    """The family ``ofa``."""

    name = "ofa"
    default_space = "mini"

    def objective(self, space: str, predictor: str | None) -> PredictedAccuracy:
        """From a file, or the predictor that ships for the space. Raises InputError, ConfigError."""
        one = _space(space)
        loaded = predictors.load(predictor if predictor is not None else shipped(space))
        predictors.require_space(loaded, one)
        return PredictedAccuracy(loaded)

    def space(self, name: str, resolutions: Sequence[int], objective: Objective[Any]) -> OFASpace:
        """By default at the resolutions of the space that the predictor was trained on."""
        one = _space(name)
        known = objective.predictor.resolutions if isinstance(objective, PredictedAccuracy) else one.resolutions
        if not resolutions:
            return OFASpace(one, [side for side in known if side in one.resolutions])
        for side in resolutions:
            if not min(known) <= side <= max(known):
                raise ConfigError(
                    f"resolution {side} is outside of what the predictor knows, {min(known)} to {max(known)}"
                )
        return OFASpace(one, resolutions)

    def delivery(self, space: str, supernet: str | None, data: str | None) -> Delivery:
        """What makes networks of the winners; supernet: a file, by default the one that ships. Raises InputError."""
        from models.ofa.winners import Delivery

        return Delivery(space, supernet, data)

    def compare(self, study: Any, supernet: str | None, data: str | None, **how: Any) -> dict[str, Any]:
        """Winners of `study` against rivals, measured; see `models.ofa.compare.compare`. Raises InputError."""
        from models.ofa.compare import compare
        from models.ofa.trained import shipped as shipped_supernet

        path = Path(supernet) if supernet is not None else shipped_supernet(study.space.name)
        return compare(study, path, data=data, **how)

    def published(self, targets: Sequence[Target]) -> dict[str, Any]:
        """Published networks on each device (see `models.ofa.published`)."""
        from models.ofa.published import published

        return published(targets)


def family() -> OnceForAll:
    """For `models.search.family`."""
    return OnceForAll()


def shipped(space: str) -> Path:
    """The predictor that comes with the package. Raises ConfigError where none does."""
    path = Path(str(files("models.ofa") / "shipped" / SHIPPED[space])) if space in SHIPPED else None
    if path is None or not path.is_file():
        raise ConfigError(f"no accuracy predictor ships for space {space!r}; nearest: --predictor F.safetensors")
    return path


def _space(name: str) -> Any:
    if name not in SPACES:
        raise InputError(f"no search space {name!r}{nearest(name, SPACES) or '; nearest: ' + min(SPACES)}")
    return space(name)
