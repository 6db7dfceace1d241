"""Compress a trained run: sensitivities on its validation split, fine-tuning on its training split, the test score
before and after. Writes a folder that `load_ready` reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from models.compress.file import write_compressed
from models.compress.pipeline import Compressed, Restore, Settings, compress
from models.compress.sizes import account
from models.lite_transformer.batches import TokenBatches, encode_pairs
from models.lite_transformer.checkpoint import MODEL, TOKENIZER, describe, load_model
from models.lite_transformer.config import Config
from models.lite_transformer.data import load_text
from models.lite_transformer.evaluation import evaluate, scored_pairs
from models.lite_transformer.train import OUTPUTS
from models.lite_transformer.training import Trainer, mean_loss
from models.lite_transformer.translate import COMPRESSED
from sim.errors import InputError
from sim.files import require_writable, write_text

EMBEDDING = "embedding.weight"
RECORD = "compress.json"
_CALIBRATION = 200
Progress = Callable[[str, int, int], None]


def compress_run(
    run: str | Path,
    out: str | Path,
    settings: Settings,
    *,
    fine_tune_steps: int = 0,
    learning_rate: float = 2e-3,
    score: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The record, also written to ``compress.json`` in `out`; all sizes in bytes. Raises InputError: `run` holds no
    trained model, its text is not to be had, `out` cannot be written."""
    folder, target, report = Path(run), Path(out), progress or (lambda stage, done, total: None)
    model, tokenizer, task = load_model(folder)
    config = _config(folder)
    if not target.exists():
        require_writable(target)
    text = load_text(config)
    most, cut = config.model.max_tokens, task == "summary"
    valid, _ = encode_pairs(text.valid[:_CALIBRATION], tokenizer, most, truncate=cut)
    train, _ = encode_pairs(text.train, tokenizer, most, truncate=cut)
    test, coded = scored_pairs(config, text, tokenizer)
    held = TokenBatches(valid, max(most, 2048))

    def scores() -> tuple[dict[str, Any], list[str]]:
        return evaluate(model, tokenizer, task, test, coded, config.test, report) if score else ({}, [])

    def fine_tune(restore: Restore) -> None:
        rates = {"steps": fine_tune_steps, "learning_rate": learning_rate, "warm_up": 0}
        table = config.training.model_copy(update=rates)
        batches = TokenBatches(train, table.batch_tokens, table.seed + 1)
        trainer = Trainer(model, batches, table, after_step=restore)
        for step in range(fine_tune_steps):
            trainer.update()
            report("fine-tune", step + 1, fine_tune_steps)

    before, _ = scores()
    made = compress(
        model,
        settings,
        loss=lambda: mean_loss(model, held),
        fine_tune=fine_tune if fine_tune_steps else None,
        embeddings=[EMBEDDING],
        progress=report,
    )
    after, outputs = scores()
    save_compressed(target, made, describe(model, task, tokenizer.fingerprint), folder / TOKENIZER)
    if outputs:
        write_text(target / OUTPUTS, "".join(line + "\n" for line in outputs))
    record = {
        "schema": "hwloop.compress/1",
        "settings": settings.model_dump(mode="json"),
        "fine_tune_steps": fine_tune_steps,
        "sizes": account(made.tensors, [EMBEDDING]),
        "file_bytes": {"before": (folder / MODEL).stat().st_size, "after": (target / COMPRESSED).stat().st_size},
        "test": {"before": before, "after": after},
        "layers": layer_rows(made),
    }
    write_text(target / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return record


def save_compressed(out: Path, made: Compressed, about: Mapping[str, Any], tokenizer: Path) -> None:
    """Make the folder that `load_ready` reads. about: what `describe` says of the model."""
    out.mkdir(exist_ok=True)
    write_compressed(out / COMPRESSED, made.tensors, about)
    shutil.copyfile(tokenizer, out / TOKENIZER)


def layer_rows(made: Compressed) -> list[dict[str, Any]]:
    """How each tensor that is not float32 is stored; all sizes in bytes."""
    return [
        {
            "name": name,
            "shape": list(one.shape),
            "form": one.form,
            "bits": one.bits,
            "keep": round(made.keeps.get(name, 1.0), 4),
            "density": round(float((one.unpack() != 0).mean()), 4),
            "bytes": one.bytes,
            "index_bytes": one.index_bytes,
        }
        for name, one in made.tensors.items()
        if one.form != "raw"
    ]


def _config(folder: Path) -> Config:
    try:
        return Config.model_validate_json((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(
            f"{folder} has no config.json of a training run; nearest: a folder of 'hwloop train'"
        ) from None


def paper_sizes() -> list[dict[str, Any]]:
    """The published chain 176 -> 69.2 -> 17.3 -> 9.7 MB, computed for the networks as built. Sizes only."""
    from models.compress.sizes import paper_chain
    from models.lite_transformer.config import ModelTable, read_config
    from models.lite_transformer.model import TextModel

    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        lite = TextModel(read_config("wmt-en-fr-c496").model.model_copy(update={"vocabulary": 8}))
        plain = ModelTable(
            width=512, kernels=(0,) * 6, encoder_layers=6, decoder_layers=6, ratio=4, vocabulary=8, max_tokens=256
        )
        return paper_chain(TextModel(plain), lite, [EMBEDDING])
