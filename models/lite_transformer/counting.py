"""Operators of a built model, as torch runs it: `from_torch`, with the products of convolutions named as what they are.

Counted as published: no embeddings, no output projection. What ships beside it in `translation` counts the same
networks from their description alone; the two must agree.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.lite_transformer.convolution import Convolution
from models.lite_transformer.model import TextModel
from models.zoo.from_torch import from_torch
from sim.errors import WorkloadError
from sim.operator import Operator


class _Body(nn.Module):
    """The layers, from embedded source and target."""

    def __init__(self, model: TextModel) -> None:
        super().__init__()
        self.encoder, self.decoder = model.encoder, model.decoder

    def forward(self, *x: Tensor) -> Tensor:
        memory = self.encoder(x[0]) if self.encoder is not None else None
        result: Tensor = self.decoder(x[-1], memory)
        return result


def operators(model: TextModel, source: int = 30, target: int = 30) -> list[Operator]:
    """All operators of one sentence of `source` and `target` tokens at once, for `mac_rules.count`.

    Raises WorkloadError where the convolutions did not run as banded products (a long sentence, short kernels).
    """
    width = model.settings.width
    lengths = (source, target) if model.encoder is not None else (target,)
    ran: list[Convolution] = []
    convolutions = [one for one in model.modules() if isinstance(one, Convolution)]
    hooks = [one.register_forward_pre_hook(lambda module, _: ran.append(module)) for one in convolutions]
    try:
        network = from_torch(_Body(model), *(torch.zeros(1, length, width) for length in lengths))
    finally:
        for hook in hooks:
            hook.remove()
    waiting = iter(ran[-len(convolutions) :] if convolutions else [])
    named = [_named(op, next(waiting, None)) if op.kind == "matmul" else op for op in network.operators]
    if next(waiting, None) is not None:
        raise WorkloadError(f"a convolution over {max(lengths)} tokens ran as windows; nearest: 30 tokens")
    return named


def _named(op: Operator, module: Convolution | None) -> Operator:
    """The banded product `op` as the convolution that it computes."""
    length = op.shape[-2]
    if module is None or op.macs != module.width * length * length:
        raise WorkloadError(f"a product of {op.macs} MACs is no banded convolution; nearest: 30 tokens")
    kind = "dynamic_conv" if module.dynamic else "light_conv"
    return Operator(kind, (length, module.width), kernel=(module.taps,), heads=module.heads)
