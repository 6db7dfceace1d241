"""HAT encoder-decoder transformers: ten features a network, time of encoder and decoder.

The features are averages over layers; layers are rebuilt with the same sums (what a linear cost sees). Encoder: one
pass over the sentence; decoder: a token at a time, keys and values of earlier tokens kept. Projection width 512,
sentences of 30 tokens (23 in IWSLT), vocabularies of the sets. Keys of the encoder enter the decoder once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.mobile_cost.converters.assembly import chains
from sim.mobile_cost.rows import number, read_rows
from sim.mobile_cost.tables import Measurements
from sim.operator import Operator

_WIDTH = 512
_PREFIXES = ("encoder", "decoder")
COLUMNS = (
    "encoder_embed_dim",
    "encoder_layer_num",
    "encoder_ffn_embed_dim_avg",
    "encoder_self_attention_heads_avg",
    "decoder_embed_dim",
    "decoder_layer_num",
    "decoder_ffn_embed_dim_avg",
    "decoder_self_attention_heads_avg",
    "decoder_ende_attention_heads_avg",
    "decoder_arbitrary_ende_attn_avg",
    "latency_mean_encoder",
    "latency_mean_decoder",
)
_VOCABULARY = {"wmt14ende": 32768, "wmt14enfr": 44512, "wmt19ende": 32768, "iwslt14deen": 10152}
_TOKENS = {"iwslt14deen": 23}


def _spread(average: float, layers: int) -> list[int]:
    """Whole numbers, one for each layer, with the sum that the average stands for."""
    total = round(average * layers)
    return [total // layers + (1 if layer < total % layers else 0) for layer in range(layers)]


def _linear(rows: int, before: int, after: int) -> Operator:
    return Operator("linear", (rows, before), after, bias=True)


def _ffn(rows: int, width: int, inner: int) -> list[Operator]:
    return [
        _linear(rows, width, inner),
        Operator("activation", (rows, inner), function="relu"),
        _linear(rows, inner, width),
    ]


def _norm_add(rows: int, width: int) -> list[Operator]:
    shape = (rows, width)
    return [
        Operator("elementwise", shape, others=(shape,), function="add"),
        Operator("norm", shape, function="layer", affine=True),
    ]


def _attention(rows: int, keys: int, heads: int) -> Operator:
    """Attention of `heads`; widths that do not divide keep 512 as near as they can."""
    return Operator("attention", (rows, _WIDTH // heads * heads), length=keys, heads=heads)


def lower(block: Any) -> list[Operator]:
    """Operators of one layer, or of the output of a decoder step."""
    kind, *rest = block
    if kind == "encoder":
        tokens, width, inner, heads = rest
        attention = [_linear(tokens, width, 3 * _WIDTH), _attention(tokens, tokens, heads)]
        out = [_linear(tokens, _WIDTH, width), *_norm_add(tokens, width)]
        return [*attention, *out, *_ffn(tokens, width, inner), *_norm_add(tokens, width)]
    if kind == "output":
        width, vocabulary = rest
        return [Operator("embedding", (1, width), length=vocabulary, out_channels=width), _linear(1, width, vocabulary)]
    if kind == "keys":
        tokens, width = rest
        return [_linear(tokens, width, 2 * _WIDTH)]
    tokens, width, inner, heads, cross = rest
    own = [_linear(1, width, 3 * _WIDTH), _attention(1, tokens // 2, heads), _linear(1, _WIDTH, width)]
    other = [_linear(1, width, _WIDTH), _attention(1, tokens, cross), _linear(1, _WIDTH, width)]
    return [*own, *_norm_add(1, width), *other, *_norm_add(1, width), *_ffn(1, width, inner), *_norm_add(1, width)]


def blocks(row: Mapping[str, str], tokens: int, vocabulary: int) -> list[tuple[Hashable, int]]:
    """(block, times) of a whole translation of `tokens` tokens into as many."""
    value = {name: float(row[name]) for name in COLUMNS[:10]}
    layers = {side: int(value[f"{side}_layer_num"]) for side in _PREFIXES}
    width = {side: int(value[f"{side}_embed_dim"]) for side in _PREFIXES}
    found: list[tuple[Hashable, int]] = []
    inner = _spread(value["encoder_ffn_embed_dim_avg"], layers["encoder"])
    heads = _spread(value["encoder_self_attention_heads_avg"], layers["encoder"])
    for wide, head in zip(inner, heads, strict=True):
        found.append((("encoder", tokens, width["encoder"], wide, max(head, 1)), 1))
    names = ("ffn_embed_dim_avg", "self_attention_heads_avg", "ende_attention_heads_avg", "arbitrary_ende_attn_avg")
    lists = [_spread(value[f"decoder_{name}"], layers["decoder"]) for name in names]
    for wide, head, cross, sources in zip(*lists, strict=True):
        layer = ("decoder", tokens, width["decoder"], wide, max(head, 1), max(cross, 1))
        found.append((layer, tokens))
        found.append((("keys", max(sources, 1) * tokens, width["encoder"]), 1))
    found.append((("output", width["decoder"], vocabulary), tokens))
    return found


def read(path: Path) -> list[Measurements]:
    """One hat_*.csv: latency of encoder and decoder together."""
    rows = read_rows(path, COLUMNS)
    task, _, device = path.stem.removesuffix("_heldout").removeprefix("hat_").partition("_")
    tokens = _TOKENS.get(task, 30)
    batch = chains(
        [blocks(row, tokens, _VOCABULARY.get(task, 32768)) for row in rows], lower, serial_steps=[tokens] * len(rows)
    )
    seconds = [number(row, "latency_mean_encoder", path) + number(row, "latency_mean_decoder", path) for row in rows]
    groups = np.arange(len(rows))
    return [Measurements(device.replace("_", "-"), f"hat_{task}", batch, np.array(seconds) / 1e3, group=groups)]
