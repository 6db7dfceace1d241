"""One network of a space as a torch model: layers that differ, decoders that see several encoder layers.

Parameters are named as in `TextModel`; a network that both can express has the same weights and outputs in both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.lite_transformer.architecture import CONV_HEADS, LayerArch, TextArch
from models.lite_transformer.attention import Attention, State
from models.lite_transformer.config import ModelTable
from models.lite_transformer.model import Encoder, TextModel, sinusoids
from models.lite_transformer.modules import ConvBranch, Layer, LayerState, SelfAttention


class SplitMixer(nn.Module):
    """Attention on the first `long` channels, convolution on the others."""

    def __init__(self, settings: ModelTable, layer: LayerArch, long: int, *, causal: bool) -> None:
        super().__init__()
        self.attention = Attention(long, layer.heads, settings.attention_dropout)
        self.branch = ConvBranch(settings.width - long, layer.kernel, settings, causal=causal)
        self.causal, self.long = causal, long

    def forward(self, x: Tensor, padding: Tensor | None = None, state: LayerState | None = None) -> Tensor:
        """x: (batch, length, width)."""
        kept: tuple[State | None, State | None] = (None, None)
        if state is not None:
            kept = state.setdefault("self", {}), state.setdefault("conv", {})
        attended = self.attention(x[..., : self.long], padding=padding, causal=self.causal, state=kept[0])
        return torch.cat((attended, self.branch(x[..., self.long :], padding, kept[1])), dim=-1)


class SearchedLayer(Layer):
    """A layer as `layer` says. kept: encoder layers that a memory holds, the last one first."""

    def __init__(self, settings: ModelTable, arch: TextArch, layer: LayerArch, *, causal: bool) -> None:
        changed = {"heads": layer.cross_heads or layer.heads, "ratio": layer.ratio, "glu": layer.glu}
        own = settings.model_copy(update={**changed, "dynamic": layer.kind == "dynamic", "conv_heads": CONV_HEADS})
        super().__init__(own, 0, causal=causal, cross=causal)
        if layer.kind == "none":
            self.mixer = SelfAttention(own.model_copy(update={"heads": layer.heads}), causal=causal)
        else:
            self.mixer = SplitMixer(own, layer, layer.attention_width(arch.width), causal=causal)
        self.kept, self.span = arch.memory_span, arch.span(layer)

    def forward(
        self,
        x: Tensor,
        padding: Tensor | None = None,
        memory: Tensor | None = None,
        memory_padding: Tensor | None = None,
        state: LayerState | None = None,
    ) -> Tensor:
        """As `Layer`; memory: (batch, kept x source length, width)."""
        if memory is not None:
            end = memory.shape[1] // self.kept * self.span
            memory = memory[:, :end]
            memory_padding = None if memory_padding is None else memory_padding[:, :end]
        return super().forward(x, padding, memory, memory_padding, state)


class SearchedEncoder(Encoder):
    """Gives the outputs of its last `kept` layers joined along the length, the last one first."""

    def __init__(self, settings: ModelTable, arch: TextArch) -> None:
        nn.Module.__init__(self)
        self.layers = nn.ModuleList(SearchedLayer(settings, arch, one, causal=False) for one in arch.encoder)
        self.kept = arch.memory_span

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        """x: embedded source."""
        outputs = []
        for layer in self.layers:
            x = layer(x, padding)
            outputs.append(x)
        return x if self.kept == 1 else torch.cat(outputs[::-1][: self.kept], dim=1)


class SearchedModel(TextModel):
    """The network `arch`. settings: vocabulary, dropout and the like; what `arch` says replaces the rest."""

    def __init__(self, settings: ModelTable, arch: TextArch) -> None:
        layers = {"encoder_layers": len(arch.encoder), "decoder_layers": len(arch.decoder)}
        kernels = (0,) * max(layers.values())
        super().__init__(settings.model_copy(update={"width": arch.width, "kernels": kernels, "heads": 1, **layers}))
        self.arch = arch
        self.encoder = SearchedEncoder(self.settings, arch)
        self.decoder.layers = nn.ModuleList(
            SearchedLayer(self.settings, arch, one, causal=True) for one in arch.decoder
        )

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """The memory, (batch, kept x length, width), and its padding mask."""
        memory, padding = super().encode(source)
        return memory, padding.repeat(1, self.arch.memory_span)


def skeleton(settings: ModelTable, arch: TextArch) -> SearchedModel:
    """The network without weights: parameters on the device ``meta``."""
    with torch.device("meta"):
        made = SearchedModel(settings, arch)
    made.register_buffer("positions", sinusoids(settings.max_tokens, arch.width), persistent=False)
    return made
