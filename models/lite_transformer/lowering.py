"""Whole populations of Lite Transformers to one workload batch, by array operations.

A network is a row of pieces: mixer and feed-forward part of every layer, cross-attention and its keys, embedding and
output. A piece of the decoder holds all steps of a sentence; pieces are lowered once in a context. Peak memory is that
of the encoder's largest piece, or memory, keys of all decoder layers and the decoder's largest piece: all of these stay
until the sentence ends. NOT modelled: beams (one hypothesis), keys of the decoder's own past in the peak.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.lite_transformer.translation import Translator
from models.ofa.pieces import Array, stack
from models.zoo.builder import Builder, Tensor
from sim.fusion import fuse
from sim.network import INPUT, Network
from sim.operator import Operator
from sim.workload import DTYPE_BITS, Context, WorkloadBatch

if TYPE_CHECKING:
    from models.lite_transformer.architecture import TextChoices
    from models.lite_transformer.space import TextSpace

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Piece:
    """Operators of all steps; launches and path: summed over the steps; peak_bytes: of one step."""

    operators: tuple[Operator, ...]
    path: int
    peak_bytes: int


@dataclass(frozen=True)
class _Writer(Translator):
    """Parts of a layer, written as `Translator` writes whole ones."""

    kernels: tuple[int, ...] = ()

    def mixer(self, net: Builder, share: float, kernel: int, past: int, *, tied: bool) -> None:
        """Self-attention, or both branches where there is a `kernel`; residual and norm."""
        length = net.input.shape[0]
        if not kernel:
            y = self._attention(net, net.input, past + length, self.heads, tied=tied)
        else:
            long = round(share * self.width)
            halves = Tensor(INPUT, (length, long)), Tensor(INPUT, (length, self.width - long))
            left = self._attention(net, halves[0], past + length, self.heads, tied=tied)
            y = net.concat(left, self._convolution(net, halves[1], kernel, past, tied=tied))
        self._joined(net, net.input, y, tied)

    def cross(self, net: Builder, memory: int, *, tied: bool) -> None:
        """Cross-attention on stored keys and values of `memory` tokens."""
        keys = Tensor(INPUT, (memory, 2 * self.width))
        y = self._attention(net, net.input, memory, self.heads, keys=keys, tied=tied)
        self._joined(net, net.input, y, tied)

    def feed_forward(self, net: Builder, *, tied: bool) -> None:
        y = net.activation(net.linear(net.input, self.ratio * self.width, tied=tied), "relu")
        self._joined(net, net.input, net.linear(y, self.width, tied=tied), tied)


class PieceTable:
    """All pieces of a space, lowered in one context. The numbers of pieces are arrays over places of choices."""

    def __init__(self, space: TextChoices, fusion: tuple[str, ...], context: Context) -> None:
        from scipy.sparse import csr_array, eye_array

        self._space, self._fusion = space, fusion
        self._pieces: list[Piece] = []
        self._mixers = [self._numbers(self._mixer(steps), *self._mixer_choices()) for steps in (0, space.target)]
        self._ffns = [self._numbers(self._ffn(steps), space.widths, space.ratios) for steps in (0, space.target)]
        self._crosses = self._numbers(self._cross, space.widths, space.cross_heads, space.spans)
        self._keys = self._numbers(self._key, space.widths, space.spans)
        self._joins = self._numbers(self._join, space.widths, space.spans)
        self._ends = [self._numbers(one, space.widths) for one in (self._begin, self._output)]
        whole = [Network.chain(one.operators) for one in self._pieces]
        operators, blocks = stack(whole)
        self._sums = np.array([(len(one.operators), one.path) for one in self._pieces], np.int64)
        self._peaks = np.array([one.peak_bytes for one in self._pieces], np.int64)
        features = {"kernel_launches": self._sums[:, 0], "critical_path_operators": self._sums[:, 1]}
        features |= {"peak_activation_bytes": self._peaks, "serial_steps": np.ones(len(whole), np.int64)}
        alone = csr_array(eye_array(len(whole), dtype=np.int64, format="csr"))
        self._bits = DTYPE_BITS[context.dtype]
        self._all = WorkloadBatch(operators, alone, features, blocks=blocks).with_context(context)

    def lower(self, space: TextSpace, population: Array) -> WorkloadBatch:
        """A batch with a row for each network of `population`, which holds places of choices of `space`."""
        from scipy.sparse import csr_array

        clean, used = space.canonical(population), space.used(population)
        width = clean[:, :1]
        columns, masks = [], []
        for side in (0, 1):
            genes = space.genes(clean, decoder=bool(side))
            places = [genes[name] for name in ("share", "heads", "kind", "kernel", "glu")]
            columns += [self._mixers[side][(width, *places)], self._ffns[side][width, genes["ratio"]]]
            masks += [used[side]] * 2
        span, cross_heads = genes["span"], genes["cross_heads"]
        columns += [self._crosses[width, cross_heads, span], self._keys[width, span]]
        masks += [used[1]] * 2
        reach = np.minimum(np.array(self._space.spans)[span], space.depths(clean)[0][:, None]) * used[1]
        widest = np.where(used[1], span, 0)
        most = np.take_along_axis(widest, reach.argmax(1)[:, None], 1)
        columns += [self._joins[width, most], *(one[width] for one in self._ends)]
        masks += [np.ones_like(width, bool)] * 3
        chosen, mask = np.concatenate(columns, axis=1), np.concatenate(masks, axis=1)
        indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        flat = chosen[mask]
        counts = csr_array((np.ones(len(flat), np.int64), flat, indptr), (len(clean), len(self._pieces)))
        sums = counts @ self._sums
        features = {
            "peak_activation_bytes": self._peak(clean, columns, masks, reach),
            "serial_steps": np.full(len(clean), self._space.target, np.int64),
            "kernel_launches": sums[:, 0],
            "critical_path_operators": sums[:, 1],
        }
        return self._all.with_networks(counts, features)

    def _peak(self, population: Array, columns: Sequence[Array], masks: Sequence[Any], reach: Array) -> Array:
        peaks = [np.where(mask, self._peaks[one], 0).max(1) for one, mask in zip(columns, masks, strict=True)]
        encoder = np.maximum(peaks[0], peaks[1])
        decoder = np.max([peaks[2], peaks[3], peaks[4], peaks[-1]], axis=0)
        vectors = np.array(self._space.widths)[population[:, 0]] * self._space.source * FLOAT_BYTES
        held = vectors * (reach.max(1) + 2 * reach.sum(1))
        return np.asarray(-(-np.maximum(encoder, held + decoder) * self._bits // 32))

    def _mixer_choices(self) -> list[tuple[Any, ...]]:
        space = self._space
        return [space.widths, space.shares, space.heads, space.kinds, space.kernels, space.gates]

    def _numbers(self, make: Callable[..., Piece], *choices: Sequence[Any]) -> Array:
        """Make a piece for every combination; their numbers. A piece that `make` gives twice has one."""
        table = np.zeros([len(one) for one in choices], np.int64)
        known: dict[int, int] = {}
        for places in itertools.product(*(range(len(one)) for one in choices)):
            piece = make(*(one[place] for one, place in zip(choices, places, strict=True)))
            if id(piece) not in known:
                known[id(piece)] = len(self._pieces)
                self._pieces.append(piece)
            table[places] = known[id(piece)]
        return table

    def _mixer(self, steps: int) -> Callable[..., Piece]:
        made: dict[tuple[Any, ...], Piece] = {}

        def make(width: int, share: float, heads: int, kind: str, kernel: int, glu: bool) -> Piece:
            key = (width, heads) if kind == "none" else (width, share, heads, kind, kernel, glu)
            if key not in made:
                writer = _Writer(width, heads=heads, dynamic=kind == "dynamic", glu=glu)
                taps = 0 if kind == "none" else kernel
                made[key] = self._steps(
                    width, steps, lambda net, past: writer.mixer(net, share, taps, past, tied=past > 0), back=True
                )
            return made[key]

        return make

    def _ffn(self, steps: int) -> Callable[..., Piece]:
        def make(width: int, ratio: int) -> Piece:
            writer = _Writer(width, heads=1, ratio=ratio)
            return self._steps(width, steps, lambda net, past: writer.feed_forward(net, tied=past > 0))

        return make

    def _cross(self, width: int, heads: int, span: int) -> Piece:
        writer, memory = _Writer(width, heads=heads), span * self._space.source
        return self._steps(width, self._space.target, lambda net, past: writer.cross(net, memory, tied=past > 0))

    def _key(self, width: int, span: int) -> Piece:
        net = Builder(span * self._space.source, width)
        net.linear(net.input, 2 * width)
        return self._piece([net.build()], path=0)  # beside the first step's self-attention, which is longer

    def _join(self, width: int, span: int) -> Piece:
        net = Builder(self._space.source, width)
        net.concat(*[net.input] * span)
        return self._piece([net.build()], path=0)

    def _begin(self, width: int) -> Piece:
        return self._embedded(self._space.source, width, project=False)

    def _output(self, width: int) -> Piece:
        one = self._embedded(1, width, project=True)
        steps = self._space.target
        return Piece(one.operators * steps, one.path * steps, one.peak_bytes)

    def _embedded(self, rows: int, width: int, *, project: bool) -> Piece:
        """Embedding of `rows` tokens and, with `project`, the scores of all words: its weights are the embedding's."""
        words, net = self._space.vocabulary, Builder(rows, width)
        if words:
            table = Operator("embedding", (rows, width), length=words, out_channels=width, tied=project)
            x = net.append(table, net.input)
            if project:
                net.linear(x, words, bias=False, tied=True)
        return self._piece([net.build()])

    def _steps(self, width: int, steps: int, write: Callable[[Builder, int], None], *, back: bool = False) -> Piece:
        """The encoder's pass over the source (steps 0), or `steps` passes over one token. `write`: one pass, after so
        many others. back: operators see more with every step."""
        networks = []
        for past in range(min(max(steps, 1), 2)):
            net = Builder(1 if steps else self._space.source, width)
            write(net, past)
            networks.append(net.build())
        first = self._piece(networks)
        later = fuse(networks[-1], self._fusion).operators
        operators = list(first.operators)
        for past in range(2, steps):
            operators += [_longer(op, past) for op in later] if back else later
        return Piece(tuple(operators), first.path // len(networks) * max(steps, 1), first.peak_bytes)

    def _piece(self, networks: Sequence[Network], path: int | None = None) -> Piece:
        fused = [fuse(one, self._fusion) for one in networks]
        found = sum(one.critical_path_operators for one in fused) if path is None else path
        peak = max(one.peak_activation_bytes for one in fused)
        return Piece(tuple(op for one in fused for op in one.operators), found, peak)


def _longer(op: Operator, past: int) -> Operator:
    """An operator of a later step, at step `past`: attention and convolutions see all that came before."""
    if op.kind == "attention":
        return replace(op, length=past + 1)
    if op.kind in ("light_conv", "dynamic_conv"):
        return replace(op, length=past)
    return op
