"""Random matrices of mixed kinds and machines far from the published one, for holding the two models together.

Everything is drawn from one generator, so that a seed names the same 240 cases everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from sim.sparch.config import SpArchConfig, load_config

KINDS = ("uniform", "power law", "banded", "dense rows", "short rows")
MATRICES, MACHINES = 20, 12


def far_cases(seed: int) -> tuple[list[Any], list[SpArchConfig]]:
    """The matrices and the machines of `seed`; matrix ``i`` is of kind ``KINDS[i % 5]``."""
    rng = np.random.default_rng(seed)
    matrices = [_matrix(rng, KINDS[place % len(KINDS)]) for place in range(MATRICES)]
    return matrices, [load_config(settings=_settings(rng)) for _ in range(MACHINES)]


def _matrix(rng: np.random.Generator, kind: str) -> Any:
    n = int(rng.integers(150, 900))
    matrix: Any
    if kind == "uniform":
        matrix = sp.random_array((n, n), density=rng.uniform(0.005, 0.05), rng=rng, format="csr")
    elif kind == "power law":
        degrees = np.minimum((rng.pareto(1.2, n) + 1) * 3, n // 2).astype(int)
        row = np.repeat(np.arange(n), degrees)
        column = (rng.power(0.4, row.size) * n).astype(int) % n
        matrix = sp.csr_array((rng.random(row.size), (row, column)), shape=(n, n))
    elif kind == "banded":
        width = int(rng.integers(3, 40))
        row = np.repeat(np.arange(n), width)
        column = np.clip(row + rng.integers(-width, width + 1, row.size), 0, n - 1)
        matrix = sp.csr_array((rng.random(row.size), (row, column)), shape=(n, n))
    elif kind == "dense rows":
        thin = sp.random_array((n, n), density=0.01, rng=rng, format="lil")
        for full in rng.integers(0, n, 3):
            thin[[int(full)], :] = rng.random((1, n))
        matrix = sp.csr_array(thin)
    else:
        n *= 6
        row, column = rng.integers(0, n // 3, n * 2), rng.integers(0, n, n * 2)
        matrix = sp.csr_array((rng.random(n * 2), (row, column)), shape=(n, n))
    matrix.sum_duplicates()
    return matrix


def _settings(rng: np.random.Generator) -> dict[str, int]:
    def one(*choices: int) -> int:
        return int(rng.choice(choices))

    width, depth = one(1, 2, 3, 4, 8, 16), one(4, 8, 16, 32, 48, 64)
    lanes, groups = one(2, 4, 8, 16), one(1, 2, 4)
    while not 4 <= lanes * groups <= 32:
        groups, lanes = one(1, 2, 4), one(2, 4, 8, 16)
    return {
        "merge_tree.ways": one(4, 8, 16, 32, 64, 128),
        "merge_tree.width": width,
        "merge_tree.fifo_depth": depth,
        "multipliers.groups": groups,
        "multipliers.lanes": lanes,
        "prefetch.lines": one(64, 128, 256, 1024, 4096),
        "prefetch.line_elements": one(8, 16, 48, 96),
        "dram.latency_cycles": int(rng.integers(20, 300)),
        "dram.channels": one(1, 2, 4, 8, 16),
    }
