"""The winner of a search, cut out of its supernet into a folder that `load_ready` reads, and timed on this machine.

Its weights are those of the supernet; training it further, and its score on unseen text, are `finals`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.lite_transformer.architecture import TextArch
from models.lite_transformer.checkpoint import save_model
from models.lite_transformer.finals import decode_time
from models.lite_transformer.supernet_training import SupernetRun
from models.search.constraint import Target
from models.search.host import Host
from sim.files import write_text

Progress = Callable[[str, int, int], None]


class Delivery:
    """A finished supernet, opened and checked before a search begins. Raises InputError."""

    def __init__(self, folder: str | Path) -> None:
        self.run = SupernetRun(folder)

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
        """Make ``out/winner`` (with several searches: ``winner-0`` on) and write what was measured into its
        ``best.measured``. hosts: the devices that are this machine; others get no measured latency."""
        won = [one for one in record["searches"] if one["best"] is not None]
        for place, one in enumerate(won):
            if progress is not None:
                progress("delivering", place, len(won))
            here = next((hosts[name] for name in one["devices"] if name in hosts), None)
            folder = out / ("winner" if len(won) == 1 else f"winner-{place}")
            one["best"]["measured"] = self._make(one["best"]["arch"], folder, here)

    def _make(self, arch: Mapping[str, Any], folder: Path, host: Host | None) -> dict[str, Any]:
        folder.mkdir(parents=True, exist_ok=True)
        model = self.run.net.export(TextArch.of(arch)).eval()
        (folder / "tokenizer.json").unlink(missing_ok=True)  # of an earlier supernet
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
