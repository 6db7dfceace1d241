"""Training a Lite Transformer or a plain one from a configuration: the adapter that `hwloop train` calls.

The folder of a run: config.json, tokenizer.json, history.jsonl (losses by step), state.safetensors while it runs,
model.safetensors and train.json at the end, outputs.txt (test split). Killed at any moment, it goes on from the last
save with `resume`. Under torchrun every process calls `train`; the first one writes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.lite_transformer.batches import TokenBatches, encode_pairs
from models.lite_transformer.checkpoint import (
    STATE,
    TOKENIZER,
    load_state,
    load_tensors,
    save_model,
    save_state,
    save_tensors,
)
from models.lite_transformer.config import Config, read_config
from models.lite_transformer.data import Text, load_text
from models.lite_transformer.evaluation import evaluate, scored_pairs
from models.lite_transformer.model import TextModel
from models.lite_transformer.schedule import learning_rate
from models.lite_transformer.tokenizer import Tokenizer
from models.lite_transformer.training import Trainer, World, mean_loss
from sim.cache import fingerprint
from sim.errors import ConfigError, InputError
from sim.files import require_writable, write_text

Progress = Callable[[str, int, int], None]
RECORD, HISTORY, OUTPUTS, WEIGHTS = "train.json", "history.jsonl", "outputs.txt", "weights"


def train(
    config: Config | str | Path, out: str | Path, resume: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Train, average, score on the test split; the record, which is also written to ``train.json``.

    Raises ConfigError and InputError: bad settings, no text, a folder that holds a run (or another one).
    """
    settings = config if isinstance(config, Config) else read_config(config)
    folder, report = Path(out), progress or (lambda stage, done, total: None)
    world = World()
    try:
        if world.rank == 0:
            _check(folder, settings, resume)
        if resume and (folder / RECORD).exists():
            return dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
        return _Run(settings, folder, world, report).finish()
    finally:
        world.close()


def _check(folder: Path, config: Config, resume: bool) -> None:
    """See that the folder can be written, or holds this very run. Nothing is written before the text is read."""
    kept = folder / "config.json"
    if not kept.exists():
        require_writable(kept if folder.exists() else folder)
    elif not resume:
        raise InputError(f"{folder} already holds a training run; nearest: --resume, or another folder")
    elif Config.model_validate_json(kept.read_text(encoding="utf-8")) != config:
        raise ConfigError(f"{folder} holds a run with other settings; nearest: {kept}")


def prepare_text(config: Config, folder: Path | None = None) -> tuple[Text, Tokenizer]:
    """The text and its tokenizer, learned from the training split unless `folder` has one. Raises InputError."""
    text = load_text(config)
    if folder is not None and (folder / TOKENIZER).exists():
        return text, Tokenizer.load(folder / TOKENIZER)
    return text, Tokenizer.train((one for pair in text.train for one in pair if one), config.model.vocabulary)


class _Run:
    """One training run, fresh or resumed."""

    def __init__(self, config: Config, folder: Path, world: World, progress: Progress) -> None:
        self.config, self.folder, self.world, self.progress = config, folder, world, progress
        progress("read text", 0, 0)
        if world.rank:
            world.wait()  # for the tokenizer of the first process
        self.text, self.tokenizer = prepare_text(config, folder)
        if self.tokenizer.size > config.model.vocabulary:
            raise InputError(f"{folder / TOKENIZER} has {self.tokenizer.size} tokens, not {config.model.vocabulary}")
        most, cut = config.model.max_tokens, config.task == "summary"
        train, self.left_out = encode_pairs(self.text.train, self.tokenizer, most, truncate=cut)
        valid, _ = encode_pairs(self.text.valid, self.tokenizer, most, truncate=cut)
        self.valid = TokenBatches(valid, max(most, 2048))
        batches = TokenBatches(train, config.training.batch_tokens, config.training.seed)
        if world.rank == 0:
            self._open()
            world.wait()
        torch.manual_seed(config.training.seed)
        self.trainer = self._trainer(batches)
        self.about = {"run": fingerprint(config.model_dump(mode="json"), self.text.digest, self.tokenizer.fingerprint)}
        self.seconds = 0.0
        self._restore()

    def _trainer(self, batches: TokenBatches) -> Trainer:
        """What is trained, and how."""
        return Trainer(TextModel(self.config.model), batches, self.config.training, self.world)

    def _open(self) -> None:
        """Make the folder with the settings and the tokenizer."""
        self.folder.mkdir(exist_ok=True)
        write_text(self.folder / "config.json", self.config.model_dump_json(indent=1) + "\n")
        if not (self.folder / TOKENIZER).exists():
            self.tokenizer.save(self.folder / TOKENIZER)

    def _restore(self) -> None:
        state = self.folder / STATE
        if not state.exists():
            return
        about = load_state(state, self.trainer.model, self.trainer.optimizer)
        if about.get("run") != self.about["run"]:
            raise InputError(f"{state} is of a run with other settings or text; nearest: another folder")
        self.trainer.step, self.trainer.tokens = int(about["step"]), int(about["tokens"])
        self.seconds = float(about["cpu_s"])

    def finish(self) -> dict[str, Any]:
        """All updates that are left, then the score."""
        settings, trainer = self.config.training, self.trainer
        begin, losses = time.process_time(), 0.0
        before = trainer.step
        while trainer.step < settings.steps:
            losses += trainer.update()
            if trainer.step % settings.save_every == 0 or trainer.step == settings.steps:
                self.seconds += time.process_time() - begin
                begin = time.process_time()
                self._save(losses / (trainer.step - before))
                losses, before = 0.0, trainer.step
            self.progress("train", trainer.step, settings.steps)
        self.world.wait()
        self._average()
        return self._score() if self.world.rank == 0 else {}

    def _save(self, loss: float) -> None:
        """Losses, weights and state of this step; the state comes last, so that it never runs ahead of the others."""
        trainer, settings = self.trainer, self.config.training
        if self.world.rank:
            return
        line = {
            "step": trainer.step,
            "target_tokens": trainer.tokens,
            "learning_rate": learning_rate(trainer.step - 1, settings),
            "loss": round(loss, 5),
            "valid_loss": round(mean_loss(trainer.model, self.valid, self.world.device), 5),
        }
        old = [one for one in self._history() if one["step"] < trainer.step]
        write_text(self.folder / HISTORY, "".join(json.dumps(one) + "\n" for one in [*old, line]))
        if settings.average > 1:
            weights = self.folder / WEIGHTS
            weights.mkdir(exist_ok=True)
            save_tensors(self._weights(trainer.step), trainer.model.state_dict(), {"step": trainer.step})
            self._weights(trainer.step - settings.average * settings.save_every).unlink(missing_ok=True)
        about = {**self.about, "step": trainer.step, "tokens": trainer.tokens, "cpu_s": self.seconds}
        save_state(self.folder / STATE, trainer.model, trainer.optimizer, about)

    def _weights(self, step: int) -> Path:
        return self.folder / WEIGHTS / f"step-{step:07}.safetensors"

    def _history(self) -> list[dict[str, Any]]:
        file = self.folder / HISTORY
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    def _average(self) -> None:
        """The model becomes the mean of the last checkpoints."""
        count = self.config.training.average
        if count == 1:
            return
        files = sorted((self.folder / WEIGHTS).glob("step-*.safetensors"))[-count:]
        self.trainer.model.load_state_dict(average([load_tensors(file)[0] for file in files]))

    def _score(self) -> dict[str, Any]:
        config, model = self.config, self.trainer.model.to("cpu")
        save_model(self.folder, model, config.task, self.tokenizer)
        test = self.text.test[: config.test.sentences or None]
        fitting, sentences = scored_pairs(config, self.text, self.tokenizer)
        scores, outputs = evaluate(model, self.tokenizer, config.task, fitting, sentences, config.test, self.progress)
        if outputs:
            write_text(self.folder / OUTPUTS, "".join(line + "\n" for line in outputs))
            write_text(self.folder / "references.txt", "".join(target + "\n" for _, target in fitting))
        record = {
            "schema": "hwloop.train-text/1",
            "config": config.model_dump(mode="json"),
            "text": self.text.summary(),
            "left_out": {"train": self.left_out, "test": len(test) - len(fitting)},
            "params": sum(one.numel() for one in model.body()),
            "embedding_params": model.embedding.weight.numel(),
            "target_tokens": self.trainer.tokens,
            "train_cpu_s": round(self.seconds, 1),
            "test": scores,
            "history": self._history(),
        }
        write_text(self.folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        return record


def average(weights: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each tensor."""
    return {name: torch.stack([one[name] for one in weights]).mean(dim=0) for name in weights[0]}
