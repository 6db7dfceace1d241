"""The roofline of the twenty benchmark matrices, from their published statistics alone.

    FLOP      = 2 x multiplications - nnz(C)
    bytes     = 12 x (nnz(A) + nnz(B) + nnz(C))          each element once, index and double, no row pointers
    intensity = geometric mean over the matrices of FLOP / bytes
    roof      = intensity x bandwidth

SpArch's paper quotes 0.19 FLOP/B and 23.9 GFLOP/s at 128 GB/s; no other convention that was tried gives both.
"""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.suitesparse.catalogue import CatalogueEntry, catalogue
from benchmarks.suitesparse.sweep import geometric_mean

ELEMENT_BYTES = 12
PEAK_BYTES_PER_S = 128e9


def intensity_flop_per_byte(entry: CatalogueEntry) -> float:
    """FLOP of A·A for each byte that it has to move at least."""
    flops = 2 * entry.multiplications - entry.output_nnz
    return flops / (ELEMENT_BYTES * (2 * entry.nnz + entry.output_nnz))


def published_roofline(entries: Iterable[CatalogueEntry] | None = None) -> dict[str, float]:
    """``flop_per_byte`` and ``gflops`` of the roof over `entries`, by default all twenty."""
    mean = geometric_mean([intensity_flop_per_byte(entry) for entry in entries or catalogue()])
    assert mean is not None
    return {"flop_per_byte": mean, "gflops": mean * PEAK_BYTES_PER_S / 1e9}
