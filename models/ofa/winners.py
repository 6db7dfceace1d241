"""The winners of a search over the elastic MobileNet-v3, delivered; finalists are chosen on held-out images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.ofa.architecture import Architecture, Population
from models.ofa.deliver import deliver
from models.ofa.evaluate import Evaluator
from models.ofa.onnx_file import require_onnx
from models.ofa.search import OFASpace
from models.ofa.trained import load_supernet, open_images, shipped
from models.search import delivery
from models.search.constraint import Target
from models.search.delivery import Progress
from models.search.host import Host


class Delivery(delivery.Delivery):
    """Supernet and images, opened and checked before a search begins. Of finalists the one that names most of the
    held-out training images right becomes the winner."""

    family = "ofa"
    chooses_finalists = True

    def __init__(self, space: str, supernet: str | None = None, data: str | None = None) -> None:
        """supernet: a file, by default the one that ships; data: see `open_images`. Raises InputError, ConfigError."""
        require_onnx()
        self.path = Path(supernet) if supernet is not None else shipped(space)
        self.trained = load_supernet(self.path, space)
        self.images = open_images(self.trained, data)

    def make(
        self, arch: Mapping[str, Any], folder: Path, host: Host | None, epochs: float, progress: Progress | None
    ) -> dict[str, Any]:
        """As `deliver` of one network does."""
        chosen = Architecture.of(dict(arch))
        return deliver(self.trained, self.images, chosen, folder, host=host, finetune_epochs=epochs, progress=progress)

    def origin(self) -> dict[str, Any]:
        """The file of the supernet."""
        return {"supernet": {"file": self.path.name, "sha256": self.trained.weights_sha256}}

    def choose(self, one: dict[str, Any], count: int, targets: Sequence[Target]) -> dict[str, Any]:
        """The entry ``best`` of the finalist that is best on held-out images, priced anew, and how it was chosen."""
        scored = Evaluator(self.trained.net, self.trained.space, self.images.calibration, self.images.held)
        entries = finalists_of(one, count)
        found = scored.accuracies([Architecture.of(entry["arch"]) for entry in entries])
        place = max(range(len(found)), key=lambda number: found[number])
        arch = Architecture.of(entries[place]["arch"])
        lowered = OFASpace(self.trained.space, [arch.r])
        costs = []
        for target in targets:
            if target.name in one["devices"]:
                batch = lowered.lower(Population.of([arch]), fusion=target.fusion, context=target.context)
                costs.append({"device": target.name, **target.oracle.cost(batch).rows()[0]})
        chosen = {"finalists": len(found), "place": place + 1, "held_accuracy": found[place]}
        return {**entries[place], "predicted": {**entries[place]["predicted"], "costs": costs}, "chosen": chosen}


def finalists_of(one: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The winner of a search, then the next of its front by predicted accuracy: `count` in all, if there are."""
    ordered = sorted(one["front"], key=lambda entry: -entry["predicted"]["accuracy"])
    others = [entry for entry in ordered if entry["arch"] != one["best"]["arch"]]
    return [one["best"], *others[: count - 1]]
