"""Random and degenerate operands, and rows made up for records."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp


def random_csr(rows: int, cols: int, density: float, seed: int, signed: bool = False) -> Any:
    """A CSR matrix with sorted rows and values in [0.5, 1.5), some negated where `signed`."""
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((rows, cols), density=density, format="csr", rng=rng)
    matrix.data = rng.uniform(0.5, 1.5, matrix.nnz)
    if signed:
        matrix.data *= rng.choice([-1.0, 1.0], matrix.nnz)
    matrix.sort_indices()
    return matrix


def operands() -> dict[str, tuple[Any, Any]]:
    """Pairs that a product by rows meets: ordinary ones and every kind of nearly nothing."""
    square = random_csr(120, 120, 0.05, 1)
    dense_row = random_csr(60, 60, 0.03, 2).tolil()
    dense_row[7, :] = 1.5
    zeros = random_csr(40, 40, 0.1, 3)
    zeros.data[::3] = 0.0
    cancelling = sp.csr_array(np.array([[1.0, -1.0], [2.0, 0.0]])), sp.csr_array(np.array([[3.0, 1.0], [3.0, 0.0]]))
    return {
        "square": (square, square),
        "signed": (random_csr(90, 90, 0.08, 4, signed=True),) * 2,
        "rectangular": (random_csr(30, 70, 0.1, 5), random_csr(70, 20, 0.1, 6)),
        "wide": (random_csr(3, 500, 0.2, 7), random_csr(500, 900, 0.02, 8)),
        "dense row": (sp.csr_array(dense_row),) * 2,
        "explicit zeros": (zeros, zeros),
        "cancelling": cancelling,
        "one by one": (sp.csr_array([[2.0]]),) * 2,
        "no entries": (sp.csr_array((5, 5), dtype=float),) * 2,
        "no rows": (sp.csr_array((0, 4), dtype=float), sp.csr_array((4, 3), dtype=float)),
        "no columns": (sp.csr_array((4, 3), dtype=float), sp.csr_array((3, 0), dtype=float)),
        "empty rows": (sp.csr_array(([1.0, 2.0], [0, 99], [0] * 50 + [2] * 51), shape=(100, 100)),) * 2,
    }


def row(**changes: Any) -> Any:
    """A measured row that adds up."""
    from benchmarks.suitesparse.libraries.record import Energy, LibraryRow

    energy = Energy(kind="measured", low_j=1.0, high_j=1.0, assumption="RAPL")
    fields: dict[str, Any] = {
        "matrix": "m", "sha256": "ab", "library": "scipy", "baseline": "scipy", "label": "SciPy", "threads": 1,
        "sorted_output": False, "status": "measured", "version": "scipy 1", "best_s": 0.5, "median_s": 0.6, "runs": 3,
        "cpu_s": 0.5, "hindered": False, "load_1min": 0.1, "multiplications": 1000, "output_nnz": 500, "flops": 1500,
        "gflops": 1500 / 0.5 / 1e9, "gflops_2mult": 2000 / 0.5 / 1e9, "agrees": True, "max_relative_error": 0.0,
        "energy": energy,
    }  # fmt: skip
    return LibraryRow(**(fields | changes))
