"""The loops of `sim.mobile_cost.boosting`, compiled: growing trees on binned columns, and following them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.jit import njit

Array = np.ndarray[Any, np.dtype[Any]]

BINS = 48


@njit
def _best_split(binned: Array, gradient: Array, rows: Array, fewest: int) -> tuple[int, int, float]:
    total = 0.0
    for row in rows:
        total += gradient[row]
    count = len(rows)
    ridge = 1.0
    best, best_feature, best_bin = 1e-12, -1, 0
    base = total * total / (count + ridge)
    sums = np.zeros(BINS)
    counts = np.zeros(BINS)
    for feature in range(binned.shape[1]):
        sums[:] = 0.0
        counts[:] = 0.0
        for row in rows:
            place = binned[row, feature]
            sums[place] += gradient[row]
            counts[place] += 1
        left, below = 0.0, 0.0
        for place in range(BINS - 1):
            left += sums[place]
            below += counts[place]
            if below < fewest:
                continue
            if count - below < fewest:
                break
            right = total - left
            gain = left * left / (below + ridge) + right * right / (count - below + ridge) - base
            if gain > best:
                best, best_feature, best_bin = gain, feature, place
    return best_feature, best_bin, total / (count + ridge)


@njit
def grow(
    binned: Array, target: Array, chosen: Array, depth: int, rate: float, fewest: int, delta: float
) -> tuple[Array, Array, Array]:
    trees, rows = chosen.shape
    nodes = 2 ** (depth + 1) - 1
    feature = np.full((trees, nodes), -1, np.int32)
    split = np.zeros((trees, nodes), np.int32)
    value = np.zeros((trees, nodes))
    fitted = np.zeros(rows)
    place = np.zeros(rows, np.int64)
    for tree in range(trees):
        gradient = np.minimum(np.maximum(target - fitted, -delta), delta)
        picked = np.nonzero(chosen[tree])[0]
        place[:] = 0
        for level in range(depth + 1):
            for node in range(2**level - 1, 2 ** (level + 1) - 1):
                if node > 0 and feature[tree, (node - 1) // 2] < 0:
                    continue
                inside = picked[place[picked] == node]
                if len(inside) == 0:
                    continue
                column, where, mean = _best_split(binned, gradient, inside, fewest)
                value[tree, node] = mean * rate
                if level < depth and column >= 0:
                    feature[tree, node] = column
                    split[tree, node] = where
            for row in range(rows):
                node = place[row]
                if feature[tree, node] >= 0 and node < nodes // 2 and node >= 2**level - 1:
                    right = binned[row, feature[tree, node]] > split[tree, node]
                    place[row] = 2 * node + 1 + right
        for row in range(rows):
            fitted[row] += value[tree, place[row]]
    return feature, split, value


@njit
def follow(columns: Array, feature: Array, threshold: Array, value: Array, out: Array) -> None:
    for row in range(columns.shape[0]):
        for tree in range(feature.shape[0]):
            node = 0
            while feature[tree, node] >= 0:
                right = columns[row, feature[tree, node]] > threshold[tree, node]
                node = 2 * node + 1 + right
            out[row] += value[tree, node]
