"""Batch norm statistics of one network, from images: what a sub-network needs before it is scored or delivered.

The running statistics of a supernet are a mixture over all that trained; accuracy collapses under them. Here each layer
normalises with the statistics of its batch, and mean and variance (the biased one) of the batches, weighted by their
sizes, are written into the first C entries of each layer that ran, C being its width in this network. With
momentum 1 a batch norm in training mode leaves exactly those in its buffers, so that nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.ofa.elastic import ElasticBatchNorm
from models.ofa.layers import statistics
from sim.errors import InputError


@dataclass
class _Sums:
    """Sums over batches of mean and variance, each times the images of its batch, in float64."""

    mean: Tensor
    variance: Tensor
    images: int = 0

    def add(self, norm: nn.BatchNorm2d, x: Tensor) -> None:
        """The statistics that `norm` has just left for its input `x`."""
        channels, values = x.shape[1], x.numel() // x.shape[1]
        mean, variance = statistics(norm)
        self.mean += mean[:channels] * float(len(x))
        self.variance += variance[:channels] * (len(x) * (values - 1) / values)  # unbiased to biased
        self.images += len(x)


def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> int:
    """Set the statistics of all batch norms that `network` runs on `batches` (N, C, H, W); gives the images seen.

    network: exported, or a supernet, of which the active sub-network is run. Modes are as before when it returns, and
    the statistics too where it raises. Raises InputError without images, or with a single value for a channel.
    """
    layers = {name: one for name, one in network.named_modules() if isinstance(one, ElasticBatchNorm | nn.BatchNorm2d)}
    inner = {id(one.bn) for one in layers.values() if isinstance(one, ElasticBatchNorm)}
    outer = {name: one for name, one in layers.items() if id(one) not in inner}
    norms = {name: one.bn if isinstance(one, ElasticBatchNorm) else one for name, one in outer.items()}
    sums: dict[str, _Sums] = {}
    images = 0
    with _measuring(network, list(norms.values())), torch.no_grad():
        handles = [one.register_forward_hook(_hook(name, norms[name], sums)) for name, one in outer.items()]
        try:
            for batch in batches:
                network(batch)
                images += len(batch)
        except ValueError as error:  # torch's own, for one value a channel
            raise InputError(f"batch norm statistics: {error}") from None
        finally:
            for handle in handles:
                handle.remove()
        if not images:
            raise InputError("batch norm statistics need images; got none")
    for name, found in sums.items():
        mean, variance = statistics(norms[name])
        mean[: len(found.mean)] = (found.mean / found.images).to(mean.dtype)
        variance[: len(found.variance)] = (found.variance / found.images).to(variance.dtype)
    return images


def _hook(name: str, norm: nn.BatchNorm2d, sums: dict[str, _Sums]) -> Any:
    def seen(_module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        if name not in sums:
            zeros = torch.zeros(inputs[0].shape[1], dtype=torch.float64, device=norm.weight.device)
            sums[name] = _Sums(zeros, zeros.clone())
        sums[name].add(norm, inputs[0])

    return seen


@contextmanager
def _measuring(network: nn.Module, norms: list[nn.BatchNorm2d]) -> Iterator[None]:
    """Everything as in inference but batch norms, which take momentum 1; modes and buffers are restored."""
    training = [one for one in network.modules() if one.training]
    momenta = [norm.momentum for norm in norms]
    kept = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    try:
        yield
    finally:
        network.eval()
        for one in training:
            one.training = True
        for norm, momentum, buffers in zip(norms, momenta, kept, strict=True):
            norm.momentum = momentum
            for name, buffer in norm.named_buffers():
                buffer.copy_(buffers[name])
