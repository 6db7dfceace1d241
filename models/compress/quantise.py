"""Few levels for many weights: k-means (levels anywhere) and linear (levels at equal distance, zero among them).

Level 0 of a pruned tensor is zero, so pruned weights stay zero. k-means starts from equally spaced centroids, as in
HAT's quantiser, and runs on sorted values, which makes one pass a search and two sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import ConfigError, nearest

Array = NDArray[Any]
METHODS = ("kmeans", "linear")
_ROUNDS = 50


def levels(values: Array, bits: int, method: str, *, zero: bool) -> tuple[Array, Array]:
    """Codebook (float32) and a code for each of `values` (any shape). zero: keep exact zeros, as code 0.

    Raises ConfigError for an unknown method or bits outside 1 to 8.
    """
    if method not in METHODS:
        raise ConfigError(f"no quantisation {method!r}{nearest(method, METHODS)}")
    if not 1 <= bits <= 8:
        raise ConfigError(f"bits = {bits}; nearest: {min(8, max(1, bits))}")
    flat = np.asarray(values, np.float32).ravel()
    inner = flat[flat != 0] if zero else flat
    if not len(inner):
        return np.zeros(1, np.float32), np.zeros(values.shape, np.uint8)
    room = 2**bits - (1 if zero else 0)
    book = kmeans(inner, room) if method == "kmeans" else _grid(inner, room)
    if zero:
        codes = np.zeros(len(flat), np.uint8)
        codes[flat != 0] = _closest(inner, book) + 1
        book = np.concatenate((np.zeros(1, np.float32), book))
    else:
        codes = _closest(inner, book).astype(np.uint8)
    return book, codes.reshape(values.shape)


def kmeans(values: Array, count: int) -> Array:
    """At most `count` centroids in rising order, from linear ones between the extremes."""
    ordered = np.sort(values.astype(np.float64))
    sums = np.concatenate((np.zeros(1), np.cumsum(ordered)))
    book = np.linspace(ordered[0], ordered[-1], count)
    for _ in range(_ROUNDS):
        ends = np.searchsorted(ordered, (book[1:] + book[:-1]) / 2)
        edges = np.concatenate(([0], ends, [len(ordered)]))
        sizes = np.diff(edges)
        moved = np.where(sizes > 0, np.diff(sums[edges]) / np.maximum(sizes, 1), book)
        if np.array_equal(moved, book):
            break
        book = moved
    return np.unique(book[sizes > 0].astype(np.float32))


def _grid(values: Array, count: int) -> Array:
    """Levels at equal distance from the least to the greatest value."""
    return np.linspace(values.min(), values.max(), count, dtype=np.float32)


def _closest(values: Array, book: Array) -> Array:
    """Index of the closest level for each value."""
    middles = (book[1:].astype(np.float64) + book[:-1]) / 2
    return np.asarray(np.searchsorted(middles, values.astype(np.float64)))
