"""Lite Transformer and the plain Transformer as operators, without embeddings and output projection.

A Lite layer splits its width C in halves: self-attention on the first (4 heads), on the second linear -> [GLU] -> light
or dynamic convolution -> linear, joined again; the feed-forward part is flat (C to C). Cross-attention keeps the full
width. Norms come after the residual sum. Facts: Wu et al., ICLR 2020, and the released code. Counting embeddings out,
at 30 tokens in and out, is the authors' convention.

`lower` runs all target tokens at once, as training and the published counts do; `lower_steps` decodes token by token,
each step attending to what came before, with keys and values of the source kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from models.zoo.builder import Builder, Tensor
from sim.errors import InputError
from sim.network import INPUT, Network
from sim.operator import Operator

MT_KERNELS = (3, 7, 15, 31, 31, 31)
LM_KERNELS = (15, 15, 31, 31, 31, 31, 63, 63, 63, 63, 63, 63)
CONV_HEADS = 4


@dataclass(frozen=True)
class Translator:
    """width: C. kernels: taps of each layer's convolution, 0 for a layer of plain self-attention at full width.
    encoder_layers, decoder_layers: how many of `kernels` each side has. ratio: hidden over outer width of the
    feed-forward part. heads: of plain and cross-attention. dynamic: kernels predicted from the input, else learned.
    """

    width: int
    kernels: tuple[int, ...] = MT_KERNELS
    encoder_layers: int = 6
    decoder_layers: int = 6
    ratio: int = 1
    heads: int = 8
    dynamic: bool = True
    glu: bool = True

    def __post_init__(self) -> None:
        lite = any(self.kernels)
        if self.width < 1 or self.width % (2 * CONV_HEADS if lite else 1) or self.width % self.heads:
            multiple = max(self.heads, 2 * CONV_HEADS if lite else 1)
            close = max(1, round(self.width / multiple)) * multiple
            raise InputError(f"a width must be a multiple of {multiple}, got {self.width}; nearest: {close}")

    def lower(self, source: int = 30, target: int = 30) -> Network:
        """Encoder on `source` tokens and decoder on `target` tokens, all at once."""
        net = Builder(target if not self.encoder_layers else source, self.width)
        memory = self._encode(net)
        x = net.input if memory is None else Tensor(INPUT, (target, self.width))
        for kernel in self.kernels[: self.decoder_layers]:
            x = self._layer(net, x, kernel, memory)
        return net.build()

    def lower_steps(self, source: int = 30, target: int = 30) -> Network:
        """The encoder once, then a pass of the decoder for each of `target` tokens; weights count once."""
        net = Builder(source, self.width)
        memory = self._encode(net)
        keys = [self._project(net, memory, 2) for _ in range(self.decoder_layers)] if memory is not None else []
        x = memory or net.input
        for step in range(target):
            x = Tensor(x.source, (1, self.width))
            for kernel, stored in itertools.zip_longest(self.kernels[: self.decoder_layers], keys):
                x = self._layer(net, x, kernel, memory, stored=stored, past=step, tied=step > 0)
        return net.build(serial_steps=target)

    def _encode(self, net: Builder) -> Tensor | None:
        if not self.encoder_layers:
            return None
        x = net.input
        for kernel in self.kernels[: self.encoder_layers]:
            x = self._layer(net, x, kernel, None)
        return x

    def _layer(
        self,
        net: Builder,
        x: Tensor,
        kernel: int,
        memory: Tensor | None,
        *,
        stored: Tensor | None = None,
        past: int = 0,
        tied: bool = False,
    ) -> Tensor:
        """Self part, cross-attention where there is a `memory`, feed-forward; each with its residual and norm."""
        length = x.shape[0]
        if kernel:
            half = Tensor(x.source, (length, self.width // 2))
            left = self._attention(net, half, past + length, CONV_HEADS, tied=tied)
            y = net.concat(left, self._convolution(net, half, kernel, past, tied=tied))
        else:
            y = self._attention(net, x, past + length, self.heads, tied=tied)
        x = self._joined(net, x, y, tied)
        if memory is not None:
            keys = stored or self._project(net, memory, 2)
            y = self._attention(net, x, memory.shape[0], self.heads, keys=keys, tied=tied)
            x = self._joined(net, x, y, tied)
        y = net.activation(net.linear(x, self.ratio * self.width, tied=tied), "relu")
        return self._joined(net, x, net.linear(y, self.width, tied=tied), tied)

    def _attention(
        self, net: Builder, x: Tensor, length: int, heads: int, *, keys: Tensor | None = None, tied: bool
    ) -> Tensor:
        """Projections of queries, keys and values, scores and weighted values, output projection; all with bias."""
        width = x.shape[1]
        query = net.linear(x, width, tied=tied)
        keys = keys or self._project(net, x, 2, tied=tied)
        attended = net.append(Operator("attention", (x.shape[0], width), length=length, heads=heads), query, keys)
        return net.linear(attended, width, tied=tied)

    def _project(self, net: Builder, x: Tensor | None, times: int, *, tied: bool = False) -> Tensor:
        """Keys and values of `x`, side by side."""
        assert x is not None
        return net.linear(x, times * x.shape[1], tied=tied)

    def _convolution(self, net: Builder, x: Tensor, taps: int, past: int, *, tied: bool) -> Tensor:
        width = x.shape[1]
        y = net.linear(x, (2 if self.glu else 1) * width, tied=tied)
        if self.glu:
            y = net.activation(y, "glu")
        if self.dynamic:
            weights = net.softmax(net.linear(y, CONV_HEADS * taps, bias=False, tied=tied))
            y = self._convolve(net, "dynamic_conv", taps, past, tied, y, weights)
        else:
            y = self._convolve(net, "light_conv", taps, past, tied, y)
        return net.linear(y, width, tied=tied)

    def _convolve(self, net: Builder, kind: str, taps: int, past: int, tied: bool, *inputs: Tensor) -> Tensor:
        shape = inputs[0].shape
        return net.append(Operator(kind, shape, kernel=(taps,), heads=CONV_HEADS, length=past, tied=tied), *inputs)

    def _joined(self, net: Builder, x: Tensor, y: Tensor, tied: bool) -> Tensor:
        total = net.add(y, x)
        return net.append(Operator("norm", total.shape, function="layer", affine=True, tied=tied), total)


def iwslt(width: int) -> Translator:
    """The IWSLT form: light convolution, no GLU, 4 heads of cross-attention."""
    return Translator(width, dynamic=False, glu=False, heads=4)


def language_model(width: int) -> Translator:
    """The WikiText form: 12 decoder layers, longer kernels."""
    return Translator(width, kernels=LM_KERNELS, encoder_layers=0, decoder_layers=12)


def transformer(width: int) -> Translator:
    """The plain Transformer, 6 + 6 layers, feed-forward of four times the width."""
    return Translator(width, kernels=(0,) * 6, ratio=4)
