"""The winners of a search record, delivered: a folder for each, and what was measured beside what was predicted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.ofa.architecture import Architecture, Population
from models.ofa.deliver import deliver
from models.ofa.evaluate import Evaluator
from models.ofa.onnx_file import require_onnx
from models.ofa.search import OFASpace
from models.ofa.trained import load_supernet, open_images, shipped
from models.search.constraint import Target
from models.search.host import Host

Progress = Callable[[str, int, int], None]


class Delivery:
    """Supernet and images, opened and checked before a search begins."""

    def __init__(self, space: str, supernet: str | None = None, data: str | None = None) -> None:
        """supernet: a file, by default the one that ships; data: see `open_images`. Raises InputError, ConfigError."""
        require_onnx()
        self.path = Path(supernet) if supernet is not None else shipped(space)
        self.trained = load_supernet(self.path, space)
        self.images = open_images(self.trained, data)

    def require(self, finalists: int, finetune_epochs: float) -> None:
        """Whether `deliver` can do so: any of them here."""

    def deliver(
        self,
        record: dict[str, Any],
        out: Path,
        targets: Sequence[Target],
        hosts: Mapping[str, Host],
        *,
        finalists: int = 1,
        finetune_epochs: float = 0.0,
        progress: Progress | None = None,
    ) -> None:
        """Make ``out/<device>-<budget>`` for each winner and write what was measured into its ``best.measured``.

        targets: the devices of the record. hosts: those that are this machine, with how their profile was measured;
        others get no measured latency. finalists: of so many of the best by prediction the one that names most of the
        held-out training images right becomes the winner.
        """
        won = [one for one in record["searches"] if one["best"] is not None]
        for place, one in enumerate(won):
            if finalists > 1:
                one["best"] = self._best_of(one, finalists, targets)
            best = one["best"]
            here = next((hosts[name] for name in one["devices"] if name in hosts), None)
            if progress is not None:
                progress("delivering", place, len(won))
            best["measured"] = deliver(
                self.trained,
                self.images,
                Architecture.of(best["arch"]),
                out / folder_name(one["device"], one["budget"]),
                host=here,
                finetune_epochs=finetune_epochs,
                progress=progress,
            )
        record["supernet"] = {"file": self.path.name, "sha256": self.trained.weights_sha256}

    def _best_of(self, one: dict[str, Any], count: int, targets: Sequence[Target]) -> dict[str, Any]:
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


def folder_name(device: str, budget: str) -> str:
    """``note10-15ms`` of note10 and ``15 ms``; ``note10-25pct`` of ``25 % of the latency range``."""
    short = budget.replace(" % of the latency range", "pct").replace(" % of the ", "pct-").replace(" range", "")
    short = re.sub(r"(?<=\d) (?=[a-zA-Z])", "", short)
    return re.sub(r"[^a-z0-9.]+", "-", f"{device}-{short}".lower()).strip("-.")
