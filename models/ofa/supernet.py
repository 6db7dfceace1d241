"""The weight-shared networks of a space of inverted bottlenecks, and the plain networks that come out of them.

All networks of the space share the weights of the largest: a kernel is the transformed centre of a larger one, a width
the first channels, a depth the first blocks of a stage. Parameter names and shapes are those of the public package.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import cast

from torch import Tensor, nn

from models.ofa import layers
from models.ofa.architecture import Architecture, Population
from models.ofa.checkpoint import load
from models.ofa.elastic import ElasticBottleneck
from models.ofa.layers import InvertedBottleneck, Residual
from models.ofa.space import Space
from models.zoo.mbconv import MBConv


class MobileNet(nn.Module):
    """A plain network of the shape of a space: stem, fixed first block, `blocks`, head. Images to logits."""

    def __init__(self, space: Space, blocks: Iterable[nn.Module], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.space = space
        function = space.functions[-1]
        self.first_conv = layers.ConvNorm(
            space.in_channels, space.stem, 3, space.stem_stride, function=space.functions[0]
        )
        fixed = InvertedBottleneck(space.stem, MBConv(space.first, space.stem, 3, 1, space.functions[1]))
        self.blocks = nn.ModuleList([Residual(fixed, space.first_skip and space.stem == space.first), *blocks])
        if space.expand:
            self.final_expand_layer = layers.ConvNorm(space.widths[-1], space.expand, 1, function=function)
            mix = nn.Conv2d(space.expand, space.mix, 1, bias=False)
            self.feature_mix_layer: nn.Module = layers.sequence(conv=mix, act=layers.activation(function))
        else:
            self.feature_mix_layer = layers.ConvNorm(space.widths[-1], space.mix, 1, function=function)
        self.classifier = layers.classifier(space.mix, space.classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, classes). Raises InputError where the shape does not fit."""
        x = layers.images(x, self.space.in_channels, self.space.least_side, self.space.name)
        x = layers.laid_out(self.first_conv(x))  # a grey image has no layout
        for block in self.active_blocks():
            x = block(x)
        if self.space.expand:
            x = self.feature_mix_layer(layers.mean_of_plane(self.final_expand_layer(x)))
        else:
            x = layers.mean_of_plane(self.feature_mix_layer(x))
        return cast(Tensor, self.classifier(x.flatten(1)))

    def active_blocks(self) -> Iterable[nn.Module]:
        """Those that a call runs, in order."""
        return self.blocks

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        """For an optimizer: weights with `weight_decay`; batch norms and biases without."""
        return layers.parameter_groups(self, weight_decay)


class Supernet(MobileNet):
    """All networks of a space in one; `set_active` chooses which of them a call runs. The largest at first."""

    def __init__(self, space: Space, *, dropout: float = 0.0) -> None:
        blocks = [_elastic(space, slot) for slot in range(len(space.stage_of_slot))]
        super().__init__(space, blocks, dropout=dropout)
        layers.initialise(self)
        layers.set_norms(self, space.momentum, space.epsilon)
        self.set_active(space.largest)

    @property
    def active(self) -> Architecture:
        """The architecture that calls run; its resolution is only a note, that of the input is what counts."""
        return self._active

    def set_active(self, arch: Architecture) -> None:
        """Choose a network. Raises InputError where it is not of the space."""
        self._active = self.space.validate(arch)
        present = self.space.active(Population.of([arch]))[0].tolist()
        self._present = [0, *(1 + slot for slot, used in enumerate(present) if used)]
        for slot, block in enumerate(self.blocks[1:]):
            elastic = cast(ElasticBottleneck, block.conv)
            elastic.kernel = arch.ks[slot]
            elastic.middle = self.space.middle_channels(slot, arch.e[slot])

    def active_blocks(self) -> Iterable[nn.Module]:
        """Those of the chosen network."""
        return [self.blocks[place] for place in self._present]

    def export(self, arch: Architecture | None = None) -> MobileNet:
        """A plain network of its own, by default the active one: weights copied, transforms folded, statistics cut.

        It is on the same device and in the same mode (training or not). The supernet stays as it is.
        """
        chosen = self.space.validate(arch) if arch else self._active
        used = self.space.active(Population.of([chosen]))[0]
        blocks = []
        for slot, block in enumerate(self.blocks[1:]):
            if used[slot]:
                elastic, middle = cast(ElasticBottleneck, block.conv), self.space.middle_channels(slot, chosen.e[slot])
                blocks.append(Residual(elastic.export(chosen.ks[slot], middle), cast(Residual, block).skip))
        plain = MobileNet(self.space, blocks)
        plain.first_conv = copy.deepcopy(self.first_conv)
        plain.blocks[0] = copy.deepcopy(self.blocks[0])
        if self.space.expand:
            plain.final_expand_layer = copy.deepcopy(self.final_expand_layer)
        plain.feature_mix_layer = copy.deepcopy(self.feature_mix_layer)
        plain.classifier = copy.deepcopy(self.classifier)
        plain.train(self.training)
        return plain

    def load_checkpoint(self, source: str | PathLike[str] | Mapping[str, Tensor]) -> None:
        """Take weights from a file or a state dict of this code or of the public package.

        Kernel transforms that it lacks (a network trained without them) become identity. Raises InputError naming the
        first key that is missing, unknown or of another shape; then nothing has changed.
        """
        load(self, source, self.space.name)


def _elastic(space: Space, slot: int) -> Residual:
    stage = space.stage_of_slot[slot]
    starts = space.position_of_slot[slot] == 0
    before, after = (space.first, *space.widths)[stage if starts else stage + 1], space.widths[stage]
    block = ElasticBottleneck(
        before,
        after,
        space.middle_channels(slot, max(space.expansions)),
        space.kernels,
        space.strides[stage] if starts else 1,
        space.functions[stage + 2],
        space.squeeze[stage],
    )
    return Residual(block, block.stride == 1 and before == after)
