"""Token batches: sentences of about equal length together, as many as fit into a number of tokens, padding counted.

The batches of an epoch follow from the seed and the epoch's number alone, so a run resumes where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.lite_transformer.decoding import pad
from models.lite_transformer.model import BEGIN, PAD
from models.lite_transformer.tokenizer import Tokenizer
from sim.errors import InputError

Encoded = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Batch:
    """source: (sentences, length) or None; inputs: target moved right by one; targets: with end marks. tokens: of the
    targets, padding left out."""

    source: Tensor | None
    inputs: Tensor
    targets: Tensor
    tokens: int

    def to(self, device: torch.device) -> Batch:
        """On `device`."""
        source = None if self.source is None else self.source.to(device)
        return Batch(source, self.inputs.to(device), self.targets.to(device), self.tokens)


def encode_pairs(
    pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer, most: int, *, truncate: bool = False
) -> tuple[list[Encoded], int]:
    """Token numbers of each pair, and how many pairs were left out because a side is longer than `most` (with
    `truncate`, cut instead)."""
    sources, targets = (tokenizer.encode_all([pair[side] for pair in pairs]) for side in (0, 1))
    if not any(source for source, _ in pairs):
        sources = [[] for _ in pairs]
    if truncate:
        sources = [one if len(one) <= most else [*one[: most - 1], one[-1]] for one in sources]
        targets = [one if len(one) <= most else [*one[: most - 1], one[-1]] for one in targets]
    both = list(zip(sources, targets, strict=True))
    kept = [(source, target) for source, target in both if max(len(source), len(target)) <= most]
    return kept, len(both) - len(kept)


class TokenBatches:
    """Batches of `sentences`, at most `tokens` tokens a side. Raises InputError where a sentence alone is longer."""

    def __init__(self, sentences: Sequence[Encoded], tokens: int, seed: int = 0) -> None:
        if not sentences:
            raise InputError("no sentence to train on is short enough; nearest: a larger model.max_tokens")
        self.sentences, self.tokens, self.seed = sentences, tokens, seed
        self._lengths = np.array([(len(target), len(source)) for source, target in sentences])
        longest = int(self._lengths.max())
        if longest > tokens:
            raise InputError(
                f"a sentence of {longest} tokens does not fit into batches of {tokens}; nearest: {longest}"
            )
        self._current = (0, self.epoch(0))
        self._count = len(self._current[1])

    def epoch(self, number: int) -> list[list[int]]:
        """The batches of an epoch, as places in `sentences`, in the order that they come."""
        draw = np.random.default_rng((self.seed, number))  # jitter first, then the order of batches
        jitter = draw.random(len(self.sentences))
        order = np.lexsort((jitter, self._lengths[:, 1], self._lengths[:, 0]))
        batches: list[list[int]] = []
        current: list[int] = []
        longest = 0
        for place in order.tolist():
            grown = max(longest, int(self._lengths[place].max()))
            if current and grown * (len(current) + 1) > self.tokens:
                batches.append(current)
                current, grown = [], int(self._lengths[place].max())
            current.append(place)
            longest = grown
        batches.append(current)
        return [batches[one] for one in draw.permutation(len(batches)).tolist()]

    def __len__(self) -> int:
        """Batches of an epoch; the same for all, since only ties in length are broken anew."""
        return self._count

    def at(self, position: int) -> Batch:
        """The batch at a position, counted over all epochs."""
        number, place = divmod(position, self._count)
        if number != self._current[0]:
            self._current = (number, self.epoch(number))
        return self.make(self._current[1][place])

    def make(self, places: Sequence[int]) -> Batch:
        """The tensors of one batch."""
        return make_batch([self.sentences[place] for place in places])

    def in_order(self) -> Iterator[Batch]:
        """Every sentence once, sorted by length, for scoring."""
        for places in sorted(self.epoch(0), key=lambda one: one[0]):
            yield self.make(places)


def make_batch(sentences: Sequence[Encoded]) -> Batch:
    """Padded tensors of these sentences."""
    source = pad([one for one, _ in sentences]) if sentences[0][0] else None
    targets = pad([one for _, one in sentences])
    inputs = torch.cat((torch.full((len(sentences), 1), BEGIN), targets[:, :-1]), dim=1)
    inputs = inputs.masked_fill(targets == PAD, PAD)
    return Batch(source, inputs, targets, sum(len(one) for _, one in sentences))
