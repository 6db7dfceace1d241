"""Training a supernet, as resumable as a single network: the adapter of `hwloop train lite-transformer`.

The folder of a run: as `train` describes it, with supernet.safetensors instead of a model. Losses of the validation
split are those of the largest network while it trains, and of corners and a few random networks at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from models.lite_transformer.architecture import TextChoices, choices
from models.lite_transformer.batches import Encoded, TokenBatches, encode_pairs
from models.lite_transformer.checkpoint import TOKENIZER, load_tensors, matching_tokenizer, save_tensors
from models.lite_transformer.config import Config
from models.lite_transformer.data import Text, load_text
from models.lite_transformer.space import TextSpace
from models.lite_transformer.supernet import Supernet, SupernetTrainer
from models.lite_transformer.tokenizer import Tokenizer
from models.lite_transformer.train import RECORD, _check, _Run
from models.lite_transformer.training import Trainer, World, mean_loss
from sim.cache import fingerprint
from sim.errors import InputError
from sim.files import write_text

SUPERNET = "supernet.safetensors"
SCHEMA = "hwloop.text-supernet/1"
_SHOWN = 8
_VALIDATION = 400
Progress = Callable[[str, int, int], None]


def train_supernet(
    config: Config,
    out: str | Path,
    space: str | TextChoices = "mini",
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The record, also written to ``train.json``. Raises ConfigError and InputError as `train` does, and ConfigError
    under torchrun."""
    folder, world = Path(out), World()
    found = fitted(space, config)
    try:
        _check(folder, config, resume)
        if resume and (folder / RECORD).exists():
            return dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
        return _SupernetRun(config, folder, found, world, progress or (lambda stage, done, total: None)).finish()
    finally:
        world.close()


def fitted(space: str | TextChoices, config: Config) -> TextSpace:
    """The space with the words and tokens of the configuration."""
    found = choices(space) if isinstance(space, str) else space
    return TextSpace(replace(found, vocabulary=config.model.vocabulary, max_tokens=config.model.max_tokens))


class _SupernetRun(_Run):
    """A training run of which every step trains another network."""

    def __init__(self, config: Config, folder: Path, space: TextSpace, world: World, progress: Progress) -> None:
        self.space = space
        super().__init__(config, folder, world, progress)

    @property
    def supernet(self) -> Supernet:
        """What is trained."""
        model = self.trainer.model
        assert isinstance(model, Supernet)
        return model

    def _trainer(self, batches: TokenBatches) -> Trainer:
        return SupernetTrainer(Supernet(self.config.model, self.space), batches, self.config.training, self.world)

    def _restore(self) -> None:
        self.about["run"] = fingerprint(self.about["run"], self.space.fingerprint)
        super()._restore()

    def _save(self, loss: float) -> None:
        self.supernet.set_active(self.space.text.largest)
        super()._save(loss)

    def _score(self) -> dict[str, Any]:
        net = self.supernet.to("cpu").eval()
        about = {
            "schema": SCHEMA,
            "space": self.space.name,
            "fingerprint": self.space.fingerprint,
            "tokenizer": self.tokenizer.fingerprint,
        }
        save_tensors(self.folder / SUPERNET, net.state_dict(), about)
        shown = np.concatenate([self.space.corners(), self.space.sample(_SHOWN, np.random.default_rng(0))])
        rows = []
        for record in self.space.records(self.space.canonical(shown)):
            net.set_active(self.space.arch(record))
            rows.append({"arch": record, "valid_loss": round(mean_loss(net, self.valid), 5)})
        record = {
            "schema": SCHEMA,
            "config": self.config.model_dump(mode="json"),
            "space": {"name": self.space.name, "size": self.space.size, "fingerprint": self.space.fingerprint},
            "text": self.text.summary(),
            "params": sum(one.numel() for one in net.parameters()),
            "target_tokens": self.trainer.tokens,
            "train_cpu_s": round(self.seconds, 1),
            "networks": rows,
            "history": self._history(),
        }
        write_text(self.folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        return record


class SupernetRun:
    """A trained supernet with its text, from the folder of a run. space: where it is not one that ships. The text is
    read when it is asked for. Raises InputError: none there, damaged, of another space."""

    def __init__(self, folder: str | Path, space: TextChoices | None = None) -> None:
        place = Path(folder)
        tensors, about = load_tensors(place / SUPERNET)
        try:
            self.config = Config.model_validate_json((place / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InputError(f"{place} has no config.json of a training run; nearest: hwloop train") from None
        self.space = fitted(space or str(about.get("space")), self.config)
        if about.get("schema") != SCHEMA or about.get("fingerprint") != self.space.fingerprint:
            raise InputError(f"{place / SUPERNET} is of another space or version; nearest: train it again")
        self.tokenizer: Tokenizer = matching_tokenizer(place, about)
        self.net = Supernet(self.config.model, self.space)
        try:
            self.net.load_state_dict(tensors)
        except RuntimeError as error:
            raise InputError(f"{place / SUPERNET} is damaged: {str(error).splitlines()[-1].strip()}") from None
        self.net.eval()
        self.folder = place
        self._sha = fingerprint({name: one.numpy().tobytes().hex() for name, one in sorted(tensors.items())})

    @cached_property
    def text(self) -> Text:
        """What it was trained on. Raises InputError: not to be had."""
        return load_text(self.config)

    def encoded(self, split: str, most: int = 0) -> list[Encoded]:
        """Sentences of a split, at most so many, evenly over it."""
        pairs: list[tuple[str, str]] = getattr(self.text, split)
        if most:
            pairs = pairs[:: max(1, len(pairs) // most)][:most]
        return encode_pairs(
            pairs, self.tokenizer, self.config.model.max_tokens, truncate=self.config.task == "summary"
        )[0]

    def valid_loss(self, record: dict[str, Any], sentences: int = _VALIDATION) -> float:
        """Nats a token of a network of the space, with the weights of the supernet, on the validation split."""
        if not hasattr(self, "_batches"):
            self._batches = TokenBatches(self.encoded("valid", sentences), max(self.config.model.max_tokens, 2048))
        self.net.set_active(self.space.arch(record))
        return mean_loss(self.net, self._batches)

    @property
    def identity(self) -> str:
        """Hash of weights, space and text."""
        return fingerprint(self._sha, self.space.fingerprint, self.text.digest, TOKENIZER, self.tokenizer.fingerprint)


def is_run(folder: str | Path) -> bool:
    """Whether there is a trained supernet."""
    return (Path(folder) / SUPERNET).is_file()
