"""A sweep as a table: a line for each machine, or for each matrix where there is one machine."""

from __future__ import annotations

from typing import Any

from analysis.sweep_table import render_sweep, setting_words


def point(matrix: str, *, flags: tuple[str, ...] = ()) -> dict[str, Any]:
    """A point of a sweep."""
    figures = {"nnz": 1000, "multiplications": 5000, "gflops": 8.0, "hit_rate": 0.5, "seconds": 1e-3, "scipy_s": 2e-2}
    return {"matrix": matrix, "ideal_dram_bytes": 100, "dram_bytes": 150, **figures, "flags": list(flags)}


def machine(ways: int, *, pareto: bool) -> dict[str, Any]:
    """A machine of a sweep."""
    figures = {"gflops": 9.5, "energy_nj_per_flop": 0.9, "area_mm2": 28.49, "dram_over_ideal": 1.5, "hit_rate": 0.6}
    return {"settings": {"merge_tree.ways": ways}, **figures, "pareto": pareto}


def test_machines_are_named_by_their_settings_and_the_front_is_marked() -> None:
    record = {"matrices": ["a"], "machines": [machine(32, pareto=False), machine(64, pareto=True)]}
    record |= {"points": [point("a", flags=("use the cycle model",)), point("a")], "computed": 1, "cached": 1}
    lines = render_sweep(record).splitlines()
    assert lines[1].split() == ["ways=32", "9.50", "0.900", "28.49", "1.50", "0.600"]
    assert lines[2].split() == ["ways=64", "9.50", "0.900", "28.49", "1.50", "0.600", "yes"]
    assert "1 points computed, 1 were there" in lines
    assert "1 points carry a flag: use the cycle model for them" in lines


def test_one_machine_shows_its_matrices_with_scipy_beside() -> None:
    record = {"matrices": ["a"], "machines": [machine(64, pareto=True)], "points": [point("a")]}
    lines = render_sweep(record | {"computed": 1, "cached": 0}).splitlines()
    assert lines[1].split() == ["a", "1,000", "5,000", "8.00", "1.50", "0.500", "20.0"]


def test_default_machines_have_a_name() -> None:
    assert setting_words({}) == "default"
    assert setting_words({"prefetch.lines": 64, "dram.channels": 8}) == "lines=64, channels=8"
