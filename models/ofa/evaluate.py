"""Accuracy of sub-networks, each with batch norm statistics of its own from training images.

Images are scaled and normalised once for each resolution and kept. What many architectures score is kept in a result
cache under the hash of the weights, the data and the architecture, so that a run which was killed computes none twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from models.data.augment import plain_batch
from models.data.images import ImageSet
from models.ofa.architecture import Architecture, Population
from models.ofa.batch_norm import recalibrate
from models.ofa.space import Space
from models.ofa.supernet import Supernet
from sim.cache import ResultCache, fingerprint

KEPT_BYTES = 1 << 30
_SCHEMA = "hwloop.ofa-accuracy/1"


class Batches:
    """Plain batches of chosen rows of a data set, at any resolution; kept for the next network where they fit."""

    def __init__(self, data: ImageSet, rows: Tensor, batch: int, device: torch.device | None = None) -> None:
        self.data, self.rows, self.batch = data, rows, batch
        self._device = device or torch.device("cpu")
        self._kept: dict[int, list[Tensor]] = {}

    @property
    def labels(self) -> Tensor:
        """Of the chosen rows, in order."""
        return self.data.labels[self.rows]

    @property
    def sha256(self) -> str:
        """Of the data set and the choice."""
        digest = hashlib.sha256(f"{self.data.sha256} {self.batch} ".encode())
        digest.update(np.ascontiguousarray(self.rows.numpy()).data)
        return digest.hexdigest()

    def at(self, side: int) -> Sequence[Tensor]:
        """The images at a resolution."""
        if side in self._kept:
            return self._kept[side]
        made = [plain_batch(self.data, rows, side).to(self._device) for rows in torch.split(self.rows, self.batch)]
        if sum(one.nbytes for one in made) * (len(self._kept) + 1) <= KEPT_BYTES:
            self._kept[side] = made
        return made


class Evaluator:
    """Scores architectures of a supernet, or a plain network, on the images of `scored`.

    calibration: training images, in the batches of a re-calibration.
    """

    def __init__(self, net: nn.Module, space: Space, calibration: Batches, scored: Batches) -> None:
        self.net, self.space, self.calibration, self.scored = net, space, calibration, scored

    def accuracy(self, arch: Architecture) -> float:
        """Share of the scored images that are named right, in 0..1. Raises InputError for a foreign architecture."""
        if isinstance(self.net, Supernet):
            self.net.set_active(arch)
        training = self.net.training
        recalibrate(self.net, self.calibration.at(arch.r))
        self.net.eval()
        try:
            with torch.inference_mode():
                found = torch.cat([self.net(images).argmax(1).cpu() for images in self.scored.at(arch.r)])
        finally:
            self.net.train(training)
        return int((found == self.scored.labels).sum()) / len(found)

    def accuracies(
        self,
        archs: Sequence[Architecture],
        cache: ResultCache | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[float]:
        """Of many architectures, through `cache` where one is given."""
        keys = self._keys()
        found = []
        for place, arch in enumerate(archs):
            if cache is None:
                found.append(self.accuracy(arch))
            else:
                key = fingerprint(_SCHEMA, *keys, canonical(self.space, arch).record())
                value, _ = cache.get_or_compute(key, lambda arch=arch: self.accuracy(arch))  # type: ignore[misc]
                found.append(float(cast(float, value)))
            if progress is not None:
                progress(place + 1, len(archs))
        return found

    def _keys(self) -> tuple[str, ...]:
        return self.space.name, weights_sha256(self.net.state_dict()), self.calibration.sha256, self.scored.sha256


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """Hash of weights by name; running statistics do not count, since every network gets its own."""
    digest = hashlib.sha256()
    for name in sorted(state):
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            digest.update(f"{name}\0{tuple(state[name].shape)}\0".encode())
            digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def canonical(space: Space, arch: Architecture) -> Architecture:
    """The same network with the largest choices in the slots beyond the depths: one record for each network."""
    active = space.active(Population.of([arch]))[0]
    ks, e = (
        tuple(value if used else choices[-1] for value, used in zip(values, active, strict=True))
        for values, choices in ((arch.ks, space.kernels), (arch.e, space.expansions))
    )
    return Architecture(ks, e, arch.d, arch.r)


def validation_grid(space: Space) -> list[Architecture]:
    """The published grid: least and most of resolution, depth, expansion and kernel, the same in all slots."""
    sides, depths, expansions, kernels = (
        sorted({choices[0], choices[-1]})
        for choices in (space.resolutions, space.depths, space.expansions, space.kernels)
    )
    return [space.uniform(k, e, d, r) for r in sides for d in depths for e in expansions for k in kernels]


def grid_record(archs: Sequence[Architecture], accuracies: Sequence[float]) -> list[dict[str, Any]]:
    """A grid as plain values."""
    return [
        {"kernel": a.ks[0], "expansion": a.e[0], "depth": a.d[0], "resolution": a.r, "accuracy": value}
        for a, value in zip(archs, accuracies, strict=True)
    ]
