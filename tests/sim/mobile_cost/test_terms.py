"""Terms: what operators ask for, by class, with tiles and fusion."""

from __future__ import annotations

import pytest

from sim.mobile_cost.converters.blocks import conv
from sim.mobile_cost.terms import INDEX, Runtime, amounts, kernel_class
from sim.operator import Operator


def amount(op: Operator, key: str, runtime: Runtime | None = None, batch: int = 1) -> float:
    return float(amounts([op], batch, runtime or Runtime())[0, INDEX[key]])


def test_convolution_amounts() -> None:
    op = conv((16, 8, 8), 24, 3)
    assert amount(op, "conv_kxk.mac") == op.macs == 8 * 8 * 24 * 16 * 9
    assert amount(op, "conv_kxk.pack") == 8 * 8 * 16 * 9
    assert amount(op, "conv_kxk.weights") == op.weight_bytes
    assert amount(op, "conv_kxk.launch") == 1
    assert amount(op, "conv_kxk.mac", batch=4) == 4 * op.macs
    assert amount(op, "conv_kxk.weights", batch=4) == op.weight_bytes


def test_channels_are_padded_to_the_tile() -> None:
    assert amount(conv((20, 8, 8), 30), "conv_1x1.mac", Runtime(16, 16)) == 8 * 8 * 32 * 32
    stem = conv((3, 8, 8), 16, 3)
    assert amount(stem, "conv_stem.mac", Runtime(16, 16)) == stem.macs


def test_fusion_saves_launches_and_traffic() -> None:
    op = conv((16, 8, 8), 16, activation="relu", join=True)
    fused, apart = amounts([op], 1, Runtime())[0], amounts([op], 1, Runtime(fuses=False))[0]
    launches = [place for key, place in INDEX.items() if key.endswith(".launch")]
    assert fused[launches].sum() == 1
    assert apart[launches].sum() == 3
    assert apart[INDEX["cheap_activation.io"]] == 2 * 16 * 8 * 8 * 4
    assert fused[INDEX["fused_join.io"]] == 16 * 8 * 8 * 4


@pytest.mark.parametrize(
    ("op", "name"),
    [
        (conv((16, 8, 8), 16), "conv_1x1"),
        (conv((3, 8, 8), 16, 3), "conv_stem"),
        (conv((16, 8, 8), 16, 3, groups=16), "depthwise"),
        (conv((16, 8, 8), 16, 3, 2, groups=16), "depthwise_strided"),
        (conv((16, 8, 8), 16, 3, groups=4), "conv_grouped"),
        (conv((16, 1, 1), 32), "linear"),
        (Operator("pool", (16, 8, 8), size=(1, 1), function="average"), "global_pool"),
        (Operator("activation", (16, 8), function="hswish"), "costly_activation"),
        (Operator("elementwise", (16, 8, 8), others=((16, 1, 1),), function="mul"), "broadcast"),
        (Operator("dynamic_conv", (30, 512), kernel=(3,), heads=4), "sequence_conv"),
    ],
)
def test_kernel_classes(op: Operator, name: str) -> None:
    assert kernel_class(op) == name
