"""Stand-ins made and checked: row lengths, then a pattern, then a numbering, then values.

Pattern and numbering are apart because a numbering changes the locality and nothing else (`numbering`). Values are
uniform in [0.5, 1.5); a symmetric original gives a symmetric pattern, not symmetric values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.suitesparse import catalogue
from benchmarks.suitesparse.features import mean_span, pattern_product_nnz, row_similarity
from benchmarks.suitesparse.standins.draws import fill_values, new_state
from benchmarks.suitesparse.standins.lattice import lattice_pattern
from benchmarks.suitesparse.standins.lengths import row_lengths
from benchmarks.suitesparse.standins.network import network_pattern
from benchmarks.suitesparse.standins.numbering import renumber
from benchmarks.suitesparse.standins.recipe import Lattice, Numbering, StandinSpec, full_name, split_name, standin

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Pattern = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]

TOLERANCES = {"rows": 0.0, "nnz": 0.0, "max_row_nnz": 0.0, "multiplications": 0.03, "output_nnz": 0.06, "span": 0.10}
SIMILARITY_TOLERANCE = 0.05
_STREAM = 5


class Check(NamedTuple):
    """One figure of a stand-in beside its original's. `tolerance` is relative; for ``similarity`` it is absolute."""

    feature: str
    target: float
    got: float
    tolerance: float
    ok: bool


def make_standin(name: str, seed: int | None = None, *, locality: str | None = None) -> csr_array[Any]:
    """The stand-in `name` (``web-Google~``), the same bytes for the same seed; by default the seed it was fitted with.

    `locality`: ``low`` (span +10 %, similarity -0.05: the end of the tolerance that is hard on a buffer), ``high``
    (the other end) or ``middle``; by default what the name says (``web-Google-low~``), else middle. Values are
    float64, columns int32, sorted and unique. Raises `InputError` for an unknown name or locality, or a seed < 0.
    """
    from scipy import sparse

    from sim.errors import InputError

    original, named = split_name(name)
    full_name(original, locality or named)
    spec = standin(f"{original}~")
    seed = spec.seed if seed is None else seed
    if not 0 <= seed < 2**63:
        raise InputError(f"seed of {name} is {seed}, outside 0..{2**63 - 1}")
    indptr, indices = number(natural_pattern(spec, seed), spec.numbering[locality or named], seed)
    values = np.empty(indices.size)
    fill_values(new_state(seed, _STREAM), values)
    rows = indptr.size - 1
    made = sparse.csr_array((values, indices, indptr.astype(np.int32)), shape=(rows, rows))
    made.has_canonical_format = True
    return made


def natural_pattern(spec: StandinSpec, seed: int) -> Pattern:
    """`indptr` and unsorted `indices` before the numbering: all that multiplications and nnz(C) depend on."""
    entry = catalogue.entry(spec.original)
    lengths = row_lengths(entry.rows, entry.nnz, entry.max_row_nnz, spec.lengths, seed)
    if isinstance(spec.pattern, Lattice):
        return lattice_pattern(lengths, spec.pattern, seed)
    return network_pattern(lengths, spec.pattern, seed)


def number(pattern: Pattern, recipe: Numbering, seed: int) -> Pattern:
    """`pattern` with rows and columns renumbered alike, columns sorted."""
    return renumber(*pattern, recipe, seed)


def figures(csr: csr_array[Any]) -> dict[str, float]:
    """The figures that a stand-in is held to, by the names of `Check.feature`."""
    from benchmarks.suitesparse.matrix import max_row_nnz, multiplications

    return {
        "rows": int(csr.shape[0]),
        "nnz": int(csr.nnz),
        "max_row_nnz": max_row_nnz(csr),
        "multiplications": multiplications(csr, csr),
        "output_nnz": pattern_product_nnz(csr, csr),
        "span": mean_span(csr),
        "similarity": row_similarity(csr),
    }


def targets(spec: StandinSpec) -> dict[str, float]:
    """The original's figures: counts from the catalogue, locality from the published feature table."""
    entry = catalogue.entry(spec.original)
    counts = {key: float(getattr(entry, key)) for key in TOLERANCES if key != "span"}
    return {**counts, "span": spec.span, "similarity": spec.similarity}


def check(name: str, csr: csr_array[Any] | None = None) -> list[Check]:
    """Every figure of the stand-in `name` (made now unless given) beside the target and its tolerance."""
    made = make_standin(name) if csr is None else csr
    got = figures(made)
    return [_compare(feature, target, got[feature]) for feature, target in targets(standin(name)).items()]


def _compare(feature: str, target: float, got: float) -> Check:
    if feature == "similarity":
        return Check(feature, target, got, SIMILARITY_TOLERANCE, abs(got - target) <= SIMILARITY_TOLERANCE)
    tolerance = TOLERANCES[feature]
    return Check(feature, target, got, tolerance, abs(got - target) <= tolerance * target)
