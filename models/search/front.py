"""Pareto: non-dominated sets, fronts and crowding. Everything is a cost here: smaller is better in every column.

Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
_CHUNK = 512


def non_dominated(costs: Array) -> Places:
    """Rows that no other row beats, ascending; of equal rows the first. costs: (networks, columns)."""
    if costs.shape[1] == 2:
        return _flat(costs)
    keep = np.ones(len(costs), bool)
    for begin in range(0, len(costs), _CHUNK):
        part = costs[begin : begin + _CHUNK]
        below = (costs[:, None, :] <= part[None]).all(axis=2)
        strictly = (costs[:, None, :] < part[None]).any(axis=2)
        earlier = np.arange(len(costs))[:, None] < np.arange(begin, begin + len(part))[None]
        keep[begin : begin + _CHUNK] &= ~(below & (strictly | earlier)).any(axis=0)
    return np.flatnonzero(keep)


def _flat(costs: Array) -> Places:
    """Two columns: by the first ascending, the second must fall."""
    order = np.lexsort((np.arange(len(costs)), costs[:, 1], costs[:, 0]))
    second = costs[order, 1]
    before = np.concatenate([[np.inf], np.minimum.accumulate(second)[:-1]])
    return np.sort(order[second < before])


def ranks(costs: Array) -> Places:
    """Front of each row: 0 for the non-dominated, 1 for those that only the former dominate, and so on."""
    below: Any = (costs[:, None, :] <= costs[None]).all(axis=2) & (costs[:, None, :] < costs[None]).any(axis=2)
    beaten_by: Places = np.asarray(below.sum(axis=0))
    found = np.full(len(costs), -1, np.int64)
    rank, left = 0, len(costs)
    while left:
        front = (beaten_by == 0) & (found < 0)
        found[front] = rank
        beaten_by = beaten_by - below[front].sum(axis=0)
        rank, left = rank + 1, left - int(front.sum())
    return found


def crowding(costs: Array, rank: Places) -> Array:
    """Distance of each row to its neighbours in its front, in spans of each column; infinite at the ends."""
    distance = np.zeros(len(costs))
    for front in np.unique(rank):
        rows = np.flatnonzero(rank == front)
        for column in costs[rows].T:
            order = rows[np.argsort(column, kind="stable")]
            ordered = np.sort(column, kind="stable")
            distance[order[[0, -1]]] = np.inf
            span = ordered[-1] - ordered[0]
            if span > 0 and len(order) > 2:
                distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    return distance
