"""Gradient-boosted trees on histograms, small and compiled: the learned part of a profile.

Huber loss: each tree is grown on clipped residuals, so a few disturbed measurements do not steer it. Complete binary
trees of fixed depth in arrays; a node with feature -1 is a leaf. Same data and seed, same trees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_FEW = 200_000
"""Rows x trees up to which plain NumPy is faster than loading compiled code."""


@dataclass(frozen=True)
class Trees:
    """feature (-1: leaf), threshold (go right if above), value: (trees, nodes) each; base: added to their sum."""

    feature: Array
    threshold: Array
    value: Array
    base: float

    def predict(self, columns: Array) -> Array:
        """Sum of the trees for each row of `columns` (rows, features)."""
        if len(columns) * len(self.feature) < _FEW:
            return self._followed(columns)
        from sim.mobile_cost.tree_kernels import follow

        out = np.full(len(columns), self.base)
        follow(np.ascontiguousarray(columns, np.float64), self.feature, self.threshold, self.value, out)
        return out

    def _followed(self, columns: Array) -> Array:
        """The same for a few rows, without loading compiled code."""
        trees = np.arange(len(self.feature))[None, :]
        rows = np.arange(len(columns))[:, None]
        node = np.zeros((len(columns), len(self.feature)), np.int64)
        while True:
            column = self.feature[trees, node]
            inner = column >= 0
            if not inner.any():
                break
            right = columns[rows, np.maximum(column, 0)] > self.threshold[trees, node]
            node = np.where(inner, 2 * node + 1 + right, node)
        total = np.full(len(columns), self.base)
        for tree in range(len(self.feature)):  # in the order of the compiled loop: the same last digit
            total += self.value[tree, node[:, tree]]
        return total

    def first(self, count: int) -> Trees:
        """The first `count` trees."""
        return replace(self, feature=self.feature[:count], threshold=self.threshold[:count], value=self.value[:count])


def grow(
    columns: Array,
    target: Array,
    *,
    trees: int = 200,
    depth: int = 4,
    rate: float = 0.06,
    fewest: int = 5,
    subsample: float = 0.7,
    seed: int = 0,
) -> Trees:
    """Trees that predict `target` (rows) from `columns` (rows, features)."""
    from sim.mobile_cost import tree_kernels

    cuts = [np.unique(np.quantile(column, np.linspace(0, 1, tree_kernels.BINS)[1:-1])) for column in columns.T]
    binned = np.stack(
        [np.searchsorted(cut, column, side="left") for cut, column in zip(cuts, columns.T, strict=True)], axis=1
    ).astype(np.int32)
    base = float(np.median(target))
    distances = np.abs(target - base)
    delta = max(2.5 * float(np.median(distances)), float(distances.mean())) + 1e-9
    order = np.random.default_rng(seed)
    chosen = np.stack([order.random(len(target)) < subsample for _ in range(trees)])
    feature, split, value = tree_kernels.grow(binned, target - base, chosen, depth, rate, fewest, delta)
    threshold = np.zeros(feature.shape)
    gaps = [_between(cut, column) for cut, column in zip(cuts, columns.T, strict=True)]
    for position in np.argwhere(feature >= 0):
        tree, node = int(position[0]), int(position[1])
        threshold[tree, node] = gaps[feature[tree, node]][split[tree, node]]
    return Trees(feature, threshold, value, base)


def _between(cuts: Array, column: Array) -> Array:
    """For each cut the middle to the next larger value, so that rounding a threshold moves no row across it."""
    distinct = np.unique(column)
    following = np.minimum(np.searchsorted(distinct, cuts, side="right"), len(distinct) - 1)
    middle: Array = (cuts + distinct[following]) / 2.0
    return middle
