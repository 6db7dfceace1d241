"""Fitting a stand-in: each figure is brought to its target by the one parameter that `knobs` names for it.

Pattern first (multiplications, nnz(C)), then for each locality the numbering (span, similarity), which cannot disturb
the pattern's figures. Targets are the catalogue's and a feature table's; nothing of a simulator enters.

    python -m benchmarks.suitesparse.standins.fit NAME... [--features features.csv]

rewrites `standins.toml`. Without ``--features`` the published numbers that the file holds are kept.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.suitesparse import catalogue
from benchmarks.suitesparse.standins import recipe, table_file
from benchmarks.suitesparse.standins.build import Pattern, figures, natural_pattern, number
from benchmarks.suitesparse.standins.recipe import LOCALITIES, Numbering, StandinSpec
from benchmarks.suitesparse.standins.search import Goal, Range, turn_knobs

_CLOSE = {"multiplications": 0.002, "output_nnz": 0.003, "span": 0.003, "similarity": 0.002}
_SPAN_MARGIN = 0.095
_SIMILARITY_MARGIN = 0.0475

_SHARE = Range(0.0, 1.0)
_RANGES = {
    "keep": Range(0.05, 1.0),
    **dict.fromkeys(("copy", "hubs", "inside", "bias"), _SHARE),
    "community": Range(2, 4096, "log", whole=True),
    "run": Range(1.0, 10_000.0, "log"),
    "far": Range(0.0, 1.0, "cubic"),
}


def fit(spec: StandinSpec, say: Callable[[str], None] = lambda text: None) -> StandinSpec:
    """`spec` with its knobs fitted and the reached figures of all localities filled in."""
    goals = _goals(spec, "middle", ("multiplications", "output_nnz"))
    settings = turn_knobs(vars(spec.pattern), goals, lambda trial: _pattern_figures(spec, trial))
    spec = dataclasses.replace(spec, pattern=dataclasses.replace(spec.pattern, **settings))
    natural = natural_pattern(spec, spec.seed)
    numberings = {}
    for locality in LOCALITIES:
        start = vars(spec.numbering.get(locality, spec.numbering["middle"]))
        goals = _goals(spec, locality, ("span", "similarity"))
        found = turn_knobs(start, goals, lambda trial: _numbering_figures(natural, trial, spec))
        numberings[locality] = Numbering(**found)
        say(f"{spec.name} {locality}: {numberings[locality]}")
    return _with_reached(dataclasses.replace(spec, numbering=numberings))


def _goals(spec: StandinSpec, locality: str, features: Sequence[str]) -> dict[str, Goal]:
    """What to fit to: published figures, for the ends of the tolerance with a small margin inside it."""
    entry = catalogue.entry(spec.original)
    side = {"middle": 0, "low": 1, "high": -1}[locality]
    targets = {
        "multiplications": entry.multiplications,
        "output_nnz": entry.output_nnz,
        "span": spec.span * (1 + side * _SPAN_MARGIN),
        "similarity": min(max(spec.similarity - side * _SIMILARITY_MARGIN, 0.0), 1.0),
    }
    knobs = {one: spec.knobs[one] for one in features if one in spec.knobs}
    return {
        one: Goal(targets[one], _CLOSE[one], knob, _range(knob, spec), absolute=one == "similarity")
        for one, knob in knobs.items()
    }


def _range(knob: str, spec: StandinSpec) -> Range:
    entry = catalogue.entry(spec.original)
    if knob == "hub_length":
        return Range(1, entry.max_row_nnz, "log", whole=True)
    if knob == "window":
        return Range(1, entry.rows, "log", whole=True)
    return _RANGES[knob]


def _csr(pattern: Pattern) -> Any:
    from scipy import sparse

    indptr, indices = pattern
    rows = indptr.size - 1
    return sparse.csr_array((np.ones(indices.size, np.int8), indices, indptr), shape=(rows, rows))


def _pattern_figures(spec: StandinSpec, settings: dict[str, Any]) -> dict[str, float]:
    from benchmarks.suitesparse.features import pattern_product_nnz
    from benchmarks.suitesparse.matrix import multiplications

    trial = dataclasses.replace(spec, pattern=type(spec.pattern)(**settings))
    csr = _csr(natural_pattern(trial, spec.seed))
    return {"multiplications": multiplications(csr, csr), "output_nnz": pattern_product_nnz(csr, csr)}


def _numbering_figures(natural: Pattern, settings: dict[str, Any], spec: StandinSpec) -> dict[str, float]:
    from benchmarks.suitesparse.features import mean_span, row_similarity

    csr = _csr(number(natural, Numbering(**settings), spec.seed))
    return {"span": mean_span(csr), "similarity": row_similarity(csr)}


def _with_reached(spec: StandinSpec) -> StandinSpec:
    """`spec` with the figures of the matrices that it makes, and today's date."""
    natural = natural_pattern(spec, spec.seed)
    reached = {}
    for locality in LOCALITIES:
        got = figures(_csr(number(natural, spec.numbering[locality], spec.seed)))
        reached[locality] = {key: round(got[key], 6) for key in ("multiplications", "output_nnz", "span", "similarity")}
    return dataclasses.replace(spec, reached=reached, fitted=datetime.date.today().isoformat())


def with_published(spec: StandinSpec, features: Path) -> StandinSpec:
    """`spec` with the span, similarity and deviation of row lengths in the table `features`, if they are there."""
    with open(features, newline="", encoding="utf-8") as file:
        row = next((one for one in csv.DictReader(file) if one["matrix"] == spec.original), None)
    if row is None:
        return spec
    lengths = dataclasses.replace(spec.lengths, std=float(row["nnz-r-std"]))
    span, similarity = float(row["bw-avg"]), float(row["cross_row_sim-avg"])
    return dataclasses.replace(spec, span=span, similarity=similarity, lengths=lengths)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the stand-ins named on the command line and rewrite the file."""
    parser = argparse.ArgumentParser(description="Fit stand-ins to published matrix features.")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--features", type=Path, help="table of published features (feats.csv)")
    options = parser.parse_args(arguments)
    specs = {one.original: one for one in map(recipe.standin, recipe.standin_names())}
    for name in options.names:
        spec = specs[recipe.split_name(name)[0]]
        if options.features:
            spec = with_published(spec, options.features)
        specs[spec.original] = fit(spec, print)
        table_file.write(specs.values(), recipe.TABLE)


if __name__ == "__main__":
    main()
