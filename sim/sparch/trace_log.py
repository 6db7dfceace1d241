"""Counters of the time line: DRAM bandwidth and lines held in the row buffer, sampled from the event model."""

from __future__ import annotations

import numpy as np

from sim.events import Stage
from sim.sparch.plan import RoundPlan


class TraceLog:
    """Samples for the counters of the time line, taken from the stages of each finished round."""

    def __init__(self) -> None:
        self._bursts: list[tuple[float, float, int]] = []
        self._lines: list[tuple[float, int]] = []

    def add(
        self, planned: RoundPlan, *, fetched: Stage, lines: Stage, partials: Stage, written: Stage, used: Stage
    ) -> None:
        """Take the transfers and line look-ups of a round; a block's are spread evenly over its time."""
        traffic = planned.traffic
        sources = (
            (fetched, traffic.a_loads),
            (lines, traffic.b_loads),
            (partials, traffic.partial_loads),
            (written, traffic.out_loads),
        )
        for stage, loads in sources:
            bursts = loads.sum(axis=1).tolist()
            self._bursts += [part for part in zip(stage.began, stage.ends, bursts, strict=True) if part[2]]
        for begin, end, requests in zip(lines.began, used.ends, planned.counts.requests.tolist(), strict=True):
            self._lines += [(begin, requests), (end, -requests)]

    def counters(self, burst_bytes: int, bins: int = 2000) -> dict[str, list[tuple[float, float]]]:
        """Bandwidth as the mean of even bins; lines held as they change."""
        if not self._bursts:
            return {}
        begin, end, bursts = (np.array(column, dtype=np.float64) for column in zip(*self._bursts, strict=True))
        edges = np.linspace(0.0, float(end.max()) + 1, bins + 1)
        done = np.zeros(bins + 1)
        for first, last, count in zip(begin, np.maximum(end, begin + 1), bursts, strict=True):
            low, high = np.searchsorted(edges, [first, last])
            done[low:high] += count * (edges[low:high] - first) / (last - first)
            done[high:] += count
        rate = np.diff(done) / np.diff(edges) * burst_bytes
        changes = sorted(self._lines)
        held = np.cumsum([change for _, change in changes])
        return {
            "dram_bytes_per_cycle": list(zip(edges[:-1].tolist(), rate.tolist(), strict=True)),
            "buffer_lines_held": [(time, float(value)) for (time, _), value in zip(changes, held, strict=True)],
        }
