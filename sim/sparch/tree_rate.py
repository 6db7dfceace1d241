"""What a block costs the merge tree in the event model, and how far the multipliers may run ahead of it.

The two fitted constants of the event model are here. They were fitted to the cycle model on seeded random matrices and
machines far from the default, never to a benchmark matrix, and never to a published figure.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.sparch.config import SpArchConfig
from sim.sparch.product import RoundCounts

LEAF_FIFO_FILL = 0.8
"""Share of all leaf FIFOs that the multipliers fill before they have to wait for the tree (fitted)."""


def layer_cycles(counts: RoundCounts, config: SpArchConfig) -> npt.NDArray[np.float64]:
    """Cycles that each merge layer works on each block: blocks x layers, the root last (one column without any).

    A layer takes in up to its width in a cycle, and gives out no more than the output FIFO of one node holds. With
    FIFOs of a few widths some cycles find too little in one input: a loss fitted to the cycle model, 2.5 % at two
    widths, 14.5 % at one and below (under two, results are flagged).
    """
    width, depth = config.merge_tree.width, config.merge_tree.fifo_depth
    leaving = np.column_stack([counts.layer_in[:, 1:], counts.out])
    entering = counts.layer_in if config.layers else counts.out[:, None]
    cycles = np.maximum(entering / width, leaving[:, : entering.shape[1]] / min(width, depth))
    shallow = np.interp(depth / width, [1, 2, 5], [0.145, 0.025, 0.0])
    slowed: npt.NDArray[np.float64] = cycles * (1 + shallow)
    return slowed


def ahead_cycles(active: npt.NDArray[np.float64], config: SpArchConfig) -> npt.NDArray[np.float64]:
    """Cycles by which each layer may be ahead of the root: what its output FIFOs hold; blocks x layers, 0 for the root.

    active: inputs of the tree that a row of each block has. No more nodes of a layer are in use than that.
    """
    nodes = 2 ** np.arange(config.layers - 1, -1, -1) if config.layers else np.ones(1)
    held = np.minimum(active[:, None], nodes) * config.merge_tree.fifo_depth / config.merge_tree.width
    held[:, -1] = 0.0
    ahead: npt.NDArray[np.float64] = held
    return ahead
