"""Which weights stay: those of largest magnitude, one by one, by row (largest norm), or by block.

A tensor of more than two axes is pruned as the matrix (first axis, all others).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sim.errors import ConfigError

Array = NDArray[Any]
Granularity = Literal["weight", "row", "block"]


def matrix(values: Array) -> Array:
    """The tensor as a matrix."""
    return values.reshape(values.shape[0], -1)


def block_of(shape: tuple[int, ...], granularity: Granularity, block: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of what is pruned together."""
    columns = int(np.prod(shape[1:], dtype=np.int64))
    return {"weight": (1, 1), "row": (1, columns), "block": block}[granularity]


def keep_mask(values: Array, keep: float, group: tuple[int, int] = (1, 1)) -> Array:
    """True where a weight stays: the share `keep` of the groups with the largest root mean square. Blocks at the edge
    may be cut. Raises ConfigError for a share outside 0 to 1."""
    if not 0 <= keep <= 1:
        raise ConfigError(f"keep = {keep}; nearest: {min(1.0, max(0.0, keep))}")
    flat = matrix(values)
    score = group_scores(flat, group).ravel()
    count = round(keep * score.size)
    chosen = np.zeros(score.size, bool)
    chosen[np.argsort(-score, kind="stable")[:count]] = True
    return spread(chosen.reshape(_groups(flat.shape, group)), flat.shape, group).reshape(values.shape)


def group_scores(flat: Array, group: tuple[int, int]) -> Array:
    """Root mean square of each group."""
    if group == (1, 1):
        return np.abs(flat)
    padded = np.zeros([-(-side // part) * part for side, part in zip(flat.shape, group, strict=True)])
    padded[: flat.shape[0], : flat.shape[1]] = flat.astype(np.float64) ** 2
    rows, columns = _groups(flat.shape, group)
    sums = padded.reshape(rows, group[0], columns, group[1]).sum(axis=(1, 3))
    sizes = spread_sizes(flat.shape, group)
    return np.asarray(np.sqrt(sums / sizes))


def spread_sizes(shape: tuple[int, ...], group: tuple[int, int]) -> Array:
    """Elements of each group; less at the edges."""
    sides = [np.minimum(part, side - np.arange(0, side, part)) for side, part in zip(shape, group, strict=True)]
    return np.outer(sides[0], sides[1])


def spread(chosen: Array, shape: tuple[int, ...], group: tuple[int, int]) -> Array:
    """A mask of groups as one of elements."""
    return chosen.repeat(group[0], axis=0)[: shape[0]].repeat(group[1], axis=1)[:, : shape[1]]


def _groups(shape: tuple[int, ...], group: tuple[int, int]) -> tuple[int, int]:
    return -(-shape[0] // group[0]), -(-shape[1] // group[1])
