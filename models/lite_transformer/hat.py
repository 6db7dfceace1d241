"""Parameters and FLOPs of HAT's transformers by formula (Wang et al., ACL 2020), without embeddings and last layer.

All attention is 512 wide inside whatever the embeddings are, so heads change neither figure. Cross-attention of a
decoder layer may look at the last one, two or three encoder layers, whose keys and values are joined along the length.
"""

from __future__ import annotations

from dataclasses import dataclass

INNER = 512


@dataclass(frozen=True)
class HatArchitecture:
    """encoder, decoder: embedding widths. *_hidden: of each layer's feed-forward part. spans: encoder layers that each
    decoder layer looks at, 1 to 3."""

    encoder: int
    decoder: int
    encoder_hidden: tuple[int, ...]
    decoder_hidden: tuple[int, ...]
    spans: tuple[int, ...]

    @property
    def params(self) -> int:
        """Weights and biases of all layers."""
        e, d, q = self.encoder, self.decoder, INNER
        encoder = sum(4 * e * q + 3 * q + e + 2 * e * f + f + e + 4 * e for f in self.encoder_hidden)
        attention = 4 * d * q + 3 * q + d + 2 * d * q + 2 * e * q + 3 * q + d
        return encoder + sum(attention + 2 * d * f + f + d + 6 * d for f in self.decoder_hidden)

    def macs(self, source: int = 30, target: int = 30) -> int:
        """Linear layers, scores and weighted values, for so many tokens at once."""
        e, d, q = self.encoder, self.decoder, INNER
        total = sum(source * (4 * e * q + 2 * e * f) + 2 * source * source * q for f in self.encoder_hidden)
        for hidden, span in zip(self.decoder_hidden, self.spans, strict=True):
            total += target * (6 * d * q + 2 * d * hidden) + 2 * target * target * q
            total += span * source * 2 * e * q + 2 * target * span * source * q
        return total
