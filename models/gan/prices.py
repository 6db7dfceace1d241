"""What MACs say of a device's latency: all generators of a space priced, and how far the two orders differ.

Spaces of at most `MOST` generators are priced whole; of a larger one a uniform sample stands for it, and `how` says so.
Latencies are the device model's predictions.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.gan.search import GanSpace
from models.search.constraint import Target
from models.search.objective import Array
from sim.oracle import CostTable

MOST, SAMPLE, CORRELATED = 2_000_000, 100_000, 2_000
FEWER = 0.95
"""Of a misleading pair the slower network has at most this share of the other's MACs."""
_CHUNK = 50_000
Places = np.ndarray[Any, np.dtype[np.int64]]


def costs(space: GanSpace, target: Target, population: Places) -> CostTable:
    """What the device says of the networks."""
    return target.oracle.cost(space.lower(population, fusion=target.fusion, context=target.context))


@dataclass(frozen=True)
class Prices:
    """macs, latency_s: of the networks number `numbers` of the space, or of `drawn`. how: enumerated, or sampled."""

    space: GanSpace
    target: Target
    macs: Places
    latency_s: Array
    drawn: Places | None
    seed: int = 0

    @classmethod
    def of(cls, space: GanSpace, target: Target, seed: int = 0, most: int = MOST) -> Prices:
        """Price the space, or a sample of it."""
        drawn = None
        if space.size > most:
            drawn = np.unique(space.sample(min(SAMPLE, most), np.random.default_rng((seed, 0x9A1C))), axis=0)
        count = space.size if drawn is None else len(drawn)
        parts = []
        for start in range(0, count, _CHUNK):
            stop = min(start + _CHUNK, count)
            parts.append(costs(space, target, space.enumerate(start, stop) if drawn is None else drawn[start:stop]))
        macs, latency = (np.concatenate([one[name] for one in parts]) for name in ("macs", "latency_s"))
        return cls(space, target, macs, latency, drawn, seed)

    @property
    def how(self) -> str:
        """``enumerated`` or ``sampled``."""
        return "enumerated" if self.drawn is None else "sampled"

    def network(self, place: int) -> Places:
        """A population of the one network at `place`."""
        return self.space.enumerate(place, place + 1) if self.drawn is None else self.drawn[place : place + 1]

    def safe_macs(self, latency_s: float) -> int | None:
        """The most MACs with which every network keeps `latency_s`; None where not even the fewest MACs say so.

        This is the MAC budget that who knows MACs alone would have to give.
        """
        slow = self.macs[self.latency_s > latency_s]
        below = self.macs[self.macs < slow.min()] if len(slow) else self.macs
        return int(below.max()) if len(below) else None

    @functools.cached_property
    def correlated(self) -> Places:
        """Places of the networks that correlations are taken over: a uniform draw."""
        rng = np.random.default_rng((self.seed, 0xC0DE))
        return np.sort(rng.permutation(len(self.macs))[:CORRELATED])

    def record(self) -> dict[str, Any]:
        """How MACs and predicted latency go together: see the keys.

        pairs_misordered: share of pairs of networks in which that of fewer MACs is the slower one, as (1 - Kendall's
        tau) / 2. equal_macs: the latencies of networks within 1 % of the median MACs. misleading: the pair in which a
        network of at least 5 % fewer MACs is slower by the largest factor, over all that were priced.
        """
        from scipy.stats import kendalltau, spearmanr

        macs, latency = self.macs[self.correlated], self.latency_s[self.correlated]
        middle = float(np.median(self.macs))
        alike = self.latency_s[np.abs(self.macs - middle) <= 0.01 * middle]
        return {
            "device": self.target.name,
            "priced": len(self.macs),
            "how": self.how,
            "correlated": len(macs),
            "spearman": float(spearmanr(macs, latency).statistic),
            "pairs_misordered": float((1 - kendalltau(macs, latency).statistic) / 2),
            "equal_macs": {
                "macs": middle,
                "networks": len(alike),
                "least_latency_s": float(alike.min()) if len(alike) else None,
                "most_latency_s": float(alike.max()) if len(alike) else None,
            },
            "misleading": self._misleading(),
        }

    def _misleading(self) -> dict[str, Any] | None:
        """{slower, faster, factor, intervals_apart}, or None where no network of fewer MACs is slower."""
        order = np.argsort(self.macs, kind="stable")
        macs, latency = self.macs[order], self.latency_s[order]
        slowest = np.maximum.accumulate(latency)
        reach = np.searchsorted(macs, FEWER * macs, side="right")  # so many networks have few enough MACs
        factors = np.where(reach > 0, slowest[np.maximum(reach, 1) - 1] / latency, 0.0)
        best = int(np.argmax(factors))
        if not factors[best] > 1:
            return None
        slow = int(np.argmax(latency[: reach[best]]))
        pair = [self.described(self.network(int(order[place]))) for place in (slow, best)]
        apart = pair[0]["latency_low_s"] > pair[1]["latency_high_s"]
        return {"slower": pair[0], "faster": pair[1], "factor": float(factors[best]), "intervals_apart": bool(apart)}

    def described(self, network: Places) -> dict[str, Any]:
        """{channels, macs, params, latency_s, latency_low_s, latency_high_s} of one network."""
        row = costs(self.space, self.target, network).rows()[0]
        names = ("macs", "params", "latency_s", "latency_low_s", "latency_high_s")
        return {"channels": list(self.space.channels(network)[0]), **{name: row[name] for name in names}}
