"""Counts of built models, masks, and decoding step by step."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from models.lite_transformer.config import ModelTable
from models.lite_transformer.counting import operators
from models.lite_transformer.decoding import beam_search, greedy_full, pad
from models.lite_transformer.model import BEGIN, END, PAD, DecoderState, TextModel
from models.lite_transformer.translation import LM_KERNELS, MT_KERNELS
from models.zoo.mac_rules import RULES, count
from sim.errors import ConfigError, InputError, WorkloadError

DATA = Path(__file__).resolve().parents[2] / "data" / "count_anchors.toml"
ANCHORS = [
    one
    for one in tomllib.loads(DATA.read_text(encoding="utf-8"))["anchor"]
    if one["network"].startswith(("lite-transformer/", "transformer/"))
]
SIX: dict[str, Any] = {"encoder_layers": 6, "decoder_layers": 6, "kernels": MT_KERNELS, "vocabulary": 8}
FORMS: dict[str, dict[str, Any]] = {
    "lite-transformer/wmt": SIX,
    "lite-transformer/cnndm": SIX,
    "lite-transformer/iwslt": {**SIX, "dynamic": False, "glu": False, "heads": 4},
    "lite-transformer/wikitext": {
        "encoder_layers": 0, "decoder_layers": 12, "kernels": LM_KERNELS, "pre_norm": True, "vocabulary": 8,
    },
    "transformer": {**SIX, "kernels": (0,) * 6, "ratio": 4},
}  # fmt: skip


def tiny(**settings: Any) -> TextModel:
    """A small model with random weights, in float64, ready to decode."""
    torch.manual_seed(0)
    base: dict[str, Any] = {"width": 16, "vocabulary": 20, "max_tokens": 40, "heads": 4, "branch_heads": 2}
    model = TextModel(ModelTable(**{**base, "conv_heads": 2, "kernels": (3, 9), **settings})).double().eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("anchor", ANCHORS, ids=lambda anchor: anchor["network"])
def test_built_models_count_to_the_last_digit(anchor: dict[str, Any]) -> None:
    family, _, arch = anchor["network"].replace("transformer/d", "transformer:d").partition(":")
    with torch.device("meta"):
        model = TextModel(ModelTable(width=int(arch[1:]), **FORMS[family]))
    ops = operators(model, 30, 60 if "cnndm" in family else 30)
    found = {"params": sum(one.numel() for one in model.body())}
    found |= {rule: count(ops, rule) for rule in anchor if rule in RULES}
    assert found == {key: value for key, value in anchor.items() if key != "network"}


def test_counting_says_where_a_convolution_was_no_band() -> None:
    with pytest.raises(WorkloadError, match="30 tokens"):
        operators(tiny(max_tokens=300), 200, 200)


FORMS_OF_DECODING = [{}, {"dynamic": False, "glu": False}, {"kernels": (0, 0), "ratio": 4}, {"pre_norm": True}]


@pytest.mark.parametrize("form", FORMS_OF_DECODING)
@pytest.mark.parametrize("layers", [2, 0])
def test_incremental_decoding_equals_full(form: dict[str, Any], layers: int) -> None:
    model = tiny(encoder_layers=layers, **form)
    target = torch.randint(4, 20, (3, 14))
    source = pad([[5, 6, 7, END], [8, 9, END], [4, END]]) if layers else None
    full = model(source, target)
    memory, padding = model.encode(source) if source is not None else (None, None)
    state = DecoderState(2)
    for begin, end in [(0, 1), (1, 2), (2, 5), (5, 6), (6, 14)]:
        assert torch.allclose(model.step(target[:, begin:end], memory, padding, state), full[:, end - 1])


@pytest.mark.parametrize("form", FORMS_OF_DECODING)
def test_padding_changes_nothing(form: dict[str, Any]) -> None:
    model = tiny(**form)
    target = torch.tensor([[BEGIN, 5, 6]])
    alone = model(torch.tensor([[5, 6, END]]), target)
    padded = model(torch.tensor([[5, 6, END, PAD, PAD, PAD]]), target)
    assert torch.allclose(alone, padded)


@pytest.mark.parametrize("form", FORMS_OF_DECODING)
def test_no_token_looks_ahead(form: dict[str, Any]) -> None:
    model = tiny(encoder_layers=0, **form)
    one, two = torch.randint(4, 20, (1, 12)), torch.randint(4, 20, (1, 12))
    two[:, :7] = one[:, :7]
    first, second = model(None, one), model(None, two)
    assert torch.allclose(first[:, :7], second[:, :7])
    assert not torch.allclose(first[:, 7:], second[:, 7:])


def test_a_beam_of_one_is_greedy() -> None:
    model = tiny()
    for source in ([5, 6, 7, END], [9, END], [4, 4, 4, 4, 4, 4, END]):
        limit = min(39, int(1.5 * len(source)) + 10)
        assert beam_search(model, [source], beam=1) == [greedy_full(model, source, limit)]


def test_a_batch_gives_what_each_sentence_gives_alone() -> None:
    model = tiny()
    sources = [[5, 6, 7, END], [9, END], [4, 8, 12, 16, 18, 4, END]]
    together = beam_search(model, sources, beam=3, limit=9)
    assert together == [beam_search(model, [one], beam=3, limit=9)[0] for one in sources]


def test_a_wide_beam_finds_the_best_of_all_short_sequences() -> None:
    model = tiny(vocabulary=8)
    source = [5, 6, END]
    beams = beam_search(model, [source], beam=64, penalty=1.0, limit=3)

    def score(tokens: list[int]) -> float:
        with torch.no_grad():
            rows = model(torch.tensor([source]), torch.tensor([[BEGIN, *tokens]]))[0].log_softmax(-1)
        total = sum(float(rows[place, token]) for place, token in enumerate([*tokens, END]))
        return total / ((6 + len(tokens)) / 6)

    every = [[]] + [[a] for a in range(3, 8)] + [[a, b] for a in range(3, 8) for b in range(3, 8)]
    assert beams[0] == max(every, key=score)


def test_longer_than_the_model_takes() -> None:
    model = tiny(max_tokens=6)
    with pytest.raises(InputError, match="7 tokens, the model takes 6; nearest: truncate"):
        beam_search(model, [[5] * 7])
    with pytest.raises(InputError, match="8 tokens, the model takes 6"):
        model(torch.full((1, 8), 5), torch.full((1, 2), 5))
    with pytest.raises(InputError, match="empty"):
        beam_search(model, [[]])
    assert beam_search(model, []) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 100, "heads": 8}, "heads = 8 does not divide a width of 100; nearest: 10"),
        ({"width": 120, "branch_heads": 7}, "branch_heads = 7 does not divide a width of 60; nearest: 6"),
        ({"kernels": (3, 4)}, "a kernel of 4 taps has no middle; nearest: 3 or 5"),
        ({"kernels": (3,)}, "1 kernels for 2 layers"),
        ({"width": 0}, "width"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    from sim.settings import validate_config

    with pytest.raises(ConfigError, match=message):
        validate_config(ModelTable, settings)
