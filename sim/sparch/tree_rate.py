"""What a block costs the merge tree in the event model, and how far the multipliers may run ahead of it.

The two fitted constants of the event model are here. They were fitted to the cycle model on seeded random matrices and
machines far from the default, never to a benchmark matrix, and never to a published figure.
"""

from __future__ import annotations

import numpy as np

from sim.sparch.config import SpArchConfig
from sim.sparch.product import RoundCounts

LEAF_FIFO_FILL = 0.8
"""Share of all leaf FIFOs that the multipliers fill before they have to wait for the tree (fitted)."""


def tree_cycles(counts: RoundCounts, config: SpArchConfig) -> list[float]:
    """Cycles of the busiest merge layer for each block.

    A layer takes in up to its width in a cycle, and gives out no more than the output FIFO of one node holds. With
    FIFOs of a few widths some cycles find too little in one input: a loss fitted to the cycle model, 2.5 % at two
    widths, 14.5 % at one and below (under two, results are flagged).
    """
    width, depth = config.merge_tree.width, config.merge_tree.fifo_depth
    leaving = np.column_stack([counts.layer_in[:, 1:], counts.out])
    cycles = np.maximum(counts.layer_in / width, leaving / min(width, depth)).max(axis=1, initial=0)
    shallow = np.interp(depth / width, [1, 2, 5], [0.145, 0.025, 0.0])
    slowed: list[float] = (cycles * (1 + shallow)).tolist()
    return slowed
