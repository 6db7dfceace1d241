"""The Once-for-All spaces as spaces to search: `models.search` on `Space`, at chosen resolutions.

All blocks that networks of the space can hold are lowered once (a `PieceTable`); a population is then a sparse matrix
of counts over them, and what an oracle computes from the operators alone is computed once for all populations.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from models.ofa.architecture import Architecture, Population
from models.ofa.lowering import PieceNumbers
from models.ofa.pieces import stack
from models.ofa.space import Space
from models.search.space import Rows
from sim.cache import fingerprint
from sim.errors import InputError, nearest
from sim.workload import Context, WorkloadBatch

_MOST = 2**62


class OFASpace:
    """`space` at `resolutions` (by default its own)."""

    def __init__(self, space: Space, resolutions: Sequence[int] = ()) -> None:
        """Raises InputError where a resolution is too small."""
        chosen = tuple(sorted(set(resolutions))) or space.resolutions
        for side in chosen:
            if side < space.least_side:
                raise InputError(f"{space.name}: resolution {side} is below {space.least_side}")
        self.space = replace(space, resolutions=chosen)
        self._tables: dict[tuple[tuple[str, ...], Context], PieceTable] = {}

    @property
    def name(self) -> str:
        """Name of the space."""
        return self.space.name

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of all that the space says."""
        return fingerprint("ofa", {key: repr(value) for key, value in asdict(self.space).items()})

    @property
    def size(self) -> int:
        """Different networks at all resolutions together."""
        return self.space.size * len(self.space.resolutions)

    def sample(self, count: int, rng: np.random.Generator) -> Population:
        """`count` networks, every choice uniform by itself."""
        return self.space.sample(count, rng)

    def mutate(
        self, parents: Population, rng: np.random.Generator, probability: float, resolution: float
    ) -> Population:
        """Kernel and expansion of a slot together, and each depth, with `probability`; the side with `resolution`."""
        changed = self.space.mutate(parents, rng, probability, resolution=False)
        fresh = np.array(self.space.resolutions, np.int64)[rng.integers(0, len(self.space.resolutions), len(parents))]
        return replace(changed, r=np.where(rng.random(len(parents)) < resolution, fresh, parents.r))

    def cross(self, mothers: Population, fathers: Population, rng: np.random.Generator) -> Population:
        """Every choice from either parent."""
        return self.space.cross(mothers, fathers, rng)

    def select(self, population: Population, rows: Rows) -> Population:
        """Some of `population`."""
        return population.select(rows)

    def concatenate(self, parts: Sequence[Population]) -> Population:
        """All of `parts`, in order."""
        return Population.concatenate(parts)

    def corners(self) -> Population:
        """The smallest and the largest choice everywhere."""
        one, found = self.space, []
        for place in (0, -1):
            choices = (one.kernels[place], one.expansions[place], one.depths[place], one.resolutions[place])
            found.append(one.uniform(*choices))
        return Population.of(found)

    def neighbours(self, population: Population, row: int) -> Population:
        """Networks that differ from one in a kernel or expansion within the depth, in a depth, or in the side."""
        base, active = population.select([row]), self.space.active(population.select([row]))[0]
        found = []
        for key, choices in (("ks", self.space.kernels), ("e", self.space.expansions), ("d", self.space.depths)):
            for slot in range(getattr(base, key).shape[1]):
                if key == "d" or active[slot]:
                    found += [_changed(base, key, (0, slot), choice) for choice in choices]
        found += [_changed(base, "r", (0,), side) for side in self.space.resolutions]
        return self.concatenate([one for one in found if one is not None])

    def enumerate(self, start: int, stop: int) -> Population:
        """Networks number `start` to `stop`. Raises InputError where there are too many to number."""
        if self.size > _MOST:
            raise InputError(f"{self.name} has {self.size:.3g} networks: too many to number")
        one, rest = self.space, np.arange(start, min(stop, self.size), dtype=np.int64)
        rest, side = np.divmod(rest, len(one.resolutions))
        kernels, expansions = np.array(one.kernels), np.array(one.expansions)
        ks = np.full((len(rest), len(one.stage_of_slot)), one.kernels[0], np.int64)
        e = np.full_like(ks, one.expansions[0])
        d = np.zeros((len(rest), one.elastic_stages), np.int64)
        choices, first = len(kernels) * len(expansions), 0
        for stage, slots in enumerate(one.slots):
            depths = one.depths if slots > 1 else (1,)
            begins = np.cumsum([0, *(choices**depth for depth in depths)])
            rest, place = np.divmod(rest, int(begins[-1]))
            which = np.searchsorted(begins, place, side="right") - 1
            depth, place = np.array(depths)[which], place - begins[which]
            if slots > 1:
                d[:, stage] = depth
            for slot in range(first, first + slots):
                used = slot - first < depth
                place, choice = np.where(used, place // choices, place), place % choices
                ks[:, slot] = np.where(used, kernels[choice // len(expansions)], one.kernels[0])
                e[:, slot] = np.where(used, expansions[choice % len(expansions)], one.expansions[0])
            first += slots
        return Population(ks, e, d, np.array(one.resolutions, np.int64)[side])

    def canonical(self, population: Population) -> Population:
        """The same networks with the first choice in slots beyond the depth."""
        active = self.space.active(population)
        ks = np.where(active, population.ks, self.space.kernels[0])
        return replace(population, ks=ks, e=np.where(active, population.e, self.space.expansions[0]))

    def records(self, population: Population) -> list[dict[str, Any]]:
        """``{"ks": [...], "e": [...], "d": [...], "r": 224}`` for each network."""
        columns = (population.ks.tolist(), population.e.tolist(), population.d.tolist(), population.r.tolist())
        return [dict(zip(("ks", "e", "d", "r"), row, strict=True)) for row in zip(*columns, strict=True)]

    def of_records(self, records: Sequence[dict[str, Any]]) -> Population:
        """The networks of `records`. Raises InputError where one is not of the space."""
        found = [self.space.validate(Architecture.of(record)) for record in records]
        for one in found:
            if one.r not in self.space.resolutions:
                sides = [str(side) for side in self.space.resolutions]
                raise InputError(f"{self.name}: resolution {one.r} is not searched{nearest(str(one.r), sides)}")
        return Population.of(found)

    def lower(
        self, population: Population, *, fusion: Iterable[str] = (), context: Context | None = None
    ) -> WorkloadBatch:
        """What the networks ask of hardware, a row each; all batches share their operators."""
        key = (tuple(fusion), context or Context())
        if key not in self._tables:
            self._tables[key] = PieceTable(self.space, *key)
        return self._tables[key].lower(population)


class PieceTable:
    """All pieces (stems, blocks, heads) that networks of a space can hold, lowered in one context."""

    def __init__(self, space: Space, fusion: tuple[str, ...], context: Context) -> None:
        from scipy.sparse import csr_array, eye_array

        self._space = space
        self._sides = np.array(space.resolutions, np.int64)
        self._table = PieceNumbers(space, self._sides, fusion)
        pieces = [self._table.lower(number) for number in range(self._table.size)]
        operators, blocks = stack(pieces)
        features = {
            name: np.array([getattr(piece, name) for piece in pieces], np.int64)
            for name in ("peak_activation_bytes", "kernel_launches", "critical_path_operators")
        }
        features["serial_steps"] = np.ones(len(pieces), np.int64)
        alone = csr_array(eye_array(len(pieces), dtype=np.int64, format="csr"))
        self._all = WorkloadBatch(operators, alone, features, blocks=blocks).with_context(context)
        sums = ("kernel_launches", "critical_path_operators")
        self._sums = np.stack([self._all.network_features[name] for name in sums], axis=1)
        self._peaks = self._all.network_features["peak_activation_bytes"]

    def lower(self, population: Population) -> WorkloadBatch:
        """A batch with a row for each network."""
        from scipy.sparse import csr_array

        rows = len(population)
        columns = self._table.columns(population, np.searchsorted(self._sides, population.r))
        ends = np.ones((rows, 1), bool)
        used = np.hstack([ends, self._space.active(population), ends])
        indptr = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
        chosen = columns[used]
        counts = csr_array((np.ones(len(chosen), np.int64), chosen, indptr), (rows, len(self._peaks)))
        summed = counts @ self._sums
        features = {
            "peak_activation_bytes": np.where(used, self._peaks[columns], 0).max(axis=1, initial=0),
            "serial_steps": np.ones(rows, np.int64),
            "kernel_launches": summed[:, 0],
            "critical_path_operators": summed[:, 1],
        }
        return self._all.with_networks(counts, features)


def _changed(base: Population, key: str, place: tuple[int, ...], value: int) -> Population | None:
    column = getattr(base, key).copy()
    if column[place] == value:
        return None
    column[place] = value
    return replace(base, **{key: column})
