"""The speed figures are of the same work on both sides; how fast it is, is not asserted."""

from __future__ import annotations

import torch

from models.lite_transformer.config import read_config
from models.lite_transformer.model import TextModel
from models.lite_transformer.speed import PlainTransformer, decoding, training_step


def test_figures_are_there_and_of_equal_work() -> None:
    lite = read_config("mini-lite-translation", {"model.vocabulary": 50}).model
    plain = read_config("mini-transformer-translation", {"model.vocabulary": 50}).model
    found = training_step(lite, plain, sentences=2, length=8, repeats=1)
    assert 0.97 < found["lite_macs_30_tokens"] / found["transformer_macs_30_tokens"] < 1.03
    assert found["torch_over_lite"] > 0
    rates = decoding(TextModel(lite), [5, 6, 7, 2], 6, repeats=1)
    assert rates["ratio"] > 0
    ours = sum(one.numel() for one in TextModel(plain).body())
    theirs = sum(one.numel() for name, one in PlainTransformer(plain).named_parameters() if "embedding" not in name)
    assert theirs - ours == 4 * plain.width  # torch's has one more norm on each side


def test_the_plain_one_looks_at_no_later_token() -> None:
    plain = read_config("mini-transformer-translation", {"model.vocabulary": 50}).model
    model = PlainTransformer(plain).eval()
    target = torch.randint(4, 50, (1, 9))
    other = target.clone()
    other[:, 5:] = 4
    with torch.no_grad():
        first, second = (model(torch.tensor([[5, 6, 2]]), one)[:, :5] for one in (target, other))
    assert torch.allclose(first, second, atol=1e-5)
