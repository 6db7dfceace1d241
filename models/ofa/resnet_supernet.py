"""The weight-shared ResNet50D networks: stem skip, depth, bottleneck width, output width of each stage.

A width is the first channels of the largest. Parameter names and shapes are those of the public package.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import NamedTuple, cast

from torch import Tensor, nn
from torch.nn import functional

from models.ofa import layers, resnet_space
from models.ofa.checkpoint import load
from models.ofa.elastic import ElasticConvNorm
from models.ofa.resnet_layers import Bottleneck, ElasticResNetBottleneck, StemResidual
from models.ofa.resnet_space import POSITION_OF_SLOT, STAGE_OF_SLOT, STRIDES, ResNetArchitecture

LEAST_SIDE = 32
_NAME = "resnet50d"


class Widths(NamedTuple):
    """Channels of a network: of the inner stem, of the stem, then of each slot's middle and output."""

    inner: int
    stem: int
    middle: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(cls, arch: ResNetArchitecture) -> Widths:
        """Those of an architecture."""
        after = tuple(resnet_space.stage_width(stage, arch.w[2 + stage]) for stage in STAGE_OF_SLOT)
        middle = tuple(resnet_space.middle_width(out, e) for out, e in zip(after, arch.e, strict=True))
        return cls(*resnet_space.stem_widths(arch.w[0], arch.w[1]), middle, after)


class ResNet(nn.Module):
    """A plain network: `input_stem`, max pool, `blocks`, mean, classifier. Images to logits."""

    def __init__(self, stem: list[nn.Module], blocks: list[Bottleneck], classifier: nn.Module) -> None:
        super().__init__()
        self.input_stem, self.blocks, self.classifier = nn.ModuleList(stem), nn.ModuleList(blocks), classifier

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, classes). Raises InputError where the shape does not fit."""
        x = layers.images(x, 3, LEAST_SIDE, _NAME)
        for layer in self.input_stem:
            x = layer(x)
        x = functional.max_pool2d(x, 3, 2, 1)
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.classifier(layers.mean_of_plane(x).flatten(1)))

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        """For an optimizer: weights with `weight_decay`; batch norms and biases without."""
        return layers.parameter_groups(self, weight_decay)


class ElasticLinear(nn.Module):
    """A linear layer as wide as its input, after dropout."""

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.dropout = nn.ModuleDict({"linear": nn.Linear(features, classes)}), dropout

    @property
    def whole(self) -> nn.Linear:
        """The layer of all features."""
        return cast(nn.Linear, self.linear["linear"])

    def forward(self, x: Tensor) -> Tensor:
        x = functional.dropout(x, self.dropout, self.training)
        weight = self.whole.weight
        return functional.linear(
            x, weight[:, : x.shape[1]] if weight.shape[1] != x.shape[1] else weight, self.whole.bias
        )

    def export(self, features: int) -> nn.Sequential:
        """The layers for the first `features`."""
        plain = layers.classifier(features, self.whole.out_features, self.dropout)
        linear = cast(nn.Linear, plain.get_submodule("linear"))
        linear.weight = nn.Parameter(self.whole.weight.detach()[:, :features].clone())
        linear.bias = nn.Parameter(self.whole.bias.detach().clone())
        return plain


class ResNetSupernet(nn.Module):
    """All networks of the space in one; `set_active` chooses which of them a call runs. The largest at first."""

    def __init__(self, *, classes: int = 1000, dropout: float = 0.0) -> None:
        super().__init__()
        whole = Widths.of(resnet_space.uniform(2, 0.35, 1.0))
        self.input_stem = nn.ModuleList(
            [
                ElasticConvNorm(3, whole.inner, 3, 2, function="relu"),
                StemResidual(ElasticConvNorm(whole.inner, whole.inner, 3, function="relu")),
                ElasticConvNorm(whole.inner, whole.stem, 3, function="relu"),
            ]
        )
        self.blocks = nn.ModuleList()
        before = whole.stem
        for slot, (stage, position) in enumerate(zip(STAGE_OF_SLOT, POSITION_OF_SLOT, strict=True)):
            middle, after, stride = whole.middle[slot], whole.after[slot], 1 if position else STRIDES[stage]
            self.blocks.append(ElasticResNetBottleneck(before, middle, after, stride, shortcut=not position))
            before = after
        self.classifier = ElasticLinear(before, classes, dropout)
        layers.initialise(self)
        layers.set_norms(self, 0.1, 1e-5)
        self.set_active(resnet_space.uniform(2, 0.35, 1.0))

    @property
    def active(self) -> ResNetArchitecture:
        """The architecture that calls run; its resolution is only a note, that of the input is what counts."""
        return self._active

    def set_active(self, arch: ResNetArchitecture) -> None:
        """Choose a network. Raises InputError where it is not of the space."""
        self._active = resnet_space.validate(arch)
        self._widths = Widths.of(arch)
        self._present = resnet_space.active_slots(arch)
        for slot in self._present:
            block = cast(ElasticResNetBottleneck, self.blocks[slot])
            block.middle, block.after = self._widths.middle[slot], self._widths.after[slot]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, classes). Raises InputError where the shape does not fit."""
        x = layers.images(x, 3, LEAST_SIDE, _NAME)
        head, middle, tail = self.input_stem
        x = head(x, self._widths.inner)
        if resnet_space.keeps_middle(self._active):
            x = middle(x)
        x = functional.max_pool2d(tail(x, self._widths.stem), 3, 2, 1)
        for slot in self._present:
            x = self.blocks[slot](x)
        return cast(Tensor, self.classifier(layers.mean_of_plane(x).flatten(1)))

    def export(self, arch: ResNetArchitecture | None = None) -> ResNet:
        """A plain network of its own, by default the active one: weights copied, statistics cut.

        It is on the same device and in the same mode (training or not). The supernet stays as it is.
        """
        chosen = resnet_space.validate(arch) if arch else self._active
        widths = Widths.of(chosen)
        head, middle, tail = self.input_stem
        stem: list[nn.Module] = [cast(ElasticConvNorm, head).export(widths.inner, 3)]
        if resnet_space.keeps_middle(chosen):
            inner = cast(ElasticConvNorm, cast(StemResidual, middle).conv)
            stem.append(StemResidual(inner.export(widths.inner, widths.inner)))
        stem.append(cast(ElasticConvNorm, tail).export(widths.stem, widths.inner))
        blocks, before = [], widths.stem
        for slot in resnet_space.active_slots(chosen):
            block = cast(ElasticResNetBottleneck, self.blocks[slot])
            blocks.append(block.export(before, widths.middle[slot], widths.after[slot]))
            before = widths.after[slot]
        return ResNet(stem, blocks, self.classifier.export(before)).train(self.training)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        """For an optimizer: weights with `weight_decay`; batch norms and biases without."""
        return layers.parameter_groups(self, weight_decay)

    def load_checkpoint(self, source: str | PathLike[str] | Mapping[str, Tensor]) -> None:
        """Take weights from a file or a state dict of this code or of the public package.

        Raises InputError naming the first key that is missing, unknown or of another shape; then nothing has changed.
        """
        load(self, source, _NAME)
