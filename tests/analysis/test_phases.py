"""OuterSPACE results in the table, in words, and beside those of SpArch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.causes import peak_bytes_per_cycle, split_cycles
from analysis.compare import compare, render_comparison
from analysis.explain import all_causes, render_explanation
from analysis.phases import CAUSE_NAMES, FORMULAS, cause_cycles, has_phases, phase_cycles
from analysis.record import energy_groups
from analysis.table import render_summary


def arrow() -> np.ndarray:
    """One long row and column among short ones: the slowest element shows."""
    matrix = np.eye(300)
    matrix[7, :] = 1
    matrix[:, 9] = 1
    return matrix


@pytest.fixture(scope="module")
def outerspace() -> dict[str, Any]:
    """A result of OuterSPACE."""
    from sim.outerspace import simulate

    return simulate(arrow(), name="arrow").to_dict()


@pytest.fixture(scope="module")
def sparch() -> dict[str, Any]:
    """The same product on SpArch."""
    from sim.sparch import simulate

    return simulate(arrow(), name="arrow").to_dict()


def test_causes_are_the_states_of_both_phases(outerspace: dict[str, Any]) -> None:
    assert has_phases(outerspace)
    causes = cause_cycles(outerspace)
    assert tuple(causes) == tuple(CAUSE_NAMES) == tuple(FORMULAS)
    assert sum(causes.values()) == pytest.approx(outerspace["cycles"])
    assert sum(cause.cycles for cause in all_causes(outerspace)) == pytest.approx(outerspace["cycles"])
    assert causes["merge_imbalance"] == pytest.approx(outerspace["units"]["merge_pes"]["starved"], rel=1e-4)
    assert sum(phase_cycles(outerspace, phase) for phase in ("multiply", "merge")) == pytest.approx(
        outerspace["cycles"], abs=2
    )
    assert peak_bytes_per_cycle(outerspace) == pytest.approx(85.333, rel=1e-4)
    assert split_cycles(outerspace).limit in ("bandwidth", "multiply", "merge")


def test_empty_run_has_no_causes() -> None:
    from sim.outerspace import simulate

    record = simulate(np.zeros((3, 3))).to_dict()
    assert set(cause_cycles(record).values()) == {0.0}
    assert "multiply phase 0 us" in render_summary(record)
    assert "0 cycles" in render_explanation(record)


def test_words(outerspace: dict[str, Any]) -> None:
    text = render_explanation(outerspace)
    assert "slowest" in text
    assert text.count("estimate: units.") == 3
    every = " ".join(cause.text for cause in all_causes(outerspace))
    for fact in ("256 processing elements", "128 processing elements", "348", "insert"):
        assert fact in every


def test_table(outerspace: dict[str, Any]) -> None:
    text = render_summary(outerspace)
    for fact in ("on OuterSPACE, event model", "at 1.5 GHz", "multiply phase", "merge pes", "crossbar 4 %"):
        assert fact in text
    assert "row buffer" not in text
    assert "merge round" not in text
    assert "None" not in text


def test_machines_of_different_clocks_are_compared_in_seconds(
    sparch: dict[str, Any], outerspace: dict[str, Any]
) -> None:
    comparison = compare(sparch, outerspace)
    for table in ("cycles", "seconds", "dram_bytes", "energy_j"):
        split = comparison[table]
        for side in ("first", "second", "difference"):
            assert sum(part[side] for part in split["parts"].values()) == pytest.approx(split[side])
    assert comparison["seconds"]["second"] == outerspace["seconds"]
    assert comparison["hit_rate"]["difference"] is None
    assert comparison["figures"]["merge_rounds"]["second"] is None
    text = render_comparison(comparison)
    assert "time ms: " in text
    assert "\ncycles: " not in text
    assert "hit rate" not in text
    assert "crossbar" in text
    assert "merge_tree.ways" not in text  # OuterSPACE has none: no difference to name
    assert comparison["settings"]["merge_tree.ways"] == {"first": 64, "second": None}


def test_only_a_machine_with_a_crossbar_has_its_energy(sparch: dict[str, Any], outerspace: dict[str, Any]) -> None:
    assert energy_groups(sparch) == ["compute", "sram", "dram"]
    assert energy_groups(sparch, outerspace) == ["compute", "sram", "dram", "crossbar"]
    assert "crossbar" not in render_comparison(compare(sparch, sparch))
