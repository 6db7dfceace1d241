"""A network as hardware meets it: operators in order, and which of them each one takes its inputs from.

From the edges follow the figures that no sum over operators gives: peak activation memory (liveness of every tensor in
the given order) and the longest chain of operators. An operator that gives the shape it takes works in place when
nobody else still needs its input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sim.errors import WorkloadError
from sim.operator import Operator
from sim.operator_counts import volume

INPUT = -1
_IN_PLACE = ("activation", "norm", "elementwise", "softmax")


@dataclass(frozen=True)
class Network:
    """Operators in a topological order; ``inputs[i]`` are the positions that operator i takes from, -1 the input.

    serial_steps: how many times the network waits for its own output (1, or the tokens of a decoder). idle_params:
    parameters that no operator reads, such as those of a head that only training uses.
    Raises WorkloadError where an operator takes from a later one.
    """

    operators: tuple[Operator, ...]
    inputs: tuple[tuple[int, ...], ...]
    serial_steps: int = 1
    idle_params: int = 0

    def __post_init__(self) -> None:
        if len(self.operators) != len(self.inputs):
            raise WorkloadError(f"a network of {len(self.operators)} operators with edges of {len(self.inputs)}")
        for position, sources in enumerate(self.inputs):
            if any(not INPUT <= source < position for source in sources):
                raise WorkloadError(f"operator {position} ({self.operators[position].kind}) takes from {sources}")

    @classmethod
    def chain(cls, operators: Iterable[Operator]) -> Network:
        """Each operator takes from the one before it."""
        ops = tuple(operators)
        return cls(ops, tuple((position - 1,) for position in range(len(ops))))

    def __len__(self) -> int:
        return len(self.operators)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one sample."""
        return sum(op.macs for op in self.operators)

    @property
    def params(self) -> int:
        """Trained parameters, idle ones included."""
        return sum(op.params for op in self.operators) + self.idle_params

    @property
    def kernel_launches(self) -> int:
        """Operators that a runtime starts one by one; a fused one counts once."""
        return len(self.operators)

    @property
    def critical_path_operators(self) -> int:
        """Operators on the longest chain of dependencies."""
        depth: list[int] = []
        for sources in self.inputs:
            depth.append(1 + max((depth[source] for source in sources if source != INPUT), default=0))
        return max(depth, default=0)

    @property
    def peak_activation_bytes(self) -> int:
        """Largest sum of live tensors in the given order, for one sample."""
        if not self.operators:
            return 0
        last_use = {INPUT: 0}
        for position, sources in enumerate(self.inputs):
            last_use.update(dict.fromkeys(sources, position))
        first = self.operators[0]
        live = {INPUT: -(-volume(first.parts[0].shape) * first.parts[0].activation_bits // 8)}
        peak = 0
        for position, (op, sources) in enumerate(zip(self.operators, self.inputs, strict=True)):
            written = op.bytes_written
            dying = [source for source in set(sources) if last_use.get(source) == position and source in live]
            in_place = any(live[source] >= written for source in dying) and _works_in_place(op)
            peak = max(peak, sum(live.values()) + (0 if in_place else written))
            for source in dying:
                del live[source]
            live[position] = written
            for dead in [key for key in live if last_use.get(key, len(self)) <= position and key != position]:
                del live[dead]
        return peak

    def with_bits(self, weight_bits: int, activation_bits: int) -> Network:
        """The same network on elements of another width."""
        moved: dict[Operator, Operator] = {}
        for op in self.operators:
            if op not in moved:
                moved[op] = op.with_bits(weight_bits, activation_bits)
        return replace(self, operators=tuple(moved[op] for op in self.operators))

    def then(self, later: Sequence[Operator] | Network) -> Network:
        """This network and then `later`, whose input is the last output of this one."""
        other = later if isinstance(later, Network) else Network.chain(later)
        shift, end = len(self), len(self) - 1
        moved = tuple(tuple(source + shift if source != INPUT else end for source in edge) for edge in other.inputs)
        steps, idle = max(self.serial_steps, other.serial_steps), self.idle_params + other.idle_params
        return Network(self.operators + other.operators, self.inputs + moved, steps, idle)


def _works_in_place(op: Operator) -> bool:
    """Whether each element of the result takes the place of the element that it comes from."""
    if op.kind == "fused":
        return all(_works_in_place(part) for part in op.fused)
    return op.kind in _IN_PLACE
