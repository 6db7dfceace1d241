"""A network of operators as a torch module that really runs them, for measuring.

One interpreter for all networks: each operator is a torch module (`operator_modules`), each edge hands its tensor on,
and a tensor is let go after its last use, as the local variables of a hand-written module are. Where an operator takes
a part of what its source gives (half of the channels, a flattened image) it gets a view; an operand that no operator
of the network gives (a second input, a stored state) is a constant. Eager torch fuses nothing, so what runs here is
the network as lowered, operator by operator.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from models.zoo.operator_modules import Shape, operand_shapes, operator_module
from sim.network import INPUT, Network
from sim.operator_counts import volume

_OVERWRITES = ("conv2d", "conv_transpose2d", "linear", "norm", "elementwise")


def make_call(
    network: Network, target: str = "cpu", dtype: str = "float32", batch_size: int = 1, *, timed: bool = False
) -> Callable[[], Any]:
    """A call that runs `network` once; see `sim.mobile_cost.host_profile.Runnable`. Raises WorkloadError."""
    module = RunnableNetwork(network).to(device=target, dtype=getattr(torch, dtype))
    example = module.example(batch_size).to(device=target, dtype=getattr(torch, dtype))
    if target == "cuda":
        return lambda: _waited(module, example)
    if timed:
        return lambda: module.timed(example, time.perf_counter)
    return lambda: module(example)


def _waited(module: nn.Module, example: Tensor) -> None:
    module(example)
    torch.cuda.synchronize()


class RunnableNetwork(nn.Module):
    """`network` with random weights from `seed`. Call it with (batch, *shape of the network's input).

    Raises WorkloadError naming an operator that torch is not asked for here.
    """

    def __init__(self, network: Network, seed: int = 0) -> None:
        super().__init__()
        self.network = network
        self.input_shape: Shape = network.operators[0].parts[0].shape
        uses = _uses(network)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.steps = nn.ModuleList(
                operator_module(op, in_place=_may_overwrite(network, position, uses))
                for position, op in enumerate(network.operators)
            )
        self._views = [self._operands(position) for position in range(len(network))]
        self._dead = _dead_after(network)
        self._constants: dict[Shape, Tensor] = {}
        self.eval()

    def example(self, batch_size: int = 1) -> Tensor:
        """An input of the right shape, in the element type of the weights, on their device."""
        like = next(self.parameters(), torch.zeros(1))
        values = torch.rand(batch_size, *self.input_shape, generator=torch.Generator().manual_seed(0))
        return values.to(like)

    def forward(self, x: Tensor) -> Tensor:
        """The result of the last operator."""
        return self._run(x, None)

    def timed(self, x: Tensor, clock: Callable[[], float]) -> list[float]:
        """Run once; the seconds of each operator and of getting to it. For CPUs, which queue nothing.

        The input is written just before, untimed, as the layer in front of a block would have left it in the caches.
        """
        x = x.clone()
        stamps = [clock()]
        self._run(x, lambda: stamps.append(clock()))
        return [after - before for before, after in itertools.pairwise(stamps)]

    def _run(self, x: Tensor, done: Callable[[], None] | None) -> Tensor:
        tensors: dict[int, Tensor] = {INPUT: x}
        result = x
        for position, step in enumerate(self.steps):
            operands = [
                tensors[source] if how is None else self._fitted(tensors.get(source), how, x)
                for source, how in self._views[position]
            ]
            tensors[position] = result = step(*operands)
            del operands
            for gone in self._dead[position]:
                del tensors[gone]
            if done is not None:
                done()
        return result

    def _operands(self, position: int) -> list[tuple[int, Shape | None]]:
        """For each operand where it comes from, and the shape to make of it; None where it fits as it is."""
        op, network = self.network.operators[position], self.network
        available = list(network.inputs[position])
        found: list[tuple[int, Shape | None]] = []
        for place, wanted in enumerate(operand_shapes(op)):
            source = available[place] if place < len(available) else self._repeated(available, wanted)
            given = self._given(source)
            if given is not None and (given != wanted):
                narrower = len(given) == len(wanted) and all(a >= b for a, b in zip(given, wanted, strict=True))
                if volume(given) != volume(wanted) and not narrower:
                    source, given = _CONSTANT, None
            found.append((source, None if given == wanted else wanted))
        return found

    def _repeated(self, available: list[int], wanted: Shape) -> int:
        """An operand that was named once though it is used twice, or none."""
        return next((source for source in available if self._given(source) == wanted), _CONSTANT)

    def _given(self, source: int) -> Shape | None:
        if source == _CONSTANT:
            return None
        return self.input_shape if source == INPUT else self.network.operators[source].output_shape

    def _fitted(self, tensor: Tensor | None, shape: Shape, like: Tensor) -> Tensor:
        whole = (like.shape[0], *shape)
        if tensor is None:
            if whole not in self._constants:
                self._constants[whole] = like.new_full(whole, 0.5)
            return self._constants[whole]
        if tensor.numel() == volume(whole):
            return tensor.reshape(whole)
        for axis, side in enumerate(shape, start=1):
            tensor = tensor.narrow(axis, 0, side)
        return tensor


_CONSTANT = -2


def _uses(network: Network) -> dict[int, int]:
    uses: dict[int, int] = {}
    for sources in network.inputs:
        for source in sources:
            uses[source] = uses.get(source, 0) + 1
    return uses


def _may_overwrite(network: Network, position: int, uses: dict[int, int]) -> bool:
    """Whether operator `position` alone uses a whole fresh tensor."""
    sources = network.inputs[position]
    if len(sources) != 1 or sources[0] == INPUT or uses[sources[0]] != 1:
        return False
    source = network.operators[sources[0]]
    return source.kind in _OVERWRITES and source.output_shape == network.operators[position].shape


def _dead_after(network: Network) -> list[list[int]]:
    """Sources that nobody needs any more, for each operator."""
    last: dict[int, int] = {}
    for position, sources in enumerate(network.inputs):
        last.update(dict.fromkeys(sources, position))
    dead: list[list[int]] = [[] for _ in network.operators]
    for source, position in last.items():
        dead[position].append(source)
    return dead
