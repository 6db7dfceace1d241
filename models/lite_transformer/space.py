"""Spaces of Lite Transformers to search: populations as arrays, counted exactly, lowered without building a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.lite_transformer.architecture import DECODER_LAYER, LAYER, TextArch, TextChoices, choices
from models.search.choices import Array, ChoiceSpace
from sim.errors import InputError
from sim.workload import Context, WorkloadBatch

if TYPE_CHECKING:
    from models.lite_transformer.lowering import PieceTable

_MOST_NUMBERED = 1_000_000


class TextSpace(ChoiceSpace):
    """Populations are places among the choices: width, layers of encoder and decoder, then the genes of every layer
    that a network may have; those beyond its depth have no effect."""

    def __init__(self, space: TextChoices) -> None:
        self.text = space
        encoder, decoder = (list(space.of_layer(decoder=one).values()) for one in (False, True))
        most = space.layers
        lists = [space.widths, space.encoder_depths, space.decoder_depths, *encoder * most[0], *decoder * most[1]]
        super().__init__(space.name, lists)
        self._tables: dict[tuple[tuple[str, ...], Context], PieceTable] = {}

    @property
    def fingerprint(self) -> str:
        """Hash of all choices and of the sentence that is priced."""
        from sim.cache import fingerprint

        return fingerprint("text space", repr(self.text))

    def genes(self, population: Array, *, decoder: bool) -> dict[str, Array]:
        """Views of the genes of one side by name, (networks, layers)."""
        most, names = self.text.layers, DECODER_LAYER if decoder else LAYER
        first = 3 + len(LAYER) * most[0] if decoder else 3
        block = population[:, first : first + len(names) * most[decoder]]
        return {name: block[:, place :: len(names)] for place, name in enumerate(names)}

    def depths(self, population: Array) -> tuple[Array, Array]:
        """Layers of encoder and decoder of each network."""
        text = self.text
        return np.array(text.encoder_depths)[population[:, 1]], np.array(text.decoder_depths)[population[:, 2]]

    def used(self, population: Array) -> tuple[Any, Any]:
        """Which layers of either side each network has: (networks, layers)."""
        encoder, decoder = (
            np.arange(most) < depth[:, None]
            for most, depth in zip(self.text.layers, self.depths(population), strict=True)
        )
        return encoder, decoder

    @property
    def size(self) -> int:
        """Different networks: what has no effect is not counted."""
        text, total = self.text, 0
        split = len(text.shares) * sum(kind != "none" for kind in text.kinds) * len(text.kernels) * len(text.gates)
        layer = len(text.ratios) * len(text.heads) * (split + ("none" in text.kinds))
        for deep in text.encoder_depths:
            crossed = layer * len(text.cross_heads) * len({min(span, deep) for span in text.spans})
            total += layer**deep * sum(crossed**late for late in text.decoder_depths)
        return len(text.widths) * total

    def enumerate(self, start: int, stop: int) -> Array:
        """Networks number `start` to `stop`, each different. Raises InputError where there are too many."""
        rows = math.prod(len(one) for one in self.choices)
        if rows > _MOST_NUMBERED:
            raise InputError(f"{self.name} has {self.size:.3g} networks: too many to number")
        whole = np.stack(np.unravel_index(np.arange(rows), self._counts), axis=1)
        return np.asarray(np.unique(self.canonical(whole), axis=0)[start:stop])

    def canonical(self, population: Array) -> Array:
        """The same networks; layers beyond the depth, and what plain attention does not use, at the first choice."""
        made = population.copy()
        text, used = self.text, self.used(population)
        for side in (False, True):
            genes = self.genes(made, decoder=side)
            plain = np.array([kind == "none" for kind in text.kinds])[genes["kind"]]
            for name in ("share", "kernel", "glu"):
                genes[name][plain] = 0
            for column in genes.values():
                column[~used[side]] = 0
        spans = np.array(text.spans)
        reached = np.minimum(spans, self.depths(population)[0][:, None])  # (networks, choices)
        span = self.genes(made, decoder=True)["span"]
        span[:] = (reached[:, None, :] == np.take_along_axis(reached, span, 1)[:, :, None]).argmax(2)
        return made

    def encode(self, population: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Features for a predictor: each choice as one of so many, those without effect as zeros."""
        clean, used = self.canonical(population), self.used(population)
        alive = np.ones(clean.shape, bool)
        for side in (False, True):
            masks = self.genes(alive, decoder=side)
            for column in masks.values():
                column &= used[side]
        columns = [
            (clean[:, place, None] == np.arange(len(one))) & alive[:, place, None]
            for place, one in enumerate(self.choices)
        ]
        return np.concatenate(columns, axis=1).astype(np.float64)

    def archs(self, population: Array) -> list[TextArch]:
        """Each row as a network."""
        return [self.arch(record) for record in self.records(population)]

    def arch(self, record: Mapping[str, Any]) -> TextArch:
        """The network of a record. Raises InputError."""
        return TextArch.of(record)

    def records(self, population: Array) -> list[dict[str, Any]]:
        """Width, layers, and the genes of all layers of both sides, also beyond the depth."""
        found = []
        for row in population.tolist():
            values = [one[place] for one, place in zip(self.choices, row, strict=True)]
            rest, record = (
                iter(values[3:]),
                dict(zip(("width", "encoder_layers", "decoder_layers"), values, strict=False)),
            )
            for side, most, names in zip(("encoder", "decoder"), self.text.layers, (LAYER, DECODER_LAYER), strict=True):
                record[side] = [{name: next(rest) for name in names} for _ in range(most)]
            found.append(record)
        return found

    def of_records(self, records: Sequence[Mapping[str, Any]]) -> Array:
        """The networks of `records`; layers beyond the depth may be left out. Raises InputError."""
        return super().of_records([{"choices": self._values(record)} for record in records])

    def _values(self, record: Mapping[str, Any]) -> list[Any]:
        values: list[Any] = []
        try:
            values += [record["width"], record["encoder_layers"], record["decoder_layers"]]
            for side, most, names in zip(("encoder", "decoder"), self.text.layers, (LAYER, DECODER_LAYER), strict=True):
                rows, own = record[side], self.text.of_layer(decoder=side == "decoder")
                if not record[f"{side}_layers"] <= len(rows) <= most:
                    raise InputError(f"{self.name}: {len(rows)} {side} layers; nearest: {record[f'{side}_layers']}")
                values += [row[name] for row in rows for name in names]
                values += [own[name][0] for _ in range(most - len(rows)) for name in names]
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{self.name}: a network lacks {error}; nearest: {self.records(self.corners())[0]}"
            ) from None
        return values

    def population(self, arch: TextArch) -> Array:
        """One network as a population. Raises InputError where it is not of the space."""
        record: dict[str, Any] = {"width": arch.width}
        for side, names in (("encoder", LAYER), ("decoder", DECODER_LAYER)):
            record[f"{side}_layers"] = len(getattr(arch, side))
            record[side] = [{name: getattr(one, name) for name in names} for one in getattr(arch, side)]
        return self.of_records([record])

    def lower(self, population: Array, *, fusion: Iterable[str] = (), context: Context | None = None) -> WorkloadBatch:
        """Encoder once, then a step of the decoder for each token, keys of the source kept: a row a network."""
        from models.lite_transformer.lowering import PieceTable

        key = (tuple(fusion), context or Context())
        if key not in self._tables:
            self._tables[key] = PieceTable(self.text, *key)
        return self._tables[key].lower(self, population)


def space(name: str) -> TextSpace:
    """A space to search, by name. Raises ConfigError."""
    return TextSpace(choices(name))
