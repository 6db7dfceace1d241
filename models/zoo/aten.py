"""Torch operations, by the names that torch dispatches, as operators for one sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sim.operator import Operator

Shape = tuple[int, ...]

_FREE = (
    "view _unsafe_view reshape expand expand_as permute transpose t unsqueeze squeeze squeeze_dims slice select "
    "split unsafe_split unsafe_chunk split_with_sizes chunk unbind detach alias lift_fresh as_strided unfold "
    "contiguous _reshape_alias _to_copy to dropout native_dropout empty zeros ones full arange empty_like "
    "zeros_like ones_like full_like new_zeros new_ones new_empty scalar_tensor eq ne lt le gt ge where "
    "masked_fill logical_not logical_and bitwise_not bitwise_and bitwise_or all any isfinite resolve_conj tril "
    "triu fill zero index_put _local_scalar_dense item"
)
FREE = frozenset(_FREE.split())
"""Views, allocations, masks: no operator."""
COMPUTE = frozenset(("convolution", "addmm", "mm", "bmm", "baddbmm"))
"""Done at every inference even on constants, such as the first state of a recurrent layer."""


class Tape(Protocol):
    """What a translation asks of the run so far."""

    def source(self, tensor: Any) -> int | None:
        """The operator that gave `tensor`; None for parameters and constants."""
        ...

    def use(self, weight: Any) -> bool:
        """Whether this parameter was used before; it is now."""
        ...


@dataclass(frozen=True)
class Call:
    """One operation as torch carried it out."""

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    tape: Tape

    def arg(self, name: str) -> Any:
        """An argument by its name in the schema, default included; None where the schema has none of that name."""
        for place, one in enumerate(self.func._schema.arguments):
            if one.name == name:
                if place < len(self.args):
                    return self.args[place]
                return self.kwargs.get(name, one.default_value)
        return None

    @property
    def name(self) -> str:
        """Of the operation, without the mark of an in-place one."""
        return str(self.func.overloadpacket.__name__).rstrip("_")


def sample(tensor: Any) -> Shape:
    """Shape of one sample: without a leading axis of 1, unless that is all there is."""
    shape = tuple(int(side) for side in tensor.shape)
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape or (1,)


def _image(tensor: Any) -> Shape:
    """Channels, height, width of one sample; a sequence is an image one pixel high."""
    shape = tuple(int(side) for side in tensor.shape)[1:]
    return shape if len(shape) == 3 else (shape[0], 1, *shape[1:])


def _pair(value: Any, fill: int) -> tuple[int, int]:
    """Height and width of what holds one number for both, one for a sequence, or two."""
    sides = [int(one) for one in value]
    return (sides[0], sides[1]) if len(sides) == 2 else (fill, sides[0])


def _convolution(call: Call) -> Operator:
    x, weight = call.args[0], call.args[1]
    transposed, groups = bool(call.arg("transposed")), int(call.arg("groups"))
    pad = _pair(call.arg("padding"), 0)
    extra: dict[str, Any] = {"output_padding": _pair(call.arg("output_padding"), 0)} if transposed else {}
    return Operator(
        "conv_transpose2d" if transposed else "conv2d",
        _image(x),
        int(weight.shape[1]) * groups if transposed else int(weight.shape[0]),
        _pair(weight.shape[2:], 1),
        _pair(call.arg("stride"), 1),
        (*pad, *pad),
        _pair(call.arg("dilation"), 1),
        groups=groups,
        bias=call.arg("bias") is not None,
        tied=call.tape.use(weight),
        **extra,
    )


def _addmm(call: Call) -> Operator:
    weight = call.args[2]
    return Operator("linear", sample(call.args[1]), int(weight.shape[1]), bias=True, tied=call.tape.use(weight))


def _mm(call: Call) -> Operator:
    x, y = call.args[0], call.args[1]
    if call.tape.source(y) is None:
        return Operator("linear", sample(x), int(y.shape[-1]), tied=call.tape.use(y))
    return Operator("matmul", tuple(x.shape), others=(tuple(y.shape),))


def _baddbmm(call: Call) -> Operator:
    return Operator("matmul", tuple(call.args[1].shape), others=(tuple(call.args[2].shape),))


def _norm(call: Call) -> Operator:
    weight = call.arg("weight")
    affine, name = weight is not None, call.name
    if "layer_norm" in name:
        function = "layer"
    elif "group_norm" in name:
        function = "group"
    else:  # without running statistics a batch norm over one sample is an instance norm
        function = "batch" if call.arg("running_mean") is not None else "instance"
    shape = sample(call.args[0])
    tied = affine and call.tape.use(weight)
    return Operator("norm", shape, function=function, affine=affine, tied=tied)


def _activation(call: Call) -> Operator:
    name = call.name
    if name in ("hardtanh", "clamp", "clamp_min", "clamp_max"):
        name = "relu6" if tuple(call.args[1:3]) in ((0, 6), (0.0, 6.0)) else "hard_tanh"
    renamed = {"hardswish": "h_swish", "hardsigmoid": "h_sigmoid"}
    return Operator("activation", sample(call.args[0]), function=renamed.get(name, name))


def _elementwise(call: Call) -> Operator:
    shapes = [sample(one) for one in call.args[:2] if hasattr(one, "shape") and one.ndim]
    result = sample(call.result)
    others = [shape for shape in shapes if shape != result] if len(shapes) > 1 else []
    if len(shapes) > 1 and not others:
        others = [result]
    renamed = {"clone": "copy", "_softmax_backward_data": "mul", "rsub": "sub"}
    return Operator("elementwise", result, others=tuple(others), function=renamed.get(call.name, call.name))


def _concat(call: Call) -> Operator:
    shapes = [sample(one) for one in call.args[0]]
    axis = int(call.arg("dim")) % call.result.ndim
    along_channels = axis == (1 if call.result.ndim == 4 else call.result.ndim - 1)
    if len(shapes) > 1 and along_channels:
        return Operator("concat", shapes[0], others=tuple(shapes[1:]))
    return Operator("elementwise", sample(call.result), function="copy")


def _pool(call: Call) -> Operator:
    x, kernel = _image(call.args[0]), call.arg("kernel_size")
    if kernel is None:
        function = "adaptive_max" if "max" in call.name else "adaptive_avg"
        return Operator("pool", x, size=_image(call.result)[1:], function=function)
    function = ("max" if "max" in call.name else "avg") + ("_ceil" if call.arg("ceil_mode") else "")
    pad = _pair(call.arg("padding"), 0)
    step = call.arg("stride") or kernel
    kernel, step = (
        _pair(value * 2 if len(value) == 1 and call.args[0].ndim == 4 else value, 1) for value in (kernel, step)
    )
    return Operator("pool", x, kernel=kernel, stride=step, padding=(*pad, *pad), function=function)


def _reduction(call: Call) -> Operator:
    """A mean or sum: over both sides of an image a pool, else elements that are read."""
    x, function = call.args[0], "mean" if call.name == "mean" else call.name
    if x.ndim == 4 and call.result.numel() == x.shape[1]:
        return Operator("pool", _image(x), size=(1, 1), function="mean" if function == "mean" else "sum")
    return Operator("elementwise", sample(x), function=function)


def _embedding(call: Call) -> Operator:
    weight = call.args[0]
    rows, width = (int(side) for side in weight.shape)
    length = int(call.args[1].numel())
    return Operator("embedding", (length,), width, length=rows, tied=call.tape.use(weight))


def _softmax(call: Call) -> Operator:
    return Operator("softmax", sample(call.args[0]))


def _resize(call: Call) -> Operator:
    function = "nearest" if "nearest" in call.name else "bilinear" if "bilinear" in call.name else "bicubic"
    return Operator("resize", _image(call.args[0]), size=_image(call.result)[1:], function=function)


def attention(query: Any, key: Any) -> Operator:
    """Scores, softmax and weighted values of (…, heads, length, width) tensors."""
    heads, length, width = (int(side) for side in query.shape[-3:])
    return Operator("attention", (length, heads * width), length=int(key.shape[-2]), heads=heads)


def _copy(call: Call) -> Operator:
    return Operator("elementwise", sample(call.result), function="copy")


def _table(make: Callable[[Call], Operator], names: str) -> dict[str, Callable[[Call], Operator]]:
    return dict.fromkeys(names.split(), make)


ATEN: dict[str, Callable[[Call], Operator]] = {
    **_table(_convolution, "convolution"),
    **_table(_addmm, "addmm"),
    **_table(_mm, "mm bmm"),
    **_table(_baddbmm, "baddbmm"),
    **_table(
        _norm,
        "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training cudnn_batch_norm "
        "native_layer_norm native_group_norm",
    ),
    **_table(
        _activation,
        "relu relu6 hardtanh hardswish hardsigmoid sigmoid silu gelu leaky_relu tanh elu prelu _prelu_kernel mish "
        "softplus exp log sqrt rsqrt pow abs neg sin cos erf reciprocal clamp clamp_min clamp_max glu celu selu "
        "log_sigmoid",
    ),
    **_table(_elementwise, "add sub rsub mul div maximum minimum addcmul lerp"),
    **_table(
        _copy,
        "clone copy constant_pad_nd reflection_pad2d reflection_pad1d replication_pad2d roll repeat flip "
        "index index_select gather stack pixel_shuffle",
    ),
    **_table(_concat, "cat"),
    **_table(
        _pool,
        "max_pool2d_with_indices max_pool2d avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d "
        "max_pool1d_with_indices avg_pool1d",
    ),
    **_table(_reduction, "mean sum amax amin var std"),
    **_table(_embedding, "embedding"),
    **_table(_softmax, "_softmax _log_softmax _safe_softmax"),
    **_table(_resize, "upsample_nearest2d upsample_bilinear2d upsample_bicubic2d _upsample_bilinear2d_aa"),
}
"""Operation -> the operator that stands for it."""
