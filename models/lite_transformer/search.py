"""Lite Transformers as a family to search: scored by a trained supernet, or by a predictor that was fitted to one.

The score is the loss on the validation split, so the test split stays unseen. A loss of the supernet is dear: each is
kept in a `ResultCache`, and a search that was killed repeats none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models.lite_transformer.architecture import SPACES
from models.lite_transformer.predictor import FILE, PredictedLoss, read
from models.lite_transformer.runs import SUPERNET, shipped
from models.lite_transformer.space import TextSpace
from models.lite_transformer.space import space as named_space
from models.lite_transformer.supernet_training import SupernetRun, is_run
from models.search.choices import Array
from models.search.constraint import Target
from models.search.objective import DearObjective, Objective
from sim.cache import ResultCache
from sim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from models.lite_transformer.deliver import Delivery

_HINT = "--space DIR of 'hwloop train lite-transformer --config mini-supernet --out DIR'"


class SupernetLoss(DearObjective[Array]):
    """Validation losses of a run's networks, each evaluated once. sentences: of the validation split."""

    def __init__(self, run: SupernetRun, cache: ResultCache | None = None, sentences: int = 400) -> None:
        self.run = run
        super().__init__(
            run.space,
            lambda record: run.valid_loss(record, sentences),
            f"{run.identity} {sentences}",
            name="valid_loss",
            smaller=True,
            cache=cache,
        )

    def record(self) -> dict[str, Any]:
        """What the loss is of."""
        return {**super().record(), "label": "weights of the supernet", "text": self.run.text.digest}


def losses(run: SupernetRun, cache: ResultCache | None = None) -> SupernetLoss:
    """The objective of a trained supernet."""
    return SupernetLoss(run, cache)


class LiteTransformer:
    """The family ``lite-transformer``. A space is the folder of a supernet's run; a space by name needs a predictor:
    such a folder, or a file of `predictor`; the space of the supernet that ships has the one that ships with it. In a
    folder a predictor that lies there is used, if it is named."""

    name = "lite-transformer"
    default_space = "mini"

    def objective(self, space: str, predictor: str | None) -> Objective[Any]:
        """Losses of the supernet, or of a predictor. Raises InputError, ConfigError."""
        if predictor is not None and not is_run(predictor):
            return PredictedLoss(self._space(space), read(predictor))
        for folder in (predictor, space):
            if folder is not None and is_run(folder):
                found = losses(SupernetRun(folder))
                if folder != space and found.run.space.name != space:
                    raise ConfigError(f"{folder} is of space {found.run.space.name!r}, not {space!r}")
                return found
        if space not in SPACES:
            raise ConfigError(f"no space and no trained supernet {space!r}{nearest(space, SPACES)}; nearest: {_HINT}")
        place = shipped(SUPERNET)
        if place is not None:
            kept = SupernetRun(place).space
            if kept.name == space:
                return PredictedLoss(kept, read(place / FILE))
        raise ConfigError(f"nothing scores the networks of {space!r}; nearest: {_HINT}, or --predictor DIR/{FILE}")

    def space(self, name: str, resolutions: Sequence[int], objective: Objective[Any]) -> TextSpace:
        """The space that the objective is of. Raises ConfigError where resolutions are named."""
        if resolutions:
            raise ConfigError("text has no resolution; nearest: without --resolutions")
        if isinstance(objective, SupernetLoss):
            return objective.run.space
        return objective.space if isinstance(objective, PredictedLoss) else self._space(name)

    def _space(self, name: str) -> TextSpace:
        return SupernetRun(name).space if is_run(name) else named_space(name)

    def delivery(self, space: str, supernet: str | None, data: str | None) -> Delivery:
        """What makes models of winners. Raises InputError, ConfigError."""
        from models.lite_transformer.deliver import Delivery

        return Delivery(space, supernet, data)

    def on_sparch(self, weight_density: float, fidelity: str) -> Target:
        """SpArch as the device, linear layers pruned to a density. Raises WorkloadError, ConfigError."""
        from models.lite_transformer.pruned_oracle import PrunedLinears
        from sim.sparch_oracle.oracle import SparchOracle

        return Target(PrunedLinears(SparchOracle(fidelity=fidelity, cache=ResultCache()), weight_density))

    def published(self, targets: Sequence[Target]) -> dict[str, Any]:
        """The authors shipped hand-set networks without a latency. Raises ConfigError."""
        raise ConfigError("no latency of a Lite Transformer is published; nearest: hwloop predict lite-transformer/wmt")


def family() -> LiteTransformer:
    """For `models.search.family`."""
    return LiteTransformer()
