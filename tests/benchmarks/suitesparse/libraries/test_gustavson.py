"""The numba kernels against SciPy, both ways of keeping sums, on one thread and on more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from library_cases import operands

from benchmarks.suitesparse.libraries.agreement import compare
from benchmarks.suitesparse.libraries.library import Library
from benchmarks.suitesparse.libraries.numba_library import DENSE, HASH

CASES = operands()


def product(library: Library, a: Any, b: Any, threads: int) -> Any:
    """One product, as SciPy keeps it."""
    prepared = library.prepare(a, b, threads)
    return prepared.to_csr(prepared.multiply())


@pytest.fixture(autouse=True)
def two_threads() -> Any:
    """Leaves numba's number of threads as it was."""
    import numba

    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("library", [DENSE, HASH], ids=["dense", "hash"])
@pytest.mark.parametrize("threads", [1, 2])
def test_product_is_scipys(library: Library, case: str, threads: int) -> None:
    a, b = CASES[case]
    ours = product(library, a, b, threads)
    reference = a @ b
    assert compare(a, b, ours, reference, library.sorted_output).agrees
    difference = abs(ours.toarray() - reference.toarray())
    assert difference.max(initial=0.0) <= 1e-12
    assert ours.has_canonical_format or len(set(zip(*ours.tocoo().coords, strict=True))) == ours.nnz


@pytest.mark.parametrize("library", [DENSE, HASH], ids=["dense", "hash"])
def test_a_sum_that_cancels_stays_as_an_entry(library: Library) -> None:
    a, b = CASES["cancelling"]
    ours = product(library, a, b, 1)
    assert (a @ b).nnz == 3  # SciPy drops it
    assert ours.nnz == 4
    assert ours.toarray()[0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("library", [DENSE, HASH], ids=["dense", "hash"])
def test_the_order_of_sums_does_not_hang_on_threads(library: Library) -> None:
    a, b = CASES["signed"]
    one, two = (product(library, a, b, threads) for threads in (1, 2))
    for part in ("indptr", "indices", "data"):
        assert np.array_equal(getattr(one, part), getattr(two, part))
