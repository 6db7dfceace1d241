"""Lightweight and dynamic convolution over time: out[t] = sum over k of w[k] x[t - before + k], zero outside.

The taps of a head are a softmax, shared by a contiguous block of channels. `before` is kernel - 1 in a decoder (causal)
and kernel // 2 in an encoder. Lightweight: the taps are weights. Dynamic: a linear layer predicts them for each
position. Sources: Wu et al., ICLR 2019 and ICLR 2020.

Taps that reach outside the sentence meet zeros and the softmax is over all of them, which is what the published code
trains with (its banded form), also where the kernel is longer than the sentence. Two equal ways to compute it: a banded
length x length product for short sentences, a sum over windows for long ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sim.errors import ConfigError

BAND_TOKENS, BAND_TAPS = 64, 12
"""The banded product is used for up to BAND_TOKENS + BAND_TAPS x taps tokens: where both take equal time on a CPU."""


class Convolution(nn.Module):
    """What both kinds share. `heads` must divide `width`; `taps` must be odd. Raises ConfigError."""

    dynamic = False

    def __init__(self, width: int, taps: int, heads: int, *, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        if taps < 1 or taps % 2 == 0:
            raise ConfigError(f"a kernel of {taps} taps has no middle; nearest: {max(1, taps - 1)} or {taps + 1}")
        if heads < 1 or width % heads:
            close = max(d for d in range(1, max(1, min(heads, width)) + 1) if width % d == 0)
            raise ConfigError(f"{heads} heads do not divide a width of {width}; nearest: {close}")
        self.width, self.taps, self.heads, self.causal = width, taps, heads, causal
        self.before = taps - 1 if causal else taps // 2
        self.dropout = dropout

    def kernels(self, x: Tensor) -> Tensor:
        """Normalised taps: (heads, taps), or (batch, length, heads, taps) where they are predicted."""
        raise NotImplementedError

    def forward(self, x: Tensor, past: Tensor | None = None) -> Tensor:
        """x: (batch, length, width), padding already zero. past: what came before x, of a causal convolution only."""
        weights = functional.dropout(self.kernels(x), self.dropout, self.training)
        if past is not None:
            return windowed(torch.cat((past, x), dim=1), weights, self.heads, x.shape[1])
        if x.shape[1] <= BAND_TOKENS + BAND_TAPS * self.taps:
            return banded(x, weights, self.before)
        padded = functional.pad(x, (0, 0, self.before, self.taps - 1 - self.before))
        return windowed(padded, weights, self.heads, x.shape[1])

    def extra_repr(self) -> str:
        return f"{self.width}, taps={self.taps}, heads={self.heads}, causal={self.causal}"


class LightConv(Convolution):
    """Taps are weights of shape (heads, 1, taps)."""

    def __init__(self, width: int, taps: int, heads: int, *, causal: bool, dropout: float = 0.0) -> None:
        super().__init__(width, taps, heads, causal=causal, dropout=dropout)
        self.weight = nn.Parameter(torch.empty(heads, 1, taps))
        nn.init.xavier_uniform_(self.weight)

    def kernels(self, x: Tensor) -> Tensor:
        return self.weight.squeeze(1).softmax(dim=-1)


class DynamicConv(Convolution):
    """Taps are predicted by a linear layer without bias."""

    dynamic = True

    def __init__(self, width: int, taps: int, heads: int, *, causal: bool, dropout: float = 0.0) -> None:
        super().__init__(width, taps, heads, causal=causal, dropout=dropout)
        self.predict = nn.Linear(width, heads * taps, bias=False)
        nn.init.xavier_uniform_(self.predict.weight)

    def kernels(self, x: Tensor) -> Tensor:
        predicted: Tensor = self.predict(x)
        return predicted.view(*x.shape[:2], self.heads, self.taps).softmax(dim=-1)


def banded(x: Tensor, weights: Tensor, before: int) -> Tensor:
    """Convolution as a product with a band matrix. weights: (heads, taps) or (batch, length, heads, taps)."""
    batch, length, width = x.shape
    heads = weights.shape[-2]
    rows = weights.transpose(1, 2) if weights.ndim == 4 else weights[None, :, None].expand(1, -1, length, -1)
    band = _skewed(rows)[..., before : before + length]
    values = x.view(batch, length, heads, width // heads)
    if weights.ndim == 4:
        return (band @ values.transpose(1, 2)).transpose(1, 2).reshape(batch, length, width)
    columns = values.permute(2, 1, 0, 3).reshape(heads, length, -1)  # one band for all sentences
    moved = torch.bmm(band[0], columns).view(heads, length, batch, width // heads)
    return moved.permute(2, 1, 0, 3).reshape(batch, length, width)


def _skewed(rows: Tensor) -> Tensor:
    """(…, length, taps) to (…, length, taps + length - 1), row t moved right by t."""
    *outer, length, taps = rows.shape
    wide = functional.pad(rows, (0, length)).reshape(*outer, length * (taps + length))
    return wide[..., : length * (taps + length - 1)].view(*outer, length, taps + length - 1)


def windowed(x: Tensor, weights: Tensor, heads: int, length: int) -> Tensor:
    """The last `length` positions from windows that end there. x: (batch, past + length, width), already padded; where
    the past is shorter than the kernel, the missing part is zero."""
    batch, width, taps = x.shape[0], x.shape[2], weights.shape[-1]
    missing = taps - 1 + length - x.shape[1]
    x = functional.pad(x, (0, 0, missing, 0)) if missing > 0 else x[:, -(taps - 1 + length) :]
    if weights.ndim == 2:
        channels = width // heads
        folded = (
            x.transpose(1, 2).reshape(batch, heads, channels, -1).transpose(1, 2).reshape(batch * channels, heads, -1)
        )
        moved = functional.conv1d(folded, weights.unsqueeze(1), groups=heads)
        return moved.view(batch, channels, heads, length).permute(0, 3, 2, 1).reshape(batch, length, width)
    windows = x.unfold(1, taps, 1).reshape(batch, length, heads, width // heads, taps)
    return (windows @ weights.unsqueeze(-1)).reshape(batch, length, width)
