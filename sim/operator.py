"""One operator of a network: what it computes and moves for one sample, as exact integers.

`Operator` is a value: equal operators are one column of a `WorkloadBatch`. Shapes have no batch axis: (channels,
height, width) for images, (length, channels) for sequences, and all counts are for one sample. A field that a kind does
not use keeps its default. The figures of each kind are in `sim.operator_counts`.

NOT modelled: values, addresses, layouts; padding by reflection counts as zero padding; views (reshape, flatten) are no
operators, while what really moves (channel shuffle, slicing) is an elementwise ``copy``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from sim import operator_counts
from sim.errors import WorkloadError, nearest
from sim.operator_counts import Shape, volume

_CONV = {"shape", "out_channels", "kernel", "stride", "padding", "dilation", "groups", "bias"}
_PER_HEAD = {"shape", "kernel", "heads", "length"}
FIELDS: dict[str, set[str]] = {
    "conv2d": _CONV,
    "conv_transpose2d": _CONV | {"output_padding"},
    "linear": {"shape", "out_channels", "bias"},
    "matmul": {"shape", "others"},
    "attention": {"shape", "length", "heads"},
    "dynamic_conv": _PER_HEAD,
    "light_conv": _PER_HEAD,
    "pool": {"shape", "kernel", "stride", "padding", "size", "function"},
    "norm": {"shape", "function", "affine"},
    "activation": {"shape", "function"},
    "elementwise": {"shape", "others", "function"},
    "softmax": {"shape"},
    "embedding": {"shape", "length", "out_channels"},
    "resize": {"shape", "size", "function"},
    "concat": {"shape", "others"},
    "fused": {"fused"},
}
"""Fields that each kind of operator uses, besides widths, densities and `tied`."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "conv2d": ("shape", "out_channels", "kernel"),
    "conv_transpose2d": ("shape", "out_channels", "kernel"),
    "linear": ("shape", "out_channels"),
    "matmul": ("shape", "others"),
    "attention": ("shape", "length", "heads"),
    "dynamic_conv": ("shape", "kernel", "heads"),
    "light_conv": ("shape", "kernel", "heads"),
    "pool": ("shape", "function"),
    "norm": ("shape", "function"),
    "activation": ("shape", "function"),
    "elementwise": ("shape", "function"),
    "softmax": ("shape",),
    "embedding": ("shape", "length", "out_channels"),
    "resize": ("shape", "size", "function"),
    "concat": ("shape", "others"),
    "fused": ("fused",),
}
"""Fields that each kind cannot do without."""

KINDS = tuple(FIELDS)
WEIGHTED = ("conv2d", "conv_transpose2d", "linear", "dynamic_conv", "light_conv", "norm", "embedding")
_RANK = {"conv2d": 3, "conv_transpose2d": 3, "pool": 3, "resize": 3, "attention": 2, "dynamic_conv": 2, "light_conv": 2}


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator, for one sample. Raises WorkloadError naming the kind and the field that is missing or wrong.

    shape: the main input. out_channels: of convolutions, linear, embedding. kernel, stride, dilation: (height, width);
    one number of taps for light and dynamic convolutions. padding: top, left, bottom, right. length: number of keys of
    attention, rows of an embedding table, earlier positions that a light or dynamic convolution still sees. others:
    shapes of further inputs (elementwise, concat, second operand of matmul). size: height and width that a resize or an
    adaptive pool gives. function: which activation, pool, norm, elementwise. bias, affine: whether there are such
    parameters. tied: its weights belong to another operator, so that they are read but not counted as parameters (every
    step of a decoder but the first). functional: called as a function and no module of its own, which counters that
    hook modules do not see; hardware does the same. fused: the parts in order, each taking what the one before gives.

    Functions in use: pool max, avg (both also ``_ceil``), adaptive_avg, mean; norm batch, instance, layer (over the
    last axis), adaptive_instance, layer_by_hand; elementwise add, mul, copy; resize nearest, bilinear.
    """

    kind: str
    shape: Shape = ()
    out_channels: int = 0
    kernel: Shape = ()
    stride: Shape = (1, 1)
    padding: Shape = (0, 0, 0, 0)
    dilation: Shape = (1, 1)
    output_padding: Shape = (0, 0)
    groups: int = 1
    heads: int = 0
    length: int = 0
    others: tuple[Shape, ...] = ()
    size: Shape = ()
    function: str = ""
    bias: bool = False
    affine: bool = False
    tied: bool = False
    functional: bool = False
    fused: tuple[Operator, ...] = ()
    weight_bits: int = 32
    activation_bits: int = 32
    weight_density: float = 1.0
    activation_density: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in FIELDS:
            raise WorkloadError(f"no operator kind {self.kind!r}{nearest(str(self.kind), KINDS)}")
        for name in REQUIRED[self.kind]:
            if not getattr(self, name):
                raise WorkloadError(f"{self.kind}: field {name!r} is missing")
        for name, default in _UNUSED[self.kind]:
            if getattr(self, name) != default:
                raise WorkloadError(f"{self.kind} has no field {name!r}, got {getattr(self, name)!r}")
        self._check_values()

    def _check_values(self) -> None:
        kind = self.kind
        if self.shape and min(self.shape) < 1:
            raise WorkloadError(f"{kind}: field 'shape' must be positive, got {self.shape}")
        if kind in _RANK and len(self.shape) != _RANK[kind]:
            raise WorkloadError(f"{kind}: field 'shape' must have {_RANK[kind]} axes, got {self.shape}")
        if not (0.0 <= self.weight_density <= 1.0 and 0.0 <= self.activation_density <= 1.0):
            raise WorkloadError(f"{kind}: fields 'weight_density' and 'activation_density' must be within 0 and 1")
        if self.weight_bits < 1 or self.activation_bits < 1:
            raise WorkloadError(f"{kind}: fields 'weight_bits' and 'activation_bits' must be at least 1")
        check = _CHECKS.get(kind)
        if check is not None:
            check(self)

    @property
    def output_shape(self) -> Shape:
        """Shape of what it gives, without the batch axis."""
        return operator_counts.output_shape(self)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions, linear, matmul, attention, light and dynamic convolutions; else 0.

        No bias, no normalisation, no activation. A transposed convolution counts its real work (input elements).
        """
        return operator_counts.macs(self)

    @property
    def params(self) -> int:
        """Trained parameters; 0 where they are `tied`. Running statistics of a norm are not parameters."""
        if self.kind == "fused":
            return sum(part.params for part in self.fused)
        return 0 if self.tied else self.weight_elements

    @property
    def weight_elements(self) -> int:
        """Weights that have to be read, tied or not."""
        return operator_counts.weight_elements(self)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights at `weight_bits`, dense storage; an embedding reads only the rows it looks up."""
        if self.kind == "fused":
            return sum(part.weight_bytes for part in self.fused)
        count = self.shape[0] * self.out_channels if self.kind == "embedding" else self.weight_elements
        return -(-count * self.weight_bits // 8)

    @property
    def input_bytes(self) -> int:
        """Bytes of the activations that come in, all operands."""
        return operator_counts.input_bytes(self)

    @property
    def bytes_read(self) -> int:
        """Weights and incoming activations, each once."""
        return self.weight_bytes + self.input_bytes

    @property
    def bytes_written(self) -> int:
        """Bytes of what it gives."""
        last = self.fused[-1] if self.kind == "fused" else self
        return -(-volume(last.output_shape) * last.activation_bits // 8)

    @property
    def parts(self) -> tuple[Operator, ...]:
        """The operators that are no further fused: the parts of a fused one, else itself."""
        if self.kind != "fused":
            return (self,)
        return tuple(inner for part in self.fused for inner in part.parts)

    def with_bits(self, weight_bits: int, activation_bits: int) -> Operator:
        """The same operator on elements of another width, parts included."""
        parts = tuple(part.with_bits(weight_bits, activation_bits) for part in self.fused)
        return replace(self, fused=parts, weight_bits=weight_bits, activation_bits=activation_bits)


_ALWAYS = {"kind", "tied", "functional", "weight_bits", "activation_bits", "weight_density", "activation_density"}
_UNUSED = {
    kind: tuple((one.name, one.default) for one in fields(Operator) if one.name not in used | _ALWAYS)
    for kind, used in FIELDS.items()
}
"""Fields that must keep their default, by kind."""


def _check_convolution(op: Operator) -> None:
    for name, count in (("kernel", 2), ("stride", 2), ("padding", 4), ("dilation", 2)):
        value = getattr(op, name)
        if len(value) != count or min(value) < (0 if name == "padding" else 1):
            raise WorkloadError(f"{op.kind}: field {name!r} must be {count} numbers that make sense, got {value}")
    if op.groups < 1 or op.shape[0] % op.groups or op.out_channels % op.groups:
        channels = f"{op.shape[0]} and {op.out_channels} channels"
        raise WorkloadError(f"{op.kind}: field 'groups' must divide {channels}, got {op.groups}")
    if min(op.output_shape) < 1:
        raise WorkloadError(f"{op.kind}: field 'kernel' {op.kernel} does not fit into {op.shape[1:]} with its padding")


def _check_pool(op: Operator) -> None:
    if bool(op.kernel) == bool(op.size):
        raise WorkloadError("pool: one of the fields 'kernel' and 'size' is needed")
    if len(op.kernel or op.size) != 2 or min(op.output_shape) < 1:
        raise WorkloadError(f"pool: field 'kernel' {op.kernel or op.size} does not fit into {op.shape[1:]}")


def _check_matmul(op: Operator) -> None:
    if len(op.others) != 1 or len(op.shape) < 2 or len(op.others[0]) < 2 or op.others[0][-2] != op.shape[-1]:
        raise WorkloadError(f"matmul: field 'others' must hold one operand that fits {op.shape}, got {op.others}")


def _check_heads(op: Operator) -> None:
    if op.shape[1] % op.heads:
        raise WorkloadError(f"{op.kind}: field 'heads' must divide {op.shape[1]} channels, got {op.heads}")


def _check_fused(op: Operator) -> None:
    if not all(isinstance(part, Operator) for part in op.fused):
        raise WorkloadError("fused: field 'fused' must hold operators")


_CHECKS = {
    "conv2d": _check_convolution,
    "conv_transpose2d": _check_convolution,
    "pool": _check_pool,
    "matmul": _check_matmul,
    "attention": _check_heads,
    "dynamic_conv": _check_heads,
    "light_conv": _check_heads,
    "fused": _check_fused,
}
