"""How others count multiply-accumulates: named rules over operators, beside the true count.

A published figure is only comparable under its own rule: the same CycleGAN generator is 49.6 G or 56.8 G. Each rule is
a function of one operator; `count` adds it up over a network. Parameters do not depend on the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.errors import InputError, nearest
from sim.network import Network
from sim.operator import Operator
from sim.operator_counts import volume

Rule = Callable[[Operator], int]

_PTFLOPS_ACTIVATIONS = {"relu": 2, "prelu": 2, "elu": 2, "gelu": 2, "relu6": 1, "leaky_relu": 1, "silu": 1}
_BY_HAND = ("adaptive_instance", "layer_by_hand")


def true(op: Operator) -> int:
    """What hardware must multiply: convolutions, linear, matmul, attention. A transposed convolution counts its input
    elements; no bias, no normalisation, no elementwise work."""
    return op.macs


def torchprofile_0_0_1(op: Operator) -> int:
    """As true, but a transposed convolution is charged on its output grid, and norms, products and averages count. The
    grid makes it 4 times as much at stride 2. Adds one for each output element of products, averages, and instance and
    layer norms (affine or not); batch norm is free. Linear layers are not seen: today's torch traces them as an
    operator that this version does not know. Norms written by hand from batch norm or products also count their one
    scalar product or mean."""
    if op.kind == "linear":
        return 0
    if op.kind == "norm":
        if op.function in _BY_HAND:
            return 1 + (volume(op.shape) if op.function == "layer_by_hand" else 0)
        return volume(op.shape) if op.function != "batch" else 0
    return _torchprofile(op)


def torchprofile_0_1_0(op: Operator) -> int:
    """As 0.0.1, but linear layers count, a norm of any kind counts only if affine, and leaky ReLU its elements."""
    if op.kind == "norm":
        return volume(op.shape) + 1 if op.function in _BY_HAND else volume(op.shape) * op.affine
    if op.kind == "activation" and op.function == "leaky_relu":
        return volume(op.shape)
    return _torchprofile(op)


def _torchprofile(op: Operator) -> int:
    if op.kind == "conv_transpose2d":
        return volume(op.output_shape) * op.shape[0] // op.groups * volume(op.kernel)
    if op.kind == "elementwise" and op.function == "mul":
        return volume(op.shape)
    if op.kind == "pool" and not op.function.startswith("max"):
        return volume(op.output_shape)
    if op.kind == "resize" and op.function == "bilinear":
        return 4 * volume(op.output_shape)
    return op.macs


def fvcore(op: Operator) -> int:
    """As true, plus norms, adaptive average pools and resizing. Adds 2 an element for affine batch norm (1 without), 5
    for other affine norms (4 without), the input elements of adaptive average pools (a mean over axes is not seen), 1
    an output element of nearest and 4 of bilinear resizing. Bias, activations, products, sums and sliding pools are
    free."""
    if op.kind == "norm":
        if op.function == "batch":
            return volume(op.shape) * (2 if op.affine else 1)
        return volume(op.shape) * (5 if op.affine else 4)
    if op.kind == "pool" and op.function == "adaptive_avg":
        return volume(op.shape)
    if op.kind == "resize":
        return volume(op.output_shape) * (4 if op.function == "bilinear" else 1)
    return op.macs


def thop(op: Operator) -> int:
    """As true for what is a module, plus norms and average pools. A transposed convolution is charged on its output
    grid. Adds 4 an element for affine norms (2 without), 1 an output element of average pools, and for an adaptive
    average pool each output element times its window plus one. What is functional, sums, products and attention are not
    seen."""
    if op.kind == "norm":
        return volume(op.shape) * (4 if op.affine else 2)
    if op.kind == "pool" and op.functional:
        return 0
    if op.kind == "pool" and op.function.startswith("avg"):
        return volume(op.output_shape)
    if op.kind == "pool" and op.function == "adaptive_avg":
        return volume(op.shape) + volume(op.output_shape)
    if op.kind == "conv_transpose2d":
        return volume(op.output_shape) * op.shape[0] // op.groups * volume(op.kernel)
    if op.kind in ("attention", "matmul"):
        return 0
    return op.macs


def ptflops(op: Operator) -> int:
    """Elements too: as true, plus bias, norms, pools and most activations. Adds 1 an output element for a bias, 2 an
    element for affine norms (1 without), 1 for ReLU6, leaky ReLU and SiLU, 1 an output element of resizing, 1 an
    element of softmax and of functional pools. ReLU, GELU and pools that are modules count 2, since the tool meets them
    twice: as module and as the function it calls. Hard swish, hard sigmoid, sigmoid, tanh, means, and sums and products
    written as operators are not seen."""
    if op.kind == "norm":
        return volume(op.shape) * (2 if op.affine else 1)
    if op.kind == "activation":
        times = _PTFLOPS_ACTIVATIONS.get(op.function, 0)
        return volume(op.shape) * (min(times, 1) if op.functional else times)
    if op.kind == "pool" and op.function != "mean":
        return volume(op.shape) * (1 if op.functional else 2)
    if op.kind == "softmax":
        return volume(op.shape)
    if op.kind == "resize":
        return volume(op.output_shape)
    return op.macs + (volume(op.output_shape) if op.bias else 0)


def linears_only(op: Operator) -> int:
    """Lite Transformer's M0: linear layers and attention; light and dynamic convolutions are left out."""
    return 0 if op.kind in ("light_conv", "dynamic_conv") else op.macs


def banded(op: Operator) -> int:
    """Lite Transformer's M2: light and dynamic convolutions as the banded length x length product that a CPU runs."""
    if op.kind in ("light_conv", "dynamic_conv"):
        return volume(op.shape) * (op.shape[0] + op.length)
    return op.macs


RULES: dict[str, Rule] = {
    "true": true,
    "torchprofile-0.0.1": torchprofile_0_0_1,
    "torchprofile-0.1.0": torchprofile_0_1_0,
    "fvcore": fvcore,
    "thop": thop,
    "ptflops": ptflops,
    "linears-only": linears_only,
    "banded": banded,
}


def rule(name: str) -> Rule:
    """A rule by its name. Raises InputError naming the nearest one."""
    if name not in RULES:
        raise InputError(f"no MAC rule {name!r}{nearest(name, RULES)}")
    return RULES[name]


def count(network: Network | Iterable[Operator], rule_name: str = "true") -> int:
    """MACs of a network under a rule, one sample; fused operators count as their parts."""
    chosen = rule(rule_name)
    operators = network.operators if isinstance(network, Network) else network
    return sum(chosen(part) for op in operators for part in op.parts)
