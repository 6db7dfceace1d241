"""The winners of a search record, delivered: a folder for each, and what was measured beside what was predicted.

A family's `Delivery` opens and checks what its networks are made of before a search begins, and makes one network;
what all families do alike is here.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.search.constraint import Target
from models.search.host import Host
from sim.errors import ConfigError, InputError

Progress = Callable[[str, int, int], None]


class Delivery(ABC):
    """Makes networks of winners. A family says how one is made (`make`), and what of the options it can do."""

    family: str
    chooses_finalists = False
    """Whether `choose` measures several of the best by prediction."""

    def require(self, finalists: int, finetune_epochs: float) -> None:
        """Raise ConfigError for what `deliver` cannot do."""
        if finalists > 1 and not self.chooses_finalists:
            raise ConfigError(f"--finalists {finalists} says nothing to {self.family}; nearest: --finalists 1")

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
        others get no measured latency. Raises ConfigError as `require` does, InputError where nothing can be written.
        """
        self.require(finalists, finetune_epochs)
        won = [one for one in record["searches"] if one["best"] is not None]
        for place, one in enumerate(won):
            if progress is not None:
                progress("delivering", place, len(won))
            if finalists > 1:
                one["best"] = self.choose(one, finalists, targets)
            here = next((hosts[name] for name in one["devices"] if name in hosts), None)
            folder = _made(out / folder_name(one["device"], one["budget"]))
            one["best"]["measured"] = self.make(one["best"]["arch"], folder, here, finetune_epochs, progress)
        record.update(self.origin())

    @abstractmethod
    def make(
        self, arch: Mapping[str, Any], folder: Path, host: Host | None, epochs: float, progress: Progress | None
    ) -> dict[str, Any]:
        """One network in a folder of its own, trained `epochs` further; what was measured of it."""

    def choose(self, one: dict[str, Any], count: int, targets: Sequence[Target]) -> dict[str, Any]:
        """The entry ``best`` of the best among `count` finalists, where the family `chooses_finalists`."""
        raise NotImplementedError

    @abstractmethod
    def origin(self) -> dict[str, Any]:
        """What the record says of where the weights are from."""


def folder_name(device: str, budget: str) -> str:
    """``note10-15ms`` of note10 and ``15 ms``; ``note10-25pct`` of ``25 % of the latency range``."""
    short = budget.replace(" % of the latency range", "pct").replace(" % of the ", "pct-").replace(" range", "")
    short = re.sub(r"(?<=\d) (?=[a-zA-Z])", "", short)
    return re.sub(r"[^a-z0-9.]+", "-", f"{device}-{short}".lower()).strip("-.")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {str(folder)!r}: {error.strerror or error}") from None
    return folder
