"""Scores of a model: sacreBLEU of translations, ROUGE of summaries, perplexity of text; by maintained libraries."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from models.lite_transformer.batches import Encoded, TokenBatches, encode_pairs
from models.lite_transformer.config import Config, TestTable
from models.lite_transformer.data import Text
from models.lite_transformer.decoding import beam_search
from models.lite_transformer.model import TextModel
from models.lite_transformer.tokenizer import Tokenizer
from models.lite_transformer.training import mean_loss

_SENTENCES = 32
Progress = Callable[[str, int, int], None]


def decode_all(
    model: TextModel, tokenizer: Tokenizer, sources: Sequence[Sequence[int]], settings: TestTable, progress: Progress
) -> list[str]:
    """The output text for each encoded source, in their order; sentences of like length are decoded together."""
    order = sorted(range(len(sources)), key=lambda place: len(sources[place]))
    found = [""] * len(sources)
    for begin in range(0, len(order), _SENTENCES):
        places = order[begin : begin + _SENTENCES]
        results = beam_search(
            model, [sources[place] for place in places], beam=settings.beam, penalty=settings.length_penalty
        )
        for place, tokens in zip(places, results, strict=True):
            found[place] = tokenizer.decode(tokens)
        progress("decode", min(len(order), begin + _SENTENCES), len(order))
    return found


def bleu(outputs: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """sacreBLEU with its signature."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU()
    score = metric.corpus_score(list(outputs), [list(references)])
    return {"bleu": round(float(score.score), 4), "signature": str(metric.get_signature())}


def rouge(outputs: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L over the pairs, in percent."""
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    names = ("rouge1", "rouge2", "rougeL")
    scorer = RougeScorer(list(names), use_stemmer=True)
    scores = [scorer.score(reference, output) for output, reference in zip(outputs, references, strict=True)]
    return {name: round(100 * sum(one[name].fmeasure for one in scores) / len(scores), 4) for name in names}


def perplexity(model: TextModel, sentences: Sequence[Encoded], tokens: int) -> float:
    """Of the tokens, end marks included. It depends on the tokenizer: compare models with the same one."""
    return math.exp(mean_loss(model, TokenBatches(sentences, tokens)))


def evaluate(
    model: TextModel,
    tokenizer: Tokenizer,
    task: str,
    pairs: Sequence[tuple[str, str]],
    sentences: Sequence[Encoded],
    settings: TestTable,
    progress: Progress,
) -> tuple[dict[str, Any], list[str]]:
    """Scores on the pairs that `sentences` encode, and the outputs (none for a language model)."""
    longest = max(max(len(source), len(target)) for source, target in sentences)
    scores: dict[str, Any] = {"sentences": len(sentences)}
    scores["perplexity"] = round(perplexity(model, sentences, max(2048, longest)), 4)
    if task == "language-model":
        return scores, []
    outputs = decode_all(model, tokenizer, [source for source, _ in sentences], settings, progress)
    references = [target for _, target in pairs]
    scores |= bleu(outputs, references) if task == "translation" else rouge(outputs, references)
    return scores, outputs


def scored_pairs(config: Config, text: Text, tokenizer: Tokenizer) -> tuple[list[tuple[str, str]], list[Encoded]]:
    """The pairs of the test split that the model takes, and their tokens. Long sources of summaries are cut."""
    most, cut = config.model.max_tokens, config.task == "summary"
    pairs = text.test[: config.test.sentences or None]
    fitting = [pair for pair in pairs if encode_pairs([pair], tokenizer, most, truncate=cut)[0]]
    return fitting, encode_pairs(fitting, tokenizer, most, truncate=cut)[0]
