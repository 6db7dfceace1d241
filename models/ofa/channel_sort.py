"""Sorting middle channels by importance, before a stage of training makes widths smaller.

The importance of a middle channel is the L1 norm of the projection weights that read it; narrower networks share the
first channels, which thus are the most important ones. Channels that a width already in use holds stay ahead of all
others. Every weight that knows a middle channel moves with it, so that the largest network computes what it did.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from models.ofa.elastic import ElasticBottleneck
from models.ofa.layers import SqueezeExcite, statistics
from models.ofa.supernet import Supernet
from sim.errors import InputError


@torch.no_grad()
def sort_channels(network: Supernet, stage: int = 0) -> None:
    """Sort the middle channels of all elastic blocks of `network`, most important first.

    stage: how many of the smaller expansions are trained already (0: none, all channels are compared with all). Momenta
    of an optimizer do not follow: begin with a new one. Raises InputError for a stage that the space has not.
    """
    widest_first = sorted(network.space.expansions, reverse=True)
    if not 0 <= stage < len(widest_first):
        last = len(widest_first) - 1
        raise InputError(f"{network.space.name}: width stage {stage} is not one of 0 to {last}; nearest: {last}")
    for slot, block in enumerate(network.blocks[1:]):
        widths = [network.space.middle_channels(slot, expansion) for expansion in widest_first[: stage + 1]]
        _sort(cast(ElasticBottleneck, block.conv), widths)


def order(importance: Tensor, widths: list[int]) -> Tensor:
    """Channels, most important first, those within the smallest of `widths` (largest first) before the others."""
    band = torch.zeros_like(importance, dtype=torch.long)
    for width in widths:
        band[width:] += 1
    by_importance = torch.argsort(importance, descending=True, stable=True)
    return by_importance[torch.argsort(band[by_importance], stable=True)]


def _sort(block: ElasticBottleneck, widths: list[int]) -> None:
    expand, depth, project = block.inverted_bottleneck, block.depth_conv, block.point_linear
    index = order(project.conv.conv.weight.abs().sum((0, 2, 3)), widths)
    permute(project.conv.conv.weight, index, 1)
    permute(depth.conv.conv.weight, index)
    permute(expand.conv.conv.weight, index)
    permute_norm(depth.bn.bn, index)
    permute_norm(expand.bn.bn, index)
    if depth.se is not None:
        _sort_squeeze(depth.se, index)


def _sort_squeeze(gate: SqueezeExcite, index: Tensor) -> None:
    """The gate's channels follow `index`; those between its convolutions are sorted by what reads them."""
    down, down_bias, up, up_bias = gate.filters(len(index))
    permute(down, index, 1)
    permute(up, index)
    permute(up_bias, index)
    inner = order(up.abs().sum((0, 2, 3)), [])
    permute(up, inner, 1)
    permute(down, inner)
    permute(down_bias, inner)


def permute(tensor: Tensor, index: Tensor, axis: int = 0) -> None:
    """Reorder in place, so that optimizers and views stay attached."""
    tensor.copy_(tensor.index_select(axis, index))


def permute_norm(norm: nn.BatchNorm2d, index: Tensor) -> None:
    """Reorder the channels of a batch norm."""
    for tensor in (norm.weight, norm.bias, *statistics(norm)):
        permute(tensor, index)
