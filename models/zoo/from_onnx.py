"""An ONNX file as operators: nodes in their order, shapes from ONNX's own inference.

Weights are what initializers feed; what follows from constants alone costs nothing at inference. Views (Reshape,
Flatten, Split…) cost nothing. Quantised files: Quantize and Dequantize nodes are free, and what passes through them
keeps the narrow width, weights as well as activations.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from models.zoo.onnx_nodes import FREE, NODES, Node, Shape
from sim.errors import InputError, WorkloadError, nearest
from sim.network import INPUT, Network
from sim.operator import Operator
from sim.operator_counts import volume


def from_onnx(path: str | os.PathLike[str]) -> Network:
    """The operators of the model at `path`, for one sample: a free first axis is taken as 1.

    Raises InputError where the file cannot be read as ONNX or the package `onnx` is missing, WorkloadError naming a
    node without an operator or an axis that is not fixed.
    """
    try:
        import onnx
    except ImportError:
        raise InputError("reading ONNX files needs the package 'onnx'; nearest: pip install 'hwloop[onnx]'") from None
    name = os.fspath(path)
    try:
        model = onnx.load(name, load_external_data=False)
        _fix_batch(model.graph)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except WorkloadError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {name!r}: {error.strerror or error}") from None
    except Exception as error:
        raise InputError(f"{name!r} is no ONNX model: {' '.join(str(error).split())[:200]}") from None
    return _Reader(model.graph).network()


def _fix_batch(graph: Any) -> None:
    """Make the first axis of each input 1 where it is free."""
    constants = {one.name for one in graph.initializer}
    for value in graph.input:
        sides = value.type.tensor_type.shape.dim
        if value.name in constants or not len(sides):
            continue
        if len(sides) == 4 and sides[0].dim_value > 1:
            batch = sides[0].dim_value
            raise WorkloadError(
                f"input {value.name!r} is fixed to a batch of {batch}; nearest: export with a batch of 1"
            )
        if not sides[0].dim_value:
            sides[0].dim_value = 1
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")


@dataclass
class _Reader:
    """Walks a graph. constants: bits of what is known before the run; roots: the initializer behind a constant; sources
    and bits: operator and element width behind an activation."""

    graph: Any
    operators: list[Operator] = field(default_factory=list)
    inputs: list[tuple[int, ...]] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    bits: dict[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def network(self) -> Network:
        """All nodes as operators."""
        graph = self.graph
        for one in graph.initializer:
            self.shapes[one.name], self.constants[one.name] = tuple(one.dims), _bits(one.data_type)
        for value in (*graph.input, *graph.value_info, *graph.output):
            self._value(value)
        for value in graph.input:
            if value.name not in self.constants:
                self.sources[value.name] = INPUT
        for node in graph.node:
            self._node(node)
        held = sum(op.params for op in self.operators)
        return Network(tuple(self.operators), tuple(self.inputs), idle_params=max(0, self._trained() - held))

    def _trained(self) -> int:
        """Elements of all initializers that are weights: no numbers, no integers, no running statistics."""
        statistics = {
            name for node in self.graph.node if node.op_type == "BatchNormalization" for name in node.input[3:]
        }
        return sum(
            volume(one.dims)
            for one in self.graph.initializer
            if one.dims and one.name not in statistics and _kind(one.data_type) == "f"
        )

    def _value(self, value: Any) -> None:
        kind = value.type.tensor_type
        if kind.elem_type and _kind(kind.elem_type) == "f":
            self.bits[value.name] = _bits(kind.elem_type)
        sides = [one.dim_value for one in kind.shape.dim]
        if kind.HasField("shape") and all(sides):
            self.shapes[value.name] = tuple(sides)

    def _node(self, node: Any) -> None:
        names = [name for name in node.input if name]
        if all(name in self.constants for name in names):
            for name in node.output:
                self.constants[name] = self.constants[names[0]] if names else 32
                self.roots[name] = self.roots.get(names[0], names[0]) if names else name
                self.shapes.setdefault(name, self.shapes.get(names[0], ()) if names else ())
            return
        moving = [name for name in names if name in self.sources]
        if node.op_type in FREE or len(self.shapes.get(node.output[0], (1, 1))) < 2:  # a view, or it computes shapes
            for name in node.output:
                self.sources[name] = self.sources[moving[0]]
                narrow = node.op_type == "QuantizeLinear"
                self.bits[name] = 8 if narrow else self.bits.get(moving[0], 32)
            return
        make = NODES.get(node.op_type)
        if make is None:
            raise WorkloadError(f"ONNX node {node.op_type!r} has no operator{nearest(node.op_type, NODES)}")
        described, weight_bits = self._described(node)
        width = self.bits.get(moving[0], 32)
        self.operators.append(make(described).with_bits(weight_bits, width))
        self.inputs.append(tuple(dict.fromkeys(self.sources[name] for name in moving)))
        for name in node.output:
            self.sources[name], self.bits[name] = len(self.operators) - 1, width

    def _described(self, node: Any) -> tuple[Node, int]:
        """What is known of a node, and the width of its weights."""
        from onnx.helper import get_attribute_value

        for name in (*node.input, node.output[0]):
            if name and name not in self.shapes:
                raise WorkloadError(f"ONNX node {node.name or node.op_type!r}: the shape of {name!r} is not fixed")
        weights = {place: self.shapes[name] for place, name in enumerate(node.input) if name in self.constants}
        weight = next((name for name in node.input if name in self.constants), "")
        root = self.roots.get(weight, weight)
        tied = bool(root) and root in self.used
        self.used.add(root)
        attributes = {one.name: get_attribute_value(one) for one in node.attribute}
        shapes = tuple(self.shapes[name] if name else None for name in node.input)
        return Node(node.op_type, attributes, shapes, weights, self.shapes[node.output[0]], tied), (
            self.constants.get(weight, 32)
        )


def _kind(data_type: int) -> str:
    """``f`` for floating, ``i`` and ``u`` for integers, as NumPy has it."""
    from onnx import helper

    return str(helper.tensor_dtype_to_np_dtype(data_type).kind)


def _bits(data_type: int) -> int:
    from onnx import helper

    return min(32, 8 * int(helper.tensor_dtype_to_np_dtype(data_type).itemsize))
