"""Building blocks of mobile networks as operators, for the layouts that name blocks instead of operators."""

from __future__ import annotations

from sim.operator import Operator


def divisible(value: float, divisor: int = 8) -> int:
    """Nearest multiple of `divisor`, never below 90 % of `value` (the rule of the mobile networks)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def conv(
    shape: tuple[int, int, int],
    out_channels: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: str = "",
    *,
    same: int | None = None,
    join: bool = False,
    norm: bool = False,
) -> Operator:
    """A convolution with 'same' padding and what is fused to it. same: output side, if not ceil(in / stride)."""
    height, width = shape[1:]
    sides = [same or -(-side // stride) for side in (height, width)]
    total = [max(0, (out - 1) * stride + kernel - side) for out, side in zip(sides, (height, width), strict=True)]
    padding = (total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2)
    op = Operator(
        "conv2d", shape, out_channels, (kernel, kernel), (stride, stride), padding, groups=groups, bias=not norm
    )
    return followed(op, activation, join=join, norm=norm)


def followed(op: Operator, activation: str = "", *, join: bool = False, norm: bool = False) -> Operator:
    """`op` with a norm, an activation and a residual addition fused behind it."""
    out = op.output_shape
    parts = [op]
    if norm:
        parts.append(Operator("norm", out, function="batch", affine=True))
    if activation:
        parts.append(Operator("activation", out, function=activation))
    if join:
        parts.append(Operator("elementwise", out, others=(out,), function="add"))
    return Operator("fused", fused=tuple(parts)) if len(parts) > 1 else op


def squeeze_excite(shape: tuple[int, int, int], mid: int) -> list[Operator]:
    """Global pool, two 1x1 convolutions, gate."""
    channels = shape[0]
    return [
        Operator("pool", shape, size=(1, 1), function="average"),
        followed(Operator("conv2d", (channels, 1, 1), mid, (1, 1), bias=True), "relu"),
        followed(Operator("conv2d", (mid, 1, 1), channels, (1, 1), bias=True), "hard_sigmoid"),
        Operator("elementwise", shape, others=((channels, 1, 1),), function="mul"),
    ]


def mbconv(
    shape: tuple[int, int, int],
    out_channels: int,
    mid: int,
    kernel: int,
    stride: int,
    *,
    activation: str,
    se: bool = False,
    skip: bool = False,
    norm: bool = False,
    expand: bool = True,
) -> list[Operator]:
    """Inverted bottleneck: expansion (unless `expand` is false), depthwise, squeeze-excite, projection."""
    ops = []
    if expand:
        ops.append(conv(shape, mid, activation=activation, norm=norm))
        shape = (mid, *shape[1:])
    depthwise = conv(shape, mid, kernel, stride, mid, activation, norm=norm)
    ops.append(depthwise)
    shape = (mid, depthwise.output_shape[1], depthwise.output_shape[2])
    if se:
        ops += squeeze_excite(shape, divisible(mid // 4))
    ops.append(conv(shape, out_channels, join=skip, norm=norm))
    return ops
