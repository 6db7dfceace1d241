"""A batch from pieces: blocks that many networks share, each lowered once, and which of them a network is made of.

Counts of a sum are sums over pieces. The peak of live activations is the largest of the pieces', since one tensor goes
from a piece to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sim.network import Network
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch

Array = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


def assemble(
    columns: Array, used: Mask, lower: Callable[[int], Network], context: Context | None = None
) -> WorkloadBatch:
    """A network for each row of `columns`, which holds numbers of pieces in order, where `used`.

    `lower` gives the piece of a number; it is asked once for each that is used anywhere.
    """
    from scipy.sparse import csr_array

    rows = len(columns)
    indptr = np.zeros(rows + 1, np.int64)
    np.cumsum(used.sum(axis=1), out=indptr[1:])
    chosen = columns[used]
    present = np.flatnonzero(np.bincount(chosen))
    place = np.zeros(present[-1] + 1 if present.size else 1, np.int64)
    place[present] = np.arange(len(present))
    pieces = [lower(int(number)) for number in present]
    counts = csr_array((np.ones(len(chosen), np.int64), place[chosen], indptr), (rows, len(pieces)))
    operators, blocks = stack(pieces)
    peaks = np.zeros(len(place), np.int64)
    peaks[present] = [piece.peak_activation_bytes for piece in pieces]
    features = {
        "peak_activation_bytes": np.maximum.reduceat(peaks[chosen], indptr[:-1]) if rows else np.zeros(0, np.int64),
        "serial_steps": np.ones(rows, np.int64),
    }
    for name in ("kernel_launches", "critical_path_operators"):
        features[name] = counts @ np.array([getattr(piece, name) for piece in pieces], np.int64)
    batch = WorkloadBatch(operators, counts, features, blocks=blocks)
    return batch.with_context(context) if context is not None else batch


def stack(pieces: Sequence[Network]) -> tuple[tuple[Operator, ...], Any]:
    """The distinct operators of `pieces`, and pieces x operators."""
    from scipy.sparse import csr_array

    place: dict[Operator, int] = {}
    indices = [place.setdefault(op, len(place)) for piece in pieces for op in piece.operators]
    indptr = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    data = np.ones(len(indices), np.int64)
    blocks = csr_array((data, np.array(indices, np.int64), indptr), (len(pieces), len(place)))
    blocks.sum_duplicates()
    return tuple(place), blocks
