"""What each rule adds and leaves out, operator by operator."""

from __future__ import annotations

import pytest

from models.zoo.mac_rules import RULES, count, rule
from sim.errors import InputError
from sim.operator import Operator

TRANSPOSED = Operator("conv_transpose2d", (8, 4, 4), 4, (3, 3), (2, 2), (1, 1, 1, 1), output_padding=(1, 1), bias=True)
BATCH_NORM = Operator("norm", (8, 4, 4), function="batch", affine=True)
INSTANCE_NORM = Operator("norm", (8, 4, 4), function="instance")
LEAKY = Operator("activation", (8, 4, 4), function="leaky_relu")
PRODUCT = Operator("elementwise", (8, 4, 4), others=((8, 1, 1),), function="mul")
POOL = Operator("pool", (8, 4, 4), size=(1, 1), function="adaptive_avg")
LINEAR = Operator("linear", (8,), 4, bias=True)
CONVOLUTION = Operator("dynamic_conv", (6, 8), kernel=(3,), heads=4)
TRUE = 128 * 4 * 9

COUNTS = {
    #                      transposed   batch inst leaky mul pool linear dynamic
    "true": (TRUE, 0, 0, 0, 0, 0, 32, 144),
    "torchprofile-0.0.1": (4 * TRUE, 0, 128, 0, 128, 8, 0, 144),
    "torchprofile-0.1.0": (4 * TRUE, 128, 0, 128, 128, 8, 32, 144),
    "fvcore": (TRUE, 256, 512, 0, 0, 128, 32, 144),
    "thop": (4 * TRUE, 512, 256, 0, 0, 136, 32, 144),
    "ptflops": (TRUE + 256, 256, 128, 128, 0, 256, 36, 144),
    "linears-only": (TRUE, 0, 0, 0, 0, 0, 32, 0),
    "banded": (TRUE, 0, 0, 0, 0, 0, 32, 6 * 48),
}


@pytest.mark.parametrize("name", RULES)
def test_each_operator_under_each_rule(name: str) -> None:
    operators = (TRANSPOSED, BATCH_NORM, INSTANCE_NORM, LEAKY, PRODUCT, POOL, LINEAR, CONVOLUTION)
    assert tuple(rule(name)(op) for op in operators) == COUNTS[name]
    assert count(operators, name) == sum(COUNTS[name])
    assert count([Operator("fused", fused=operators)], name) == sum(COUNTS[name])


def test_functions_are_not_seen_by_hooks() -> None:
    called = Operator("pool", (8, 4, 4), size=(1, 1), function="adaptive_avg", functional=True)
    mean = Operator("pool", (8, 4, 4), size=(1, 1), function="mean", functional=True)
    assert [rule("thop")(op) for op in (POOL, called, mean)] == [136, 0, 0]
    assert [rule("fvcore")(op) for op in (POOL, called, mean)] == [128, 128, 0]
    assert [rule("ptflops")(op) for op in (POOL, called, mean)] == [256, 128, 0]


def test_every_rule_says_what_it_does() -> None:
    assert all(one.__doc__ for one in RULES.values())


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(InputError, match="no MAC rule 'fvcores'; nearest: fvcore"):
        count([LINEAR], "fvcores")
