"""Layers of the Lite Transformer and of the plain Transformer.

Long-short range attention: the first half of the channels goes through self-attention, the second through linear,
gate, light or dynamic convolution, linear; joined in that order, the flat feed-forward part mixes them. A layer with
kernel 0 has plain self-attention at full width. Source: Wu et al., ICLR 2020, as released.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lite_transformer.attention import Attention, State
from models.lite_transformer.config import ModelTable
from models.lite_transformer.convolution import Convolution, DynamicConv, LightConv

LayerState = dict[str, State]


class ConvBranch(nn.Module):
    """linear, GLU if `glu`, convolution, linear, all at `width`."""

    def __init__(self, width: int, taps: int, settings: ModelTable, *, causal: bool) -> None:
        super().__init__()
        self.first = _linear(width, 2 * width if settings.glu else width)
        kind: type[Convolution] = DynamicConv if settings.dynamic else LightConv
        self.conv = kind(width, taps, settings.conv_heads, causal=causal, dropout=settings.weight_dropout)
        self.last = _linear(width, width)
        self.glu = settings.glu

    def forward(self, x: Tensor, padding: Tensor | None = None, state: State | None = None) -> Tensor:
        """x: (batch, length, width). state: holds the convolution's inputs that later steps still reach."""
        if padding is not None:
            x = x.masked_fill(padding.unsqueeze(-1), 0.0)
        y = self.first(x)
        y = functional.glu(y) if self.glu else y
        if padding is not None:
            y = y.masked_fill(padding.unsqueeze(-1), 0.0)  # the bias made it non-zero again
        past = state.get("past") if state is not None else None
        if state is not None:
            seen = y if past is None else torch.cat((past, y), dim=1)
            state["past"] = seen[:, max(0, seen.shape[1] - self.conv.taps + 1) :]
        result: Tensor = self.last(self.conv(y, past))
        return result


class LongShortAttention(nn.Module):
    """Attention on the first half of the channels, convolution on the second."""

    def __init__(self, settings: ModelTable, taps: int, *, causal: bool) -> None:
        super().__init__()
        half = settings.width // 2
        self.attention = Attention(half, settings.branch_heads, settings.attention_dropout)
        self.branch = ConvBranch(half, taps, settings, causal=causal)
        self.causal = causal

    def forward(self, x: Tensor, padding: Tensor | None = None, state: LayerState | None = None) -> Tensor:
        """x: (batch, length, width)."""
        long, short = x.chunk(2, dim=-1)
        kept: tuple[State | None, State | None] = (None, None)
        if state is not None:
            kept = state.setdefault("self", {}), state.setdefault("conv", {})
        attended = self.attention(long, padding=padding, causal=self.causal, state=kept[0])
        return torch.cat((attended, self.branch(short, padding, kept[1])), dim=-1)


class SelfAttention(nn.Module):
    """Plain self-attention at full width."""

    def __init__(self, settings: ModelTable, *, causal: bool) -> None:
        super().__init__()
        self.attention = Attention(settings.width, settings.heads, settings.attention_dropout)
        self.causal = causal

    def forward(self, x: Tensor, padding: Tensor | None = None, state: LayerState | None = None) -> Tensor:
        """x: (batch, length, width)."""
        kept = None if state is None else state.setdefault("self", {})
        result: Tensor = self.attention(x, padding=padding, causal=self.causal, state=kept)
        return result


class Layer(nn.Module):
    """Self part, cross-attention if `cross`, feed-forward; each with residual, dropout and norm."""

    def __init__(self, settings: ModelTable, taps: int, *, causal: bool, cross: bool) -> None:
        super().__init__()
        width = settings.width
        self.mixer: nn.Module = (
            LongShortAttention(settings, taps, causal=causal) if taps else SelfAttention(settings, causal=causal)
        )
        self.cross = Attention(width, settings.heads, settings.attention_dropout) if cross else None
        self.first = _linear(width, settings.ratio * width)
        self.last = _linear(settings.ratio * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if cross else 2))
        self.dropout, self.pre_norm = settings.dropout, settings.pre_norm

    def forward(
        self,
        x: Tensor,
        padding: Tensor | None = None,
        memory: Tensor | None = None,
        memory_padding: Tensor | None = None,
        state: LayerState | None = None,
    ) -> Tensor:
        """x: (batch, length, width); memory: (batch, source length, width)."""
        x = self._joined(x, self.mixer(self._inner(x, 0), padding, state), 0)
        if self.cross is not None:
            kept = None if state is None else state.setdefault("cross", {})
            y = self.cross(self._inner(x, 1), memory, padding=memory_padding, state=kept)
            x = self._joined(x, y, 1)
        last = len(self.norms) - 1
        return self._joined(x, self.last(functional.relu(self.first(self._inner(x, last)))), last)

    def _inner(self, x: Tensor, place: int) -> Tensor:
        y: Tensor = self.norms[place](x) if self.pre_norm else x
        return y

    def _joined(self, x: Tensor, y: Tensor, place: int) -> Tensor:
        total = x + functional.dropout(y, self.dropout, self.training)
        z: Tensor = total if self.pre_norm else self.norms[place](total)
        return z


def _linear(inner: int, outer: int) -> nn.Linear:
    made = nn.Linear(inner, outer)
    nn.init.xavier_uniform_(made.weight)
    nn.init.zeros_(made.bias)
    return made
