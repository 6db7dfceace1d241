"""Encoder-decoder and decoder-only models: embeddings shared by both sides and the output, sinusoidal positions.

Tensors are (batch, length, width); sentences are padded on the right with `PAD`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lite_transformer.config import ModelTable
from models.lite_transformer.modules import Layer, LayerState
from sim.errors import InputError

PAD, BEGIN, END, UNKNOWN = 0, 1, 2, 3


class DecoderState:
    """What a decoder keeps between steps: keys, values and past inputs of every layer, and how many tokens there were.
    Rows are hypotheses."""

    def __init__(self, layers: int) -> None:
        self.layers: list[LayerState] = [{} for _ in range(layers)]
        self.length = 0

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows, in this order; a row may come more than once. Rows change places within a sentence only, so
        keys and values of the source stay."""
        for layer in self.layers:
            for place, part in layer.items():
                for name, tensor in part.items():
                    part[name] = tensor if place == "cross" else tensor.index_select(0, rows)


class Encoder(nn.Module):
    """Layers without a causal mask."""

    def __init__(self, settings: ModelTable) -> None:
        super().__init__()
        kernels = settings.kernels[: settings.encoder_layers]
        self.layers = nn.ModuleList(Layer(settings, taps, causal=False, cross=False) for taps in kernels)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """x: embedded source."""
        for layer in self.layers:
            x = layer(x, padding)
        return x


class Decoder(nn.Module):
    """Causal layers, with cross-attention where there is an encoder."""

    def __init__(self, settings: ModelTable) -> None:
        super().__init__()
        kernels, cross = settings.kernels[: settings.decoder_layers], settings.encoder_layers > 0
        self.layers = nn.ModuleList(Layer(settings, taps, causal=True, cross=cross) for taps in kernels)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        memory_padding: Tensor | None = None,
        state: DecoderState | None = None,
    ) -> Tensor:
        """x: embedded target, or what is new of it where there is a `state`. Right padding needs no mask here: no token
        looks ahead."""
        for place, layer in enumerate(self.layers):
            x = layer(x, None, memory, memory_padding, None if state is None else state.layers[place])
        return x


class TextModel(nn.Module):
    """The network of `settings`. Call it with token numbers; see `forward`. Raises ConfigError for bad settings."""

    def __init__(self, settings: ModelTable) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(settings.vocabulary, settings.width, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, 0, settings.width**-0.5)
        with torch.no_grad():
            self.embedding.weight[PAD].zero_()
        self.encoder = Encoder(settings) if settings.encoder_layers else None
        self.decoder = Decoder(settings)
        self.register_buffer("positions", sinusoids(settings.max_tokens, settings.width), persistent=False)

    def forward(self, source: Tensor | None, target: Tensor) -> Tensor:
        """Logits of the token after each one of `target`: (batch, length, vocabulary).

        source: (batch, source length) for encoder-decoder models, None for language models.
        """
        memory, padding = (None, None) if source is None else self.encode(source)
        return self.logits(self.decoder(self.embed(target), memory, padding))

    def features(self, source: Tensor | None, target: Tensor) -> Tensor:
        """As `forward`, before the output projection."""
        memory, padding = (None, None) if source is None else self.encode(source)
        result: Tensor = self.decoder(self.embed(target), memory, padding)
        return result

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """The memory and its padding mask."""
        if self.encoder is None:
            raise InputError("a language model has no encoder; nearest: a translation model")
        padding = source == PAD
        return self.encoder(self.embed(source), padding), padding

    def step(self, tokens: Tensor, memory: Tensor | None, padding: Tensor | None, state: DecoderState) -> Tensor:
        """Logits after the last of `tokens`, (hypotheses, new tokens), which follow those in `state`; (hypotheses,
        vocabulary)."""
        x = self.decoder(self.embed(tokens, state.length), memory, padding, state)
        state.length += tokens.shape[1]
        return self.logits(x[:, -1])

    def embed(self, tokens: Tensor, begin: int = 0) -> Tensor:
        """Embeddings times the root of the width, plus positions. Raises InputError where there are too many tokens."""
        end = begin + tokens.shape[1]
        if end > self.settings.max_tokens:
            raise InputError(
                f"{end} tokens, the model takes {self.settings.max_tokens}; nearest: truncate the sentence"
            )
        positions: Tensor = self.get_buffer("positions")
        x = self.embedding(tokens) * math.sqrt(self.settings.width) + positions[begin:end]
        return functional.dropout(x, self.settings.dropout, self.training)

    def logits(self, x: Tensor) -> Tensor:
        """Output projection: the embedding table."""
        return functional.linear(x, self.embedding.weight)

    def body(self) -> Iterable[nn.Parameter]:
        """Parameters that published counts hold: all but the embedding."""
        return (parameter for name, parameter in self.named_parameters() if not name.startswith("embedding."))


def sinusoids(length: int, width: int) -> Tensor:
    """(length, width): sines, then cosines, of falling frequencies."""
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10_000) / max(1, half - 1)))
    angles = torch.arange(length)[:, None] * rates[None, :]
    return torch.cat((angles.sin(), angles.cos()), dim=1)[:, :width]
