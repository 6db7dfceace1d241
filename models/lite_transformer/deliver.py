"""The winner of a search, cut out of its supernet into a folder that `load_ready` reads, and timed on this machine.

Its weights are those of the supernet; training it further, and its score on unseen text, are `finals`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.lite_transformer.architecture import TextArch
from models.lite_transformer.checkpoint import TOKENIZER, save_model
from models.lite_transformer.finals import decode_time
from models.lite_transformer.runs import SUPERNET, require_shipped
from models.lite_transformer.supernet_training import SupernetRun, is_run
from models.search import delivery
from models.search.delivery import Progress
from models.search.host import Host
from sim.errors import ConfigError
from sim.files import write_text


class Delivery(delivery.Delivery):
    """A finished supernet, opened and checked before a search begins."""

    family = "lite-transformer"

    def __init__(self, space: str, supernet: str | None = None, data: str | None = None) -> None:
        """space: the folder of a supernet's run, or a space by name; its weights are then those of the folder
        `supernet`, or of the supernet that ships. Raises InputError, ConfigError: no such run, another space, `data`.
        """
        if data is not None:
            raise ConfigError(f"--data {data} says nothing to {self.family}, whose run has its own; nearest: without")
        if supernet is not None and not is_run(supernet):
            raise ConfigError(f"--supernet {supernet} is no finished run of a supernet; nearest: its folder")
        named = None if is_run(space) else space
        self.folder = Path(supernet or (require_shipped(SUPERNET) if named else space))
        self.run = SupernetRun(self.folder)
        if named not in (None, self.run.space.name):
            raise ConfigError(f"{self.folder} is of space {self.run.space.name!r}, not {named!r}")

    def require(self, finalists: int, finetune_epochs: float) -> None:
        """Raise ConfigError for finalists and for training further, which is what `finals` is for."""
        super().require(finalists, finetune_epochs)
        if finetune_epochs:
            raise ConfigError(
                f"--finetune-epochs {finetune_epochs:g} says nothing to {self.family}; nearest: "
                f"python -m models.lite_transformer.finals SUPERNET OUT/search.json FINALS"
            )

    def make(
        self, arch: Mapping[str, Any], folder: Path, host: Host | None, epochs: float, progress: Progress | None
    ) -> dict[str, Any]:
        """The folder of a model, and its time for the sentence that the space prices."""
        model = self.run.net.export(TextArch.of(arch)).eval()
        (folder / TOKENIZER).unlink(missing_ok=True)  # of an earlier supernet
        save_model(folder, model, self.run.config.task, self.run.tokenizer)
        write_text(folder / "config.json", self.run.config.model_dump_json(indent=1) + "\n")
        text = self.run.space.text
        timed = None if host is None else decode_time(model, text.source, text.target, threads=host.threads)
        return {
            "folder": str(folder),
            "latency_s": None if timed is None else timed.latency_s,
            "hindered": timed is not None and timed.hindered,
            "params": sum(one.numel() for one in model.body()),
        }

    def origin(self) -> dict[str, Any]:
        """The folder of the supernet."""
        return {"supernet": {"folder": str(self.folder), "fingerprint": self.run.identity}}
