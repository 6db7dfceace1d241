"""Compression without a corpus: the loss is that of the full model's own translations of given sentences.

It says how far a compressed model is from the full one, not how well it translates; nothing is trained. For figures on
unseen text use `compress_run`, which needs the text that the model was trained on.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from models.compress.pipeline import Settings, compress
from models.compress.sizes import account
from models.lite_transformer.batches import TokenBatches, encode_pairs
from models.lite_transformer.checkpoint import TOKENIZER, describe
from models.lite_transformer.compressing import EMBEDDING, RECORD, layer_rows, save_compressed
from models.lite_transformer.training import mean_loss
from models.lite_transformer.translate import Ready, load_ready
from sim.errors import InputError
from sim.files import write_text

SCHEMA = "hwloop.compress-own-text/1"
Pairs = list[tuple[str, str]]
Progress = Callable[[str, int, int], None]


def own_pairs(ready: Ready, sentences: Sequence[str], beam: int = 1) -> Pairs:
    """Sentences and what the model makes of them, empty results left out. Raises InputError where all are empty, or a
    sentence is longer than the model takes."""
    pairs = [pair for pair in zip(sentences, ready(sentences, beam=beam), strict=True) if pair[1]]
    if not pairs:
        raise InputError("the model translates none of the sentences; nearest: a model that was trained longer")
    return pairs


def compress_by_itself(
    folder: str | Path, out: str | Path, settings: Settings, pairs: Pairs, progress: Progress | None = None
) -> dict[str, Any]:
    """Compress the model of `folder` into `out`; the record, also ``compress.json`` there. pairs: of `own_pairs`.

    agreement: chrF of the compressed model's greedy translations against those of the full model, 100 where they are
    the same, and how many are. Raises InputError.
    """
    full = load_ready(folder)
    model = copy.deepcopy(full.model)
    most = model.settings.max_tokens
    coded, _ = encode_pairs(pairs, full.tokenizer, most, truncate=True)
    batches = TokenBatches(coded, max(most, 2048))
    before = mean_loss(model, batches)
    with torch.no_grad():
        made = compress(
            model, settings, loss=lambda: mean_loss(model, batches), embeddings=[EMBEDDING], progress=progress
        )
    small = Ready(model, full.tokenizer, full.task)
    target = Path(out)
    save_compressed(target, made, describe(model, full.task, full.tokenizer.fingerprint), Path(folder) / TOKENIZER)
    record = {
        "schema": SCHEMA,
        "settings": settings.model_dump(mode="json"),
        "sentences": len(pairs),
        "sizes": account(made.tensors, [EMBEDDING]),
        "own_loss": {"before": before, "after": mean_loss(model, batches)},
        "agreement": _agreement(small([source for source, _ in pairs], beam=1), [target for _, target in pairs]),
        "layers": layer_rows(made),
    }
    write_text(target / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return record


def _agreement(outputs: Sequence[str], wanted: Sequence[str]) -> dict[str, Any]:
    from sacrebleu.metrics.chrf import CHRF

    return {
        "chrf": round(float(CHRF().corpus_score(list(outputs), [list(wanted)]).score), 2),
        "same": sum(one == other for one, other in zip(outputs, wanted, strict=True)),
    }
