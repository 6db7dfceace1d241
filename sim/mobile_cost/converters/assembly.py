"""Batches from networks that are chains of repeated blocks: each distinct block is lowered once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from sim.network import Network
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch


def chains(
    networks: Sequence[Iterable[tuple[Hashable, int]]],
    lower: Callable[[Any], Sequence[Operator]],
    *,
    context: Context | None = None,
    names: Sequence[str] | None = None,
    serial_steps: Sequence[int] | None = None,
) -> WorkloadBatch:
    """A batch of networks, each a list of (block, times). `lower` gives the operators of a block.

    Peak memory is the largest of any block, launches and chain length are sums: these networks have no branches.
    """
    from scipy.sparse import csr_array

    place: dict[Hashable, int] = {}
    rows, columns, counts = [], [], []
    for row, net in enumerate(networks):
        for block, times in net:
            rows.append(row)
            columns.append(place.setdefault(block, len(place)))
            counts.append(times)
    lowered = [Network.chain(lower(block)) for block in place]
    column: dict[Operator, int] = {}
    edges = [
        (position, column.setdefault(op, len(column))) for position, net in enumerate(lowered) for op in net.operators
    ]
    inner = csr_array(
        (np.ones(len(edges), np.int64), ([edge[0] for edge in edges], [edge[1] for edge in edges])),
        (len(place), len(column)),
    )
    left = csr_array((np.array(counts, np.int64), (rows, columns)), (len(networks), len(place)))
    launches = np.array([len(net) for net in lowered], np.int64)
    peaks = np.array([net.peak_activation_bytes for net in lowered], np.int64)
    peak = np.zeros(len(networks), np.int64)
    np.maximum.at(peak, np.array(rows), peaks[columns])
    totals = np.asarray(left @ launches)
    features = {
        "peak_activation_bytes": peak,
        "kernel_launches": totals,
        "critical_path_operators": totals,
        "serial_steps": np.ones(len(networks), np.int64) if serial_steps is None else np.asarray(serial_steps),
    }
    return WorkloadBatch(tuple(column), left, features, blocks=inner, context=context, names=names)
