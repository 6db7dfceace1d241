"""What a plan of SpArch holds on average, where elements of both operands are there or not by themselves.

For A (rows x inner, density p) times B (inner x cols, density q), in closed form and without any matrix:

* row lengths of A are binomial; condensed column j has ``rows · P(length > j)`` elements; the real `Scheduler` merges
  columns of these sizes, told the mean size of each partial matrix;
* n elements of a row of A give ``cols · (1 - (1 - q)^n)`` elements of the result, so that elements at every layer of
  the tree and every partial matrix follow from how many leaves of a set lie below the length of a row;
* row prefetcher: a row of B is used again after a geometric number of rows of A. With known next uses it is best to
  keep what is used again within G rows, the largest G whose lines fit the buffer, which is what farthest-next-use
  replacement comes to in the mean; beyond the look-ahead window next uses are unknown and a fixed part of the
  lines stays.

Means of counts, not of their extremes. NOT modelled: time (`sim.sparch_oracle.surrogate` adds it), clustered zeros,
other schedules and policies than the published ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.sparch.config import SpArchConfig
from sim.sparch.figures import PlanTotals
from sim.sparch.round_work import ELEMENT_BYTES
from sim.sparch.scheduler import Scheduler

Floats = np.ndarray[Any, np.dtype[np.float64]]

_TAILS = (0.0, 1e-3, 0.01, 0.03, 0.08, 0.16, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.84, 0.92, 0.97, 0.99, 0.997, 0.9995)
_PLACES = 48
_STEPS = 24
_PARTS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Product:
    """A (rows x inner) times B (inner x cols) with the densities of both.

    uneven: share of A that padding leaves empty, in some of its rows only.
    """

    rows: int
    inner: int
    cols: int
    a_density: float
    b_density: float
    uneven: float = 0.0


@dataclass(frozen=True)
class ExpectedPlan:
    """totals: what the counted plan would hold. rounds: (rounds, 3) cycles that DRAM, multipliers and tree each need.

    chained: cycles of each round where the chip works on what DRAM has brought: most of B is missed in its first rows.

    lines_per_row: line requests of one row of A in a round, largest over the rounds, as a share of the buffer.
    """

    totals: PlanTotals
    rounds: Floats
    chained: Floats
    lines_per_row: float
    hit_rate: float


@dataclass(frozen=True)
class _Round:
    elements: float
    runs: tuple[tuple[int, int], ...]
    partial_in: float
    layer_in: Floats
    out: float
    a_bursts: float
    last: bool


def expected_plan(product: Product, config: SpArchConfig, buffer_share: float = 1.0) -> ExpectedPlan:
    """The mean plan of `product`, which must have elements in both operands.

    buffer_share: part of the row buffer that holds lines to come back; fitted, since replacement is not ideal.
    """
    lengths = _RowLengths.of(product)
    b_row = _BinomialParts.of(product.cols, product.b_density, config)
    rounds = _merge(product, lengths, config)
    elements = np.array([one.elements for one in rounds])
    hits, first_uses, crowd = _hit_rates(product, rounds, b_row.lines, buffer_share, config)
    return _add_up(product, rounds, elements, hits, first_uses, crowd, b_row, config)


@dataclass(frozen=True)
class _RowLengths:
    """Lengths of rows of A with the share of each, and the sizes of the condensed columns."""

    length: Floats
    share: Floats
    sizes: Floats

    @staticmethod
    def of(product: Product) -> _RowLengths:
        most = _at_most(np.arange(product.inner + 1.0), np.array(float(product.inner)), product.a_density)
        longest = max(int(np.searchsorted(most, 0.5 ** (1.0 / product.rows))), 1)
        sizes = np.maximum(np.rint(product.rows * (1 - most[:longest])), 1.0)
        low = int(np.searchsorted(most, 1e-4))
        if longest - low <= 2 * len(_TAILS):
            length = np.arange(low, longest + 1, dtype=np.float64)
            share = np.diff(most[low : longest + 1], prepend=0.0)
        else:
            edges = np.array([*_TAILS, 1.0])
            length = np.searchsorted(most, (edges[1:] + edges[:-1]) / 2).astype(np.float64)
            share = np.diff(edges)
        return _RowLengths(length, share / share.sum(), sizes)


@dataclass(frozen=True)
class _BinomialParts:
    """Of one row of B: mean elements, multiplier slots, lines, and bursts of a line."""

    elements: float
    slots: float
    lines: float
    bursts: float

    @staticmethod
    def of(cols: int, density: float, config: SpArchConfig) -> _BinomialParts:
        mean = cols * density
        spread = 6 * np.sqrt(mean * (1 - density)) + 1
        length = np.arange(max(int(mean - spread), 0), min(int(mean + spread) + 1, cols) + 1)
        share = np.diff(_at_most(length.astype(np.float64), np.array(float(cols)), density), prepend=0.0)
        size = config.prefetch.line_elements
        slots = float((share * -(-length // config.multipliers.lanes)).sum())
        lines = float((share * -(-length // size)).sum())
        bursts = mean / max(lines, 1e-12) * ELEMENT_BYTES / config.dram.burst_bytes + 1 - 4 / config.dram.burst_bytes
        return _BinomialParts(mean, slots, lines, bursts)


def _merge(product: Product, lengths: _RowLengths, config: SpArchConfig) -> list[_Round]:
    """Rounds with what enters every layer, as the real scheduler orders them."""
    sizes, ways = lengths.sizes, config.merge_tree.ways
    scheduler = Scheduler(sizes * product.cols * product.b_density, ways, config.schedule)
    merged: dict[int, tuple[np.ndarray[Any, Any], float]] = {}
    cells, absent = product.rows * product.cols, 1.0 - product.b_density
    rounds = []
    for index in range(scheduler.rounds):
        inputs = scheduler.next_round()
        leaves = inputs.leaves
        held = [merged.pop(partial) for partial in inputs.partials]
        below = [(leaves[None, :] < lengths.length[:, None]).astype(np.float64)]
        below += [np.searchsorted(one, lengths.length)[:, None].astype(np.float64) for one, _ in held]
        missing = absent ** np.concatenate(below, axis=1)
        missing = np.concatenate([missing, np.ones((missing.shape[0], ways - missing.shape[1]))], axis=1)
        layer_in = []
        for _ in range(config.layers):
            layer_in.append(cells * float(lengths.share @ (1 - missing).sum(axis=1)))
            missing = missing[:, ::2] * missing[:, 1::2]
        out = cells * float(lengths.share @ (1 - missing[:, 0]))
        content = np.sort(np.concatenate([leaves, *(one for one, _ in held)]))
        merged[index] = (content, out)
        scheduler.written(round(out))
        rounds.append(
            _Round(
                elements=float(sizes[leaves].sum()),
                runs=_runs(leaves),
                partial_in=sum(size for _, size in held),
                layer_in=np.array(layer_in),
                out=out,
                a_bursts=_a_bursts(product, lengths, leaves, float(sizes[leaves].sum()), scheduler.rounds, config),
                last=inputs.last,
            )
        )
    return rounds


def _a_bursts(
    product: Product, lengths: _RowLengths, leaves: Any, elements: float, rounds: int, config: SpArchConfig
) -> float:
    """Bursts of A: elements of a row are neighbours; in a single round so are the rows."""
    whole = elements * ELEMENT_BYTES / config.dram.burst_bytes
    if rounds == 1 or not leaves.size:
        return whole
    touched = product.rows * float(lengths.share @ (lengths.length > leaves[0]))
    return whole + touched * (1 - 4 / config.dram.burst_bytes)


def _runs(leaves: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[tuple[int, int], ...]:
    """Ascending leaves as ranges (first, stop)."""
    ends = np.flatnonzero(np.diff(leaves) > 1)
    first, stop = np.concatenate([leaves[:1], leaves[ends + 1]]), np.concatenate([leaves[ends] + 1, leaves[-1:] + 1])
    return tuple(zip(first.tolist(), stop.tolist(), strict=True))


def _hit_rates(
    product: Product, rounds: list[_Round], lines: float, share: float, config: SpArchConfig
) -> tuple[Floats, Floats, float]:
    """Share of the line requests of each round that hit; first uses of rows of B up to each of `_PARTS` of the rows of
    A; and the line requests of a row of A over the buffer."""
    k, weight = _places(product, rounds)
    owner = np.array([index for index, one in enumerate(rounds) for _ in one.runs], np.int64)
    runs = np.array([run for one in rounds for run in one.runs], np.float64).reshape(-1, 2)
    upto = [_at_most(runs[:, end, None] - 1, k[owner], product.a_density) for end in (0, 1)]
    inside = np.zeros((len(rounds), _PLACES))
    np.add.at(inside, owner, upto[1] - upto[0])
    use = np.clip(product.a_density * inside, 1e-12, 1.0)
    per_row = use.sum(axis=1) * weight[:, 0]
    lines = max(lines, 1e-9)
    room = config.prefetch.lines / lines
    hits = _hits(use, weight, per_row, product.rows, share * room, config.lookahead.elements)
    met = (1 - (1 - use[:, None, :]) ** (np.array(_PARTS) * product.rows)[None, :, None]).sum(axis=2) * weight
    everything = _kept(use, weight, np.full(len(rounds), float(product.rows)), product.rows)[0]
    hits = np.where(met[:, -1] <= room, everything, hits)
    crowd = float(per_row.max(initial=0.0)) * lines / config.prefetch.lines
    return np.clip(hits / np.maximum(per_row * product.rows, 1e-9), 0.0, 1.0), met, crowd


def _places(product: Product, rounds: list[_Round]) -> tuple[Floats, Floats]:
    """(rounds, places) columns of A spread over where a round can have elements, and how many each stands for."""
    p = product.a_density
    ends = np.array([(one.runs[0][0], one.runs[-1][1]) if one.runs else (0, 1) for one in rounds], np.float64)
    spread = 5 * np.sqrt(ends * (1 - p)) / p + 5 * (1 - p) / p
    low = np.clip(np.floor(ends[:, :1] / p - spread[:, :1]), 0, product.inner - 1)
    high = np.clip(np.ceil(ends[:, 1:] / p + spread[:, 1:]), low + 1, product.inner)
    weight = (high - low) / _PLACES
    return np.floor(low + (np.arange(_PLACES) + 0.5)[None, :] * weight), weight


def _at_most(limit: Floats, trials: Floats, density: float) -> Floats:
    """P(binomial(trials, density) <= limit), also where limit is negative or over the trials."""
    from scipy.special import bdtr

    n = np.broadcast_to(trials, np.broadcast_shapes(limit.shape, trials.shape))
    cut = np.minimum(np.broadcast_to(limit, n.shape), n)
    inside = bdtr(np.maximum(cut, 0.0), n.astype(np.int64), density)
    result: Floats = np.where(cut < 0, 0.0, inside)
    return result


def _hits(use: Floats, weight: Floats, per_row: Floats, rows: int, room: float, window: int) -> Floats:
    """Uses of rows of B, all places together, that come back within the reach of the buffer; one figure a round.

    use: (rounds, places) uses of a row of B in a row of A. room: rows of B that the buffer holds.
    """
    seen = np.minimum(window / np.maximum(per_row, 1e-9), rows)
    low, high = np.zeros_like(per_row), np.minimum(seen, float(rows))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        fits = _kept(use, weight, middle, rows)[1] <= room
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    hits, held = _kept(use, weight, low, rows)
    all_hits, all_held = _kept(use, weight, np.full_like(low, float(rows)), rows)
    beyond = low >= 0.999 * seen  # all that the window shows fits: a fixed part of the rest stays too
    part = np.clip((room - held) / np.maximum(all_held - held, 1e-9), 0.0, 1.0)
    result: Floats = np.where(beyond, hits + part * (all_hits - hits), hits)
    return result


def _kept(use: Floats, weight: Floats, reach: Floats, rows: int) -> tuple[Floats, Floats]:
    """(hits, mean rows of B held) where every row of B that comes back within `reach` rows of A is kept."""
    below = np.floor(reach)
    part = reach - below
    ends = [_sums(use, weight, edge, rows) for edge in (below, np.minimum(below + 1, rows))]
    hits, held = ((1 - part) * ends[0][i] + part * ends[1][i] for i in (0, 1))
    return hits, held


def _sums(use: Floats, weight: Floats, reach: Floats, rows: int) -> tuple[Floats, Floats]:
    """Sums over gaps g up to `reach` of (rows - g) q^2 (1 - q)^(g-1), and of the same times g / rows."""
    g, q = reach[:, None], use
    r = 1.0 - q
    left = r**g
    s0 = q * (1 - left)
    s1 = 1 - left * (1 + q * g)
    s2 = (1 + r - left * ((g + 1) ** 2 - (2 * g * g + 2 * g - 1) * r + g * g * r * r)) / q
    hits = (rows * s0 - s1).sum(axis=1) * weight[:, 0]
    held = np.maximum(s1 - s2 / rows, 0.0).sum(axis=1) * weight[:, 0]
    return hits, held


def _add_up(
    product: Product, rounds: list[_Round], elements: Floats, hits: Floats, first_uses: Floats, crowd: float,
    b_row: _BinomialParts, config: SpArchConfig,
) -> ExpectedPlan:  # fmt: skip
    burst = config.dram.burst_bytes
    missed_lines = elements * b_row.lines * (1 - hits)
    partial_in = np.array([one.partial_in for one in rounds])
    out = np.array([one.out for one in rounds])
    layer_in = np.array([one.layer_in for one in rounds])
    bytes_out = np.where([one.last for one in rounds], ELEMENT_BYTES, config.partials.element_bytes)
    bursts = np.array([one.a_bursts for one in rounds]) + missed_lines * b_row.bursts
    bursts = bursts + (partial_in * config.partials.element_bytes + out * bytes_out) / burst
    slots = elements * b_row.slots
    needs = np.stack(
        [
            bursts * config.burst_cycles / config.dram.channels,
            slots / config.multipliers.groups,
            layer_in.max(axis=1) / config.merge_tree.width,
        ],
        axis=1,
    )
    per_burst = config.burst_cycles / config.dram.channels
    first = np.minimum(first_uses * b_row.lines, missed_lines[:, None]) * b_row.bursts * per_burst
    products = elements * b_row.elements
    read = products * (1 - hits)
    totals = PlanTotals(
        a=round(elements.sum()),
        b=round(read.sum()),
        pointers=0,
        products=round(products.sum()),
        slots=round(slots.sum()),
        partial_in=round(partial_in.sum()),
        partial_out=round(out[:-1].sum()),
        out=round(out.sum()),
        product=round(out[-1]),
        layer_in=tuple(round(value) for value in layer_in.sum(axis=0)),
        bursts=round(bursts.sum()),
    )
    return ExpectedPlan(totals, needs, _chained(needs, first), crowd, 1 - float(read.sum() / max(products.sum(), 1e-9)))


def _chained(needs: Floats, first: Floats) -> Floats:
    """Longest of: DRAM up to some part of the rows, then the chip for the rest. first: DRAM cycles of first uses."""
    part = np.array(_PARTS)[None, :]
    brought = first + (needs[:, :1] - first[:, -1:]) * part
    result: Floats = (brought + needs[:, 1:].max(axis=1)[:, None] * (1 - part)).max(axis=1)
    return result
