"""Operators: their exact figures by kind, and refusals that name the kind and the field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import WorkloadError
from sim.operator import FIELDS, KINDS, REQUIRED, Operator

SOUND = {
    "conv2d": Operator("conv2d", (8, 10, 12), 16, (3, 3), (2, 2), (1, 1, 1, 1), groups=4, bias=True),
    "conv_transpose2d": Operator(
        "conv_transpose2d", (8, 5, 6), 4, (3, 3), (2, 2), (1, 1, 1, 1), output_padding=(1, 1), bias=True
    ),
    "linear": Operator("linear", (5, 8), 3, bias=True),
    "matmul": Operator("matmul", (2, 5, 8), others=((2, 8, 3),)),
    "attention": Operator("attention", (5, 8), length=7, heads=2),
    "dynamic_conv": Operator("dynamic_conv", (5, 8), kernel=(3,), heads=4),
    "light_conv": Operator("light_conv", (5, 8), kernel=(9,), heads=4),
    "pool": Operator("pool", (8, 7, 7), kernel=(3, 3), stride=(2, 2), function="max"),
    "norm": Operator("norm", (8, 4, 4), function="batch", affine=True),
    "activation": Operator("activation", (8, 4, 4), function="relu"),
    "elementwise": Operator("elementwise", (8, 4, 4), others=((8, 1, 1),), function="mul"),
    "softmax": Operator("softmax", (5, 12)),
    "embedding": Operator("embedding", (5,), 8, length=100),
    "resize": Operator("resize", (8, 4, 4), size=(8, 8), function="nearest"),
    "concat": Operator("concat", (8, 4, 4), others=((4, 4, 4), (2, 4, 4))),
}
SOUND["fused"] = Operator("fused", fused=(SOUND["conv2d"], Operator("activation", (16, 5, 6), function="relu")))

FIGURES = {  # kind: output shape, macs, params, elements read (weights and activations), elements written
    "conv2d": ((16, 5, 6), 16 * 30 * 2 * 9, 16 * 2 * 9 + 16, 304 + 960, 480),
    "conv_transpose2d": ((4, 10, 12), 8 * 30 * 4 * 9, 8 * 4 * 9 + 4, 292 + 240, 480),
    "linear": ((5, 3), 120, 27, 27 + 40, 15),
    "matmul": ((2, 5, 3), 240, 0, 80 + 48, 30),
    "attention": ((5, 8), 2 * 5 * 7 * 8, 0, 40 + 2 * 56, 40),
    "dynamic_conv": ((5, 8), 40 * 3, 0, 40 + 5 * 4 * 3, 40),
    "light_conv": ((5, 8), 40 * 5, 36, 36 + 40, 40),
    "pool": ((8, 3, 3), 0, 0, 392, 72),
    "norm": ((8, 4, 4), 0, 16, 16 + 128, 128),
    "activation": ((8, 4, 4), 0, 0, 128, 128),
    "elementwise": ((8, 4, 4), 0, 0, 136, 128),
    "softmax": ((5, 12), 0, 0, 60, 60),
    "embedding": ((5, 8), 0, 800, 40 + 5, 40),
    "resize": ((8, 8, 8), 0, 0, 128, 512),
    "concat": ((14, 4, 4), 0, 0, 224, 224),
    "fused": ((16, 5, 6), 16 * 30 * 2 * 9, 304, 304 + 960, 480),
}


def test_every_kind_is_tested() -> None:
    assert set(SOUND) == set(FIGURES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_figures(kind: str) -> None:
    op = SOUND[kind]
    shape, macs, params, read, written = FIGURES[kind]
    assert (op.output_shape, op.macs, op.params) == (shape, macs, params)
    assert (op.bytes_read, op.bytes_written) == (4 * read, 4 * written)
    assert hash(op) == hash(op.with_bits(32, 32))
    assert op.with_bits(32, 32) == op


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind in KINDS for field in REQUIRED[kind]])
def test_a_missing_field_is_named(kind: str, field: str) -> None:
    empty = type(getattr(SOUND[kind], field))()
    values = {name: getattr(SOUND[kind], name) for name in FIELDS[kind]} | {field: empty}
    with pytest.raises(WorkloadError, match=f"^{kind}: field '{field}'"):
        Operator(kind, **values)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_of_another_kind_is_refused(kind: str) -> None:
    other = next(field for field in ("heads", "groups", "affine") if field not in FIELDS[kind])
    values = {name: getattr(SOUND[kind], name) for name in FIELDS[kind]} | {other: 2}
    with pytest.raises(WorkloadError, match=f"^{kind} has no field '{other}'"):
        Operator(kind, **values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "conv3d"}, "no operator kind 'conv3d'; nearest: conv2d"),
        (
            {"kind": "conv2d", "shape": (8, 4, 4), "out_channels": 6, "kernel": (3, 3), "groups": 4},
            "'groups' must divide",
        ),
        ({"kind": "conv2d", "shape": (8, 2, 2), "out_channels": 6, "kernel": (3, 3)}, "'kernel'.*does not fit"),
        ({"kind": "conv2d", "shape": (8, 2), "out_channels": 6, "kernel": (1, 1)}, "'shape' must have 3 axes"),
        ({"kind": "conv2d", "shape": (8, 4, 4), "out_channels": 6, "kernel": (3,)}, "'kernel' must be 2 numbers"),
        ({"kind": "linear", "shape": (0,), "out_channels": 6}, "'shape' must be positive"),
        ({"kind": "attention", "shape": (5, 9), "length": 5, "heads": 2}, "'heads' must divide 9"),
        ({"kind": "matmul", "shape": (5, 9), "others": ((8, 2),)}, "'others' must hold one operand"),
        ({"kind": "pool", "shape": (5, 9, 9), "function": "max"}, "'kernel' and 'size'"),
        ({"kind": "softmax", "shape": (5, 9), "weight_density": 1.5}, "within 0 and 1"),
        ({"kind": "softmax", "shape": (5, 9), "activation_bits": 0}, "at least 1"),
    ],
)
def test_values_that_make_no_sense(values: dict[str, object], words: str) -> None:
    with pytest.raises(WorkloadError, match=words):
        Operator(**values)  # type: ignore[arg-type]


def test_tied_weights_are_read_but_are_no_parameters() -> None:
    first, later = Operator("linear", (1, 8), 4), Operator("linear", (1, 8), 4, tied=True)
    assert (first.params, later.params) == (32, 0)
    assert first.bytes_read == later.bytes_read
    assert Operator("fused", fused=(first, later)).params == 32


def test_narrow_elements_round_up_to_bytes() -> None:
    op = Operator("linear", (3,), 3).with_bits(4, 8)
    assert (op.weight_bytes, op.input_bytes, op.bytes_written) == (5, 3, 3)
    fused = SOUND["fused"].with_bits(8, 8)
    assert (fused.bytes_read, fused.bytes_written) == (304 + 960, 480)


def test_a_convolution_that_remembers_sees_as_many_taps() -> None:
    step = Operator("light_conv", (1, 8), kernel=(5,), heads=4, length=3)
    assert step.macs == 8 * 4
    assert step.input_bytes == 4 * (8 + 3 * 8)


@given(
    side=st.integers(1, 30),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    ceil=st.booleans(),
)
def test_windows_cover_what_they_can(side: int, kernel: int, stride: int, padding: int, ceil: bool) -> None:
    padding = min(padding, kernel // 2)
    if side + 2 * padding < kernel:
        return
    function = "max_ceil" if ceil else "max"
    op = Operator(
        "pool", (1, side, side), kernel=(kernel,) * 2, stride=(stride,) * 2, padding=(padding,) * 4, function=function
    )
    starts = [
        at for at in range(-padding, side + padding, stride) if at + kernel <= side + padding or (ceil and at < side)
    ]
    if ceil:  # windows that start inside, up to the first that reaches the end
        reach = [at for at in starts if at - stride + kernel < side + padding or at == -padding]
        starts = [at for at in reach if at < side]
    assert op.output_shape == (1, len(starts), len(starts))
