"""The paper beside us: ratios that follow from the record, and labels that say what a figure is."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.bench_table import fastest_library, render_bench
from analysis.paper import paper_rows
from analysis.published import published


def library(best_s: float, *, agrees: bool = True, status: str = "measured", name: str = "scipy") -> dict[str, Any]:
    """A row of a library as `bench` keeps it."""
    row = {"library": name, "baseline": name, "label": name, "threads": 1, "status": status, "reason": None}
    row |= {"best_s": best_s, "agrees": agrees, "hindered": False}
    if status != "measured":
        row |= {"best_s": None, "agrees": None, "reason": "not installed"}
    elif not agrees:
        row["reason"] = "3 entries differ"
    return row


def bench_record() -> dict[str, Any]:
    """Two matrices, one of them a stand-in, with figures that are easy to follow."""

    def simulated(seconds: float, energy: float, gflops: float) -> dict[str, Any]:
        return {
            "seconds": seconds,
            "flops": 1_000_000,
            "gflops": gflops,
            "energy_j": {"total": energy},
            "bandwidth_utilization": 0.5,
        }

    def row(name: str, *, real: bool, libraries: dict[str, Any]) -> dict[str, Any]:
        figures = {"dram_saving": 2.8, "hit_rate": 0.62, "gflops": 10.4, "bandwidth_utilization": 0.7}
        return {
            "name": name,
            "real": real,
            **figures,
            "speedup_outerspace_simulated": 12.0,
            "energy_ratio": 5.6,
            "sparch": simulated(1e-4, 0.89e-3, 10.4),
            "outerspace": simulated(4e-4, 4.95e-3, 2.6),
            "locality": None if real else {"low": figures, "high": figures},
            "libraries": libraries,
        }

    averages = {"dram_saving": 2.8, "hit_rate": 0.62, "gflops": 10.4, "bandwidth_utilization": 0.7}
    averages |= {"speedup_outerspace": 4.0, "speedup_outerspace_simulated": 12.0, "energy_ratio": 5.6}
    return {
        "matrices": [
            row(
                "a", real=True, libraries={"scipy x1": library(2e-3), "mkl x1": library(1e-3, agrees=False, name="mkl")}
            ),
            row(
                "b~",
                real=False,
                libraries={"scipy x1": library(8e-3), "mkl x1": library(0, status="not measured", name="mkl")},
            ),
        ],
        "averages": {
            "real": {**averages, "count": 1},
            "all": {**averages, "count": 2},
            "all_range": {"gflops": [9.0, 12.0]},
        },
        "roofline": {"flop_per_byte": 0.187, "gflops": 23.9},
    }


def found(name: str) -> dict[str, Any]:
    """The row of that name."""
    (row,) = [row for row in paper_rows(bench_record()) if row["name"] == name]
    return row


def test_ratios_are_ours_over_the_published() -> None:
    assert found("throughput, GFLOP/s")["ratio"] == pytest.approx(1.0)
    assert found("speed-up over OuterSPACE")["ratio"] == pytest.approx(4.0 / published()["speedup"]["outerspace"].value)
    assert found("energy, nJ/FLOP")["ours"] == pytest.approx(0.89)


def test_calibrated_figures_are_never_called_predicted() -> None:
    kinds = {row["name"]: row["kind"] for row in paper_rows(bench_record())}
    assert {kinds[name] for name in kinds if "energy" in name} == {"calibrated", "implied"}
    assert kinds["speed-up over OuterSPACE"] == "implied"
    assert kinds["speed-up over OuterSPACE as simulated here"] == "calibrated"
    assert kinds["DRAM bytes, OuterSPACE / SpArch"] == "predicted"
    assert kinds["throughput, GFLOP/s"] == kinds["bandwidth use"] == "chosen"


def test_implied_baselines_follow_from_the_published_ratios() -> None:
    row = found("speed-up over mkl")
    assert (row["kind"], row["ratio"]) == ("implied", pytest.approx(1.0))
    assert "not a run of it" in row["note"]
    assert found("energy saving over cusparse")["ours"] == pytest.approx(435, rel=1e-6)


def test_measured_speed_ups_leave_out_wrong_and_absent_results() -> None:
    assert found("speed-up over scipy, 1 thread")["ours"] == pytest.approx((20 * 80) ** 0.5)
    mkl = found("speed-up over mkl, 1 thread")
    assert (mkl["kind"], mkl["ours"], mkl["published"]) == ("not measured", None, published()["speedup"]["mkl"].value)


def test_every_published_figure_names_its_source() -> None:
    assert all(figure.source for section in published().values() for figure in section.values())
    assert all(row["published_source"] for row in paper_rows(bench_record()) if row["published"] is not None)


def test_stand_ins_are_named_and_counted() -> None:
    assert "1 real matrices and 1 stand-ins (~)" in found("throughput, GFLOP/s")["note"]


def test_the_table_shouts_wrong_results_and_says_why_a_cell_is_empty() -> None:
    record = bench_record()
    text = render_bench(record)
    assert "WRONG: mkl x1 on a disagrees with SciPy: 3 entries differ" in text
    assert "not measured: mkl x1: not installed" in text
    assert fastest_library(record["matrices"][0]) == "scipy x1"
    assert "its range by locality" in text
    assert "9.00–12.00" in text
    assert "mean of the 1 real" in text
