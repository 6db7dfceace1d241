"""All figures that a set of records allows, in the order of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.figures.panel import Panel


def bench_panels(bench: Mapping[str, Any]) -> Iterator[Panel]:
    """Figures of a bench record; those that nothing in it can fill are left out."""
    from analysis.figures.cycles import cycles_panel
    from analysis.figures.gains import gains_panel
    from analysis.figures.libraries import libraries_panel
    from analysis.figures.roofline import roofline_panel
    from analysis.figures.rows import rows
    from analysis.figures.traffic import traffic_panel

    found = rows(bench)
    if any(row.intensity > 0 and row.sparch["gflops"] > 0 for row in found):
        yield roofline_panel(bench)
        yield traffic_panel(bench)
    if any(row.speedup and row.energy_ratio for row in found):
        yield gains_panel(bench)
    if any(row.libraries and row.sparch["seconds"] for row in found):
        yield libraries_panel(bench)
    if any(row.sparch["cycles"] for row in found):
        yield cycles_panel(bench)


def ablation_panels(ablation: Mapping[str, Any]) -> Iterator[Panel]:
    """The waterfall of an ablation record."""
    from analysis.figures.steps import relative, steps_panel

    if relative(ablation)[1]:
        yield steps_panel(ablation)


def sweep_panels(sweep: Mapping[str, Any]) -> Iterator[Panel]:
    """Figures of a sweep record: the scaling study, or knees and the Pareto front."""
    from analysis.figures.frontier import frontier_panel
    from analysis.figures.knees import curves, knees_panel
    from analysis.figures.scaling import is_scaling_study, scaling_panel

    if is_scaling_study(sweep):
        yield scaling_panel(sweep)
        return
    if sweep.get("one_at_a_time") and curves(sweep):
        yield knees_panel(sweep)
    if sum(bool(m["gflops"] and m["energy_nj_per_flop"] and m["area_mm2"]) for m in sweep["machines"]) > 1:
        yield frontier_panel(sweep)
