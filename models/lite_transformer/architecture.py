"""What may differ from one Lite Transformer to the next, one network, and the spaces that ship.

For each network: embedding width, layers of either side. For each layer: the share of the channels that goes through
attention (the rest through convolution), heads, kind of convolution (none: plain attention at full width), taps, gate,
ratio of the feed-forward part; in a decoder also heads of cross-attention and its span: how many of the last encoder
layers it looks at, joined along the length (as HAT does). The published networks were set by hand: these spaces are
hwloop's own. Choices run from small to large.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.errors import ConfigError, InputError, nearest

CONV_HEADS = 4
KINDS = ("light", "dynamic", "none")
LAYER = ("share", "heads", "kind", "kernel", "glu", "ratio")
DECODER_LAYER = (*LAYER, "cross_heads", "span")


@dataclass(frozen=True)
class LayerArch:
    """One layer. share: of the channels, through attention (all of them where kind is ``none``). cross_heads, span: of
    decoder layers."""

    share: float
    heads: int
    kind: str
    kernel: int
    glu: bool
    ratio: int
    cross_heads: int = 0
    span: int = 0

    def attention_width(self, width: int) -> int:
        """Channels of the attention branch."""
        return width if self.kind == "none" else round(self.share * width)


@dataclass(frozen=True)
class TextArch:
    """One network."""

    width: int
    encoder: tuple[LayerArch, ...]
    decoder: tuple[LayerArch, ...]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> TextArch:
        """From plain values; layers beyond ``encoder_layers`` and ``decoder_layers``, where these are given, are left
        out. Raises InputError."""
        try:
            sides = [
                tuple(LayerArch(**one) for one in record[side][: record.get(f"{side}_layers", len(record[side]))])
                for side in ("encoder", "decoder")
            ]
            return cls(int(record["width"]), *sides)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"no architecture of a text model: {error}; nearest: width, encoder, decoder") from None

    def span(self, layer: LayerArch) -> int:
        """Encoder layers that a decoder layer looks at."""
        return min(layer.span, len(self.encoder))

    @property
    def memory_span(self) -> int:
        """Encoder layers whose outputs are kept."""
        return max(self.span(one) for one in self.decoder)


@dataclass(frozen=True)
class TextChoices:
    """Choices of a space. vocabulary: of embedding and output, 0 leaves both out of the cost. source, target: tokens
    of the sentence that is priced. Raises ConfigError where a width cannot be split or heads do not divide it."""

    name: str
    widths: tuple[int, ...]
    encoder_depths: tuple[int, ...]
    decoder_depths: tuple[int, ...]
    shares: tuple[float, ...]
    heads: tuple[int, ...]
    kernels: tuple[int, ...]
    ratios: tuple[int, ...]
    cross_heads: tuple[int, ...]
    spans: tuple[int, ...]
    kinds: tuple[str, ...] = KINDS
    gates: tuple[bool, ...] = (False, True)
    vocabulary: int = 4096
    max_tokens: int = 128
    source: int = 30
    target: int = 30

    def __post_init__(self) -> None:
        for kernel in self.kernels:
            if kernel < 1 or kernel % 2 == 0:
                raise ConfigError(f"{self.name}: a kernel of {kernel} taps has no middle; nearest: {kernel + 1}")
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigError(f"{self.name}: no convolution {kind!r}{nearest(kind, KINDS)}")
        if min(*self.encoder_depths, *self.decoder_depths, *self.spans, *self.ratios) < 1:
            raise ConfigError(f"{self.name}: depths, spans and ratios are at least 1")
        for width in self.widths:
            for share in self.shares:
                part = round(share * width)
                if not 0 < share < 1 or part != share * width or (width - part) % CONV_HEADS:
                    raise ConfigError(f"{self.name}: {share} of {width} channels is no split; nearest: 0.5")
                self._divides(part, self.heads)
            self._divides(width, (*self.heads, *self.cross_heads))

    def _divides(self, width: int, heads: Iterable[int]) -> None:
        for one in heads:
            if width % one:
                raise ConfigError(f"{self.name}: {one} heads do not divide a width of {width}; nearest: 1")

    @property
    def layers(self) -> tuple[int, int]:
        """Most layers of either side."""
        return max(self.encoder_depths), max(self.decoder_depths)

    def of_layer(self, *, decoder: bool) -> dict[str, tuple[Any, ...]]:
        """Choices of one layer by name."""
        columns = (self.shares, self.heads, self.kinds, self.kernels, self.gates, self.ratios)
        found: dict[str, tuple[Any, ...]] = dict(zip(LAYER, columns, strict=True))
        return found | {"cross_heads": self.cross_heads, "span": self.spans} if decoder else found

    @property
    def largest(self) -> TextArch:
        """A network with the largest width and depths: weights of all others are slices of it."""
        plain = (max(self.shares), max(self.heads), "none", max(self.kernels), True, max(self.ratios))
        encoder = (LayerArch(*plain),) * self.layers[0]
        decoder = (LayerArch(*plain, max(self.cross_heads), max(self.spans)),) * self.layers[1]
        return TextArch(max(self.widths), encoder, decoder)


MINI = TextChoices(
    "mini",
    (96, 128, 160),
    (1, 2, 3),
    (1, 2, 3),
    (0.25, 0.5, 0.75),
    (2, 4, 8),
    (3, 7, 15, 31),
    (1, 2),
    (4, 8),
    (1, 2, 3),
)
PAPER = TextChoices(
    "paper",
    (208, 304, 400, 496),
    (4, 5, 6),
    (1, 2, 3, 4, 5, 6),
    (0.25, 0.5, 0.75),
    (2, 4),
    (3, 7, 15, 31),
    (1, 2),
    (4, 8),
    (1, 2, 3),
    vocabulary=40_000,
    max_tokens=256,
)
SPACES = {one.name: one for one in (MINI, PAPER)}


def choices(name: str) -> TextChoices:
    """A space by its name. Raises ConfigError naming the nearest one."""
    if name not in SPACES:
        raise ConfigError(f"no space {name!r}{nearest(name, SPACES) or '; nearest: ' + min(SPACES)}")
    return SPACES[name]


def hand_set(space: TextChoices, width: int, kernels: Sequence[int]) -> TextArch:
    """The network as published, a layer a side for each of `kernels`: halves, 4 heads, dynamic, gated, flat."""
    plain = [(0.5, 4, "dynamic", taps, True, 1) for taps in kernels]
    encoder = tuple(LayerArch(*one) for one in plain)
    return TextArch(width, encoder, tuple(LayerArch(*one, cross_heads=max(space.cross_heads), span=1) for one in plain))
