"""Beam search: the most likely sequence under sum of log-probabilities / ((5 + length) / 6) ** penalty.

Each step feeds the last token only; what came before is in the `DecoderState`. `greedy_full` runs the whole prefix at
every step instead: slow, and the same tokens, which tests hold it to. Source of the penalty: Wu et al., 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.lite_transformer.model import BEGIN, END, PAD, DecoderState, TextModel
from sim.errors import InputError

GROWTH, EXTRA = 1.5, 10
"""A translation is at most GROWTH times the source plus EXTRA tokens long."""


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of token numbers as one tensor (rows, longest), padded on the right."""
    made = torch.full((len(rows), max(map(len, rows), default=0)), PAD)
    for place, row in enumerate(rows):
        made[place, : len(row)] = torch.as_tensor(row)
    return made


@torch.no_grad()
def beam_search(
    model: TextModel, sources: Sequence[Sequence[int]], *, beam: int = 4, penalty: float = 0.6, limit: int | None = None
) -> list[list[int]]:
    """The best translation of each source, without begin and end marks. limit: most tokens of a result.

    Raises InputError for a source that is empty or longer than the model takes.
    """
    for row in sources:
        if not row:
            raise InputError("an empty sentence cannot be translated; nearest: at least one word")
        if len(row) > model.settings.max_tokens:
            raise InputError(
                f"{len(row)} tokens, the model takes {model.settings.max_tokens}; nearest: truncate the sentence"
            )
    if not sources:
        return []
    model.eval()
    memory, padding = model.encode(pad(sources))
    longest = min(model.settings.max_tokens - 1, int(GROWTH * memory.shape[1]) + EXTRA, limit or 10**9)
    search = _Beams(len(sources), beam, penalty)
    rows = torch.arange(len(sources)).repeat_interleave(beam)
    state = DecoderState(len(model.decoder.layers))
    memory, padding = memory[rows], padding[rows]
    tokens = torch.full((len(rows), 1), BEGIN)
    for step in range(longest):
        scores = model.step(tokens, memory, padding, state).log_softmax(dim=-1)
        scores[:, PAD] = scores[:, BEGIN] = -torch.inf
        if step == longest - 1:
            search.close(scores[:, END], step)
            break
        chosen = search.advance(scores, step)
        if search.done():
            break
        state.reorder(chosen)
        tokens = search.tokens[:, -1:]
    return search.best()


class _Beams:
    """Hypotheses of several sentences, `beam` rows for each, and those that ended."""

    def __init__(self, sentences: int, beam: int, penalty: float) -> None:
        self.beam, self.penalty = beam, penalty
        self.tokens = torch.zeros(sentences * beam, 0, dtype=torch.long)
        self.scores = torch.full((sentences, beam), -torch.inf)
        self.scores[:, 0] = 0.0  # all rows are equal at first
        self.ended: list[list[tuple[float, list[int]]]] = [[] for _ in range(sentences)]

    def advance(self, scores: Tensor, step: int) -> Tensor:
        """Grow every hypothesis by one token; the rows that the new ones come from."""
        sentences, vocabulary = self.scores.shape[0], scores.shape[-1]
        total = self.scores[..., None] + scores.view(sentences, self.beam, vocabulary)
        best, where = total.view(sentences, -1).topk(2 * self.beam, dim=1)
        parents = where // vocabulary + torch.arange(sentences)[:, None] * self.beam
        tokens = where % vocabulary
        candidates = zip(parents.tolist(), tokens.tolist(), best.tolist(), strict=True)
        kept: list[tuple[int, int, float]] = []
        for sentence, found in enumerate(candidates):
            free = self.beam
            for rank, (row, token, score) in enumerate(zip(*found, strict=True)):
                if token == END:
                    if rank < self.beam and score > -torch.inf:
                        self._end(sentence, score, self.tokens[row].tolist(), step)
                elif free:
                    kept.append((row, token, score))
                    free -= 1
            kept += [(sentence * self.beam, PAD, -torch.inf)] * free
        rows = torch.tensor([row for row, _, _ in kept])
        self.scores = torch.tensor([score for _, _, score in kept], dtype=self.scores.dtype).view_as(self.scores)
        self.tokens = torch.cat((self.tokens[rows], torch.tensor([[token] for _, token, _ in kept])), dim=1)
        return rows

    def close(self, ends: Tensor, step: int) -> None:
        """End everything that is still open."""
        final = self.scores + ends.view_as(self.scores)
        for row, score in enumerate(final.view(-1).tolist()):
            if score > -torch.inf:
                self._end(row // self.beam, score, self.tokens[row].tolist(), step)

    def done(self) -> bool:
        """Whether every sentence has as many ended hypotheses as the beam is wide."""
        return all(len(ended) >= self.beam for ended in self.ended)

    def best(self) -> list[list[int]]:
        """The best ended hypothesis of each sentence."""
        return [max(ended, key=lambda one: one[0])[1] if ended else [] for ended in self.ended]

    def _end(self, sentence: int, score: float, tokens: list[int], step: int) -> None:
        if len(self.ended[sentence]) < self.beam:
            self.ended[sentence].append((score / ((6 + step) / 6) ** self.penalty, tokens))


@torch.no_grad()
def greedy_full(model: TextModel, source: Sequence[int], limit: int) -> list[int]:
    """The greedy translation of one source, running the whole prefix at each step."""
    model.eval()
    memory, padding = model.encode(pad([source]))
    tokens: list[int] = []
    while len(tokens) < limit - 1:
        x = model.decoder(model.embed(pad([[BEGIN, *tokens]])), memory, padding)
        logits = model.logits(x[0, -1])
        logits[PAD] = logits[BEGIN] = -torch.inf
        token = int(logits.argmax())
        if token == END:
            break
        tokens.append(token)
    return tokens
