"""Lite Transformer: what its published labels count, and decoding step by step."""

from __future__ import annotations

import pytest

from models.lite_transformer.translation import Translator, iwslt, language_model, transformer
from models.zoo.mac_rules import count
from sim.errors import InputError
from sim.operator_counts import volume


@pytest.mark.parametrize(("width", "label"), [(200, "90.13"), (408, "359.54"), (496, "527.44")])
def test_linears_and_one_for_each_norm_element_land_on_the_labels(width: int, label: str) -> None:
    network = Translator(width).lower()
    norms = sum(volume(op.shape) for op in network.operators if op.kind == "norm")
    assert f"{(count(network, 'linears-only') + norms) / 1e6:.2f}" == label


def test_attention_that_torch_does_not_count() -> None:
    encoder = Translator(496, decoder_layers=0).lower()
    missed = sum(op.macs for op in encoder.operators if op.kind == "attention")
    whole = Translator(496).lower()
    assert missed == count(whole, "banded") - count(whole, "linears-only") == 2_678_400


@pytest.mark.parametrize("translator", [Translator(200), iwslt(160), language_model(896), transformer(128)])
def test_steps_hold_the_same_weights_and_no_more_work(translator: Translator) -> None:
    whole, steps = translator.lower(12, 9), translator.lower_steps(12, 9)
    assert steps.params == whole.params
    assert steps.serial_steps == 9
    assert 0.9 * whole.macs < steps.macs <= whole.macs or not translator.encoder_layers
    assert sum(op.weight_bytes for op in steps.operators) > sum(op.weight_bytes for op in whole.operators)


def test_steps_attend_to_what_came_before() -> None:
    steps = Translator(200, kernels=(5,), encoder_layers=1, decoder_layers=1).lower_steps(7, 4)
    own = [op.length for op in steps.operators if op.kind == "attention" and op.heads == 4]
    cross = [op.length for op in steps.operators if op.kind == "attention" and op.heads == 8]
    taps = [op.macs // 100 for op in steps.operators if op.kind == "dynamic_conv"]
    assert (own, cross) == ([7, 1, 2, 3, 4], [7] * 4)
    assert taps == [7 * 5, 1, 2, 3, 4]


def test_steps_wait_for_each_other() -> None:
    whole, steps = Translator(200).lower(), Translator(200).lower_steps()
    assert steps.critical_path_operators > 10 * whole.critical_path_operators


def test_widths_that_heads_do_not_divide() -> None:
    with pytest.raises(InputError, match="multiple of 8, got 100; nearest: 96"):
        Translator(100)
    with pytest.raises(InputError, match="got 0; nearest: 8"):
        Translator(0)
