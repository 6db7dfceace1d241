"""Fusion: what a runtime runs as one kernel, as named rewrites of a network.

A rule looks at what a kernel holds so far and at an operator that alone uses its result, and says whether the operator
joins. A fused operator runs where its last part stood, so every input is there. No rule changes MACs or parameters;
what stays on the chip is no longer read or written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from sim.errors import WorkloadError, nearest
from sim.network import INPUT, Network
from sim.operator import Operator

Rule = Callable[[Sequence[Operator], Operator], bool]
_COMPUTE = ("conv2d", "conv_transpose2d", "linear", "matmul")


def norm_into_convolution(parts: Sequence[Operator], op: Operator) -> bool:
    """A batch norm right behind a convolution or linear layer: at inference it is a part of their weights."""
    return op.kind == "norm" and op.function == "batch" and parts[-1].kind in _COMPUTE


def activation_behind(parts: Sequence[Operator], op: Operator) -> bool:
    """An activation behind a convolution, linear layer, matmul, norm or sum, applied as the result is stored."""
    return op.kind == "activation" and op.function != "glu" and parts[0].kind in (*_COMPUTE, "norm", "elementwise")


def sum_behind(parts: Sequence[Operator], op: Operator) -> bool:
    """A residual sum behind a convolution, linear layer or matmul, one for each kernel."""
    joined = any(part.kind == "elementwise" for part in parts)
    return op.kind == "elementwise" and op.function == "add" and parts[0].kind in _COMPUTE and not joined


def attention_core(parts: Sequence[Operator], op: Operator) -> bool:
    """Scores, softmax and weighted values as one kernel: matmul, (scale), softmax, matmul."""
    if op.kind == "softmax" or (op.kind == "elementwise" and op.function == "mul"):
        return parts[0].kind == "matmul" and all(part.kind != "softmax" for part in parts)
    return op.kind == "matmul" and parts[0].kind == "matmul" and parts[-1].kind == "softmax"


RULES: dict[str, Rule] = {
    "norm_into_convolution": norm_into_convolution,
    "activation_behind": activation_behind,
    "sum_behind": sum_behind,
    "attention_core": attention_core,
}
"""Rules by name. ``squeeze_excite`` is a further name that `fuse` takes: its pattern is whole or not at all."""
INFERENCE = ("norm_into_convolution", "activation_behind", "sum_behind")
"""What mobile runtimes do."""


def fuse(network: Network, rules: Iterable[str] = INFERENCE) -> Network:
    """`network` with `rules` applied. Raises WorkloadError naming an unknown rule and the nearest one."""
    names = list(rules)
    return _merged(network, grouped(network, names)) if names else network


def grouped(network: Network, rules: Iterable[str] = INFERENCE) -> list[list[int]]:
    """For each operator the positions of all that share its kernel under `rules`, in order. Raises WorkloadError."""
    names = list(rules)
    known = [*RULES, "squeeze_excite"]
    for name in names:
        if name not in known:
            raise WorkloadError(f"no fusion rule {name!r}{nearest(name, known)}")
    groups = [[position] for position in range(len(network))]
    if "squeeze_excite" in names:
        _group_squeeze_excite(network, groups)
    chosen = [RULES[name] for name in names if name in RULES]
    uses = _uses(network)
    for position, op in enumerate(network.operators):
        if len(groups[position]) > 1:
            continue
        for source in sorted(set(network.inputs[position]), reverse=True):
            if source == INPUT or uses[source] != 1 or groups[source][-1] != source:
                continue
            parts = [network.operators[member] for member in groups[source]]
            if any(rule(parts, op) for rule in chosen):
                groups[source].append(position)
                groups[position] = groups[source]
                break
    return groups


def squeeze_excite_parts(network: Network, product: int) -> list[int]:
    """Positions from the global pool to the product, where `product` scales by a squeeze-and-excite; else nothing.

    The pattern: the product's second operand comes by single uses from a pool of what the product's first operand is.
    """
    op, uses = network.operators[product], _uses(network)
    if op.kind != "elementwise" or op.function != "mul" or len(network.inputs[product]) != 2:
        return []
    scaled, position = network.inputs[product]
    found = [product]
    while position != INPUT and uses[position] == 1 and len(network.inputs[position]) == 1:
        found.append(position)
        part = network.operators[position]
        if part.kind == "pool":
            return found[::-1] if network.inputs[position] == (scaled,) and part.output_shape[1:] == (1, 1) else []
        if part.kind not in ("conv2d", "linear", "activation"):
            return []
        position = network.inputs[position][0]
    return []


def _group_squeeze_excite(network: Network, groups: list[list[int]]) -> None:
    for position, op in enumerate(network.operators):
        found = squeeze_excite_parts(network, position) if op.function == "mul" else []
        for member in found:
            groups[member] = found


def _uses(network: Network) -> list[int]:
    """How many operators take from each; the last result of all counts as used once more."""
    uses = [0] * len(network)
    for sources in network.inputs:
        for source in set(sources) - {INPUT}:
            uses[source] += 1
    return uses


def _merged(network: Network, groups: list[list[int]]) -> Network:
    """One operator for each group, at the place of its last part."""
    place: dict[int, int] = {INPUT: INPUT}
    operators: list[Operator] = []
    inputs: list[tuple[int, ...]] = []
    for position in range(len(network)):
        group = groups[position]
        if group[-1] != position:
            continue
        members = set(group)
        outer = [source for member in group for source in network.inputs[member] if source not in members]
        parts = tuple(part for member in group for part in network.operators[member].parts)
        operators.append(network.operators[position] if len(group) == 1 else _fused(parts))
        inputs.append(tuple(dict.fromkeys(place[source] for source in outer)))
        place.update(dict.fromkeys(group, len(operators) - 1))
    return Network(tuple(operators), tuple(inputs), network.serial_steps, network.idle_params)


@functools.lru_cache(maxsize=100_000)
def _fused(parts: tuple[Operator, ...]) -> Operator:
    """One object for equal kernels, which many networks share."""
    return Operator("fused", fused=parts)
