"""ONNX nodes, by their kinds, as operators for one sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.operator import Operator
from sim.operator_counts import volume

Shape = tuple[int, ...]
_FREE = (
    "Reshape Flatten Squeeze Unsqueeze Identity Constant ConstantOfShape Shape Split Cast Dropout Expand Slice "
    "QuantizeLinear DequantizeLinear Where Equal Less Greater Not And Or Range"
)
FREE = frozenset(_FREE.split())
"""Views, constants, masks, and what stands for a change of width: no operator."""
_ACTIVATIONS = {
    "Relu": "relu",
    "HardSwish": "h_swish",
    "HardSigmoid": "h_sigmoid",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "LeakyRelu": "leaky_relu",
    "PRelu": "prelu",
    "Elu": "elu",
    "Gelu": "gelu",
    "Erf": "erf",
    "Exp": "exp",
    "Sqrt": "sqrt",
    "Softplus": "softplus",
    "Mish": "mish",
    "Clip": "relu6",
    "Neg": "neg",
    "Reciprocal": "reciprocal",
    "Log": "log",
}


@dataclass(frozen=True)
class Node:
    """One ONNX node with what is known of it. weights: shapes of its constant inputs by place."""

    kind: str
    attributes: dict[str, Any]
    shapes: tuple[Shape | None, ...]
    weights: dict[int, Shape]
    out: Shape
    tied: bool

    def sample(self, place: int = 0) -> Shape:
        """Shape of an input for one sample."""
        return _sample(self.shapes[place] or (1,))

    @property
    def activations(self) -> list[Shape]:
        """Shapes of the inputs that are no constants, for one sample, scalars left out."""
        found = [shape for place, shape in enumerate(self.shapes) if shape is not None and place not in self.weights]
        return [_sample(shape) for shape in found if shape]


def _sample(shape: Shape) -> Shape:
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape or (1,)


def _image(shape: Shape | None) -> Shape:
    """Channels, height, width; a sequence is an image one pixel high."""
    sides = (shape or ())[1:]
    return sides if len(sides) == 3 else (sides[0], 1, *sides[1:])


def _pair(values: Any, count: int, fill: int) -> tuple[int, int]:
    sides = [int(one) for one in values] if values else [fill] * count
    return (sides[0], sides[1]) if len(sides) == 2 else (fill, sides[0])


def _window(node: Node, kernel: Shape) -> dict[str, Any]:
    """Stride, padding, dilation of a convolution or pool; the older ``auto_pad`` included."""
    count = len(kernel)
    stride, dilation = (
        _pair(node.attributes.get("strides"), count, 1),
        _pair(node.attributes.get("dilations"), count, 1),
    )
    taps = kernel if count == 2 else (1, *kernel)
    pads = [int(one) for one in node.attributes.get("pads", [0] * (2 * count))]
    padding = tuple(pads) if count == 2 else (0, pads[0], 0, pads[1])
    mode = node.attributes.get("auto_pad", b"NOTSET").decode()
    if mode.startswith("SAME"):
        total = [
            max(0, (-(-side // step) - 1) * step + gap * (tap - 1) + 1 - side)
            for side, step, tap, gap in zip(_image(node.shapes[0])[1:], stride, taps, dilation, strict=True)
        ]
        small, large = [one // 2 for one in total], [one - one // 2 for one in total]
        padding = (*small, *large) if mode == "SAME_UPPER" else (*large, *small)
    return {"kernel": taps, "stride": stride, "padding": padding, "dilation": dilation}


def _convolution(node: Node) -> Operator:
    weight = node.weights.get(1) or node.shapes[1] or ()
    groups, transposed = int(node.attributes.get("group", 1)), node.kind == "ConvTranspose"
    fields = _window(node, weight[2:])
    if transposed:
        fields["output_padding"] = _pair(node.attributes.get("output_padding"), len(weight) - 2, 0)
    return Operator(
        "conv_transpose2d" if transposed else "conv2d",
        _image(node.shapes[0]),
        weight[1] * groups if transposed else weight[0],
        groups=groups,
        bias=len(node.shapes) > 2 and node.shapes[2] is not None,
        tied=node.tied,
        **fields,
    )


def _product(node: Node) -> Operator:
    if 1 not in node.weights:
        left, right = node.shapes[0] or (), node.shapes[1] or ()
        return Operator("matmul", left, others=(right,))
    bias = node.kind == "Gemm" and len(node.shapes) > 2
    return Operator("linear", node.sample(), node.out[-1], bias=bias, tied=node.tied)


def _norm(node: Node) -> Operator:
    names = {"BatchNormalization": "batch", "InstanceNormalization": "instance", "LayerNormalization": "layer"}
    function = names.get(node.kind, "group")
    return Operator("norm", node.sample(), function=function, affine=bool(node.weights), tied=node.tied)


def _activation(node: Node) -> Operator:
    return Operator("activation", node.sample(), function=_ACTIVATIONS[node.kind])


def _elementwise(node: Node) -> Operator:
    names = {"Sum": "add", "Max": "maximum", "Min": "minimum"}
    result = _sample(node.out)
    shapes = node.activations
    others = tuple(shapes[1:]) if shapes and shapes[0] == result else tuple(shapes[:1]) if len(shapes) > 1 else ()
    return Operator("elementwise", result, others=others, function=names.get(node.kind, node.kind.lower()))


def _pool(node: Node) -> Operator:
    image = _image(node.shapes[0])
    if node.kind.startswith("Global"):
        return Operator("pool", image, size=(1, 1), function="max" if "Max" in node.kind else "adaptive_avg")
    fields = _window(node, tuple(node.attributes["kernel_shape"]))
    fields.pop("dilation")
    function = ("max" if "Max" in node.kind else "avg") + ("_ceil" if node.attributes.get("ceil_mode") else "")
    return Operator("pool", image, function=function, **fields)


def _reduction(node: Node) -> Operator:
    shape = node.shapes[0] or ()
    if len(shape) == 4 and volume(node.out) == shape[1]:
        return Operator("pool", shape[1:], size=(1, 1), function="mean")
    return Operator("elementwise", node.sample(), function="mean")


def _concat(node: Node) -> Operator:
    axis = int(node.attributes["axis"]) % len(node.out)
    shapes = node.activations
    if len(shapes) > 1 and axis == (1 if len(node.out) == 4 else len(node.out) - 1):
        return Operator("concat", shapes[0], others=tuple(shapes[1:]))
    return _copy(node)


def _gather(node: Node) -> Operator:
    if 0 not in node.weights:
        return _copy(node)
    rows, width = node.weights[0]
    return Operator("embedding", (volume(node.shapes[1] or ()),), width, length=rows, tied=node.tied)


def _resize(node: Node) -> Operator:
    mode = node.attributes.get("mode", b"nearest").decode()
    names = {"linear": "bilinear", "cubic": "bicubic"}
    return Operator("resize", _image(node.shapes[0]), size=_image(node.out)[1:], function=names.get(mode, mode))


def _softmax(node: Node) -> Operator:
    return Operator("softmax", node.sample())


def _copy(node: Node) -> Operator:
    return Operator("elementwise", _sample(node.out), function="copy")


NODES: dict[str, Callable[[Node], Operator]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), _convolution),
    **dict.fromkeys(("Gemm", "MatMul"), _product),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization"), _norm),
    **dict.fromkeys(_ACTIVATIONS, _activation),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Sum", "Max", "Min"), _elementwise),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"), _pool),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax"), _reduction),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    **dict.fromkeys(("Transpose", "Pad", "DepthToSpace", "SpaceToDepth", "Tile"), _copy),
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Concat": _concat,
    "Gather": _gather,
}
"""Kind of node -> the operator that stands for it."""
