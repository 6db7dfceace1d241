"""All generators of a space in one: `set_active` chooses which of them a call runs, `export` cuts it out.

They share the weights of the widest: a narrower layer is the first channels of it. An exported generator gives what
the supernet gives with those channels, to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.gan.elastic import copy_leading, make_elastic, set_widths
from models.gan.family import Channels, Generators
from sim.errors import InputError


class Supernet(nn.Module):
    """`generators` in one network; the widest at first. Its state dict is that of the widest plain generator."""

    def __init__(self, generators: Generators, wide: nn.Module | None = None) -> None:
        """wide: the widest generator with weights to begin with; by default a fresh one."""
        super().__init__()
        self.generators = generators
        self.widest = tuple(max(choices) for choices in generators.space.choices)
        self.narrowest = tuple(min(choices) for choices in generators.space.choices)
        self.net = make_elastic(wide if wide is not None else generators.build(self.widest))
        self.set_active(self.widest)

    @property
    def active(self) -> Channels:
        """The channels that calls run with."""
        return self._active

    def set_active(self, channels: Channels) -> None:
        """Choose a generator. Raises InputError where it is not of the space."""
        self._active = self.generators.space.validate(tuple(channels))
        set_widths(self.net, self.generators.widths(self._active))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.net(x))

    def export(self, channels: Channels | None = None) -> nn.Module:
        """A plain generator of its own with copies of the weights, by default the active one; in the same mode."""
        chosen = self.generators.space.validate(tuple(channels)) if channels else self._active
        plain = copy_leading(self.net, self.generators.build(chosen))
        return plain.train(self.training)


def sample(generators: Generators, seed: int, step: int) -> Channels:
    """One generator of the space, uniform at each position, that follows from `seed` and `step` alone."""
    rng = np.random.default_rng((seed, step, 0xC0F1))
    return tuple(choices[rng.integers(len(choices))] for choices in generators.space.choices)


@torch.no_grad()
def recalibrate(module: nn.Module, batches: list[Tensor]) -> None:
    """Take the statistics of all batch norms anew: one pass over `batches` in training mode.

    The first batch counts whole (momentum 1), later ones with the momentum of the layer, as published. What has no
    batch norm is left as it is. Raises InputError without batches.
    """
    norms = [one for one in module.modules() if isinstance(one, nn.BatchNorm2d)]
    if not norms:
        return
    if not batches:
        raise InputError("batch norms cannot be taken anew from no images; at least one batch is needed")
    mode, momenta = module.training, [norm.momentum for norm in norms]
    module.train()
    for place, batch in enumerate(batches):
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = 1.0 if place == 0 else momentum
        module(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.train(mode)


def load_weights(module: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """`module` with copies of the tensors of `state`, which must be all that it has."""
    module.load_state_dict({name: copy.deepcopy(tensor) for name, tensor in state.items()})
    return module
