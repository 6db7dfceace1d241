"""The band around 0.90 and the chance to fall in it, against draws of faultless intervals."""

from __future__ import annotations

import numpy as np
import pytest

from sim.mobile_cost import coverage
from sim.mobile_cost.intervals import quantiles


@pytest.mark.parametrize(("known", "unseen"), [(900, 3_076), (2_812, 938), (10, 500), (60, 20)])
def test_chance_is_that_of_drawn_scores(known: int, unseen: int) -> None:
    rng = np.random.default_rng(7)
    low, high = coverage.band(unseen)
    inside = 0
    for _ in range(2_000):
        lower, upper = quantiles(rng.normal(size=known))
        drawn = rng.normal(size=unseen)
        inside += low <= np.count_nonzero((lower <= drawn) & (drawn <= upper)) <= high
    assert coverage.chance_in_band(known, unseen) == pytest.approx(inside / 2_000, abs=0.04)


def test_many_known_networks_keep_the_band() -> None:
    assert 0.94 < coverage.chance_in_band(10**6, 1_000) < 0.97
    assert coverage.chance_in_band(900, 3_076) == pytest.approx(0.66, abs=0.01)


def test_band_holds_its_share() -> None:
    assert coverage.band(1_000) == (881, 918)
    row = {"n": 1_000, "coverage_90": 0.881}
    assert coverage.in_band(row)
    assert not coverage.in_band(row | {"coverage_90": 0.880})


def test_summary_counts_asked_rows_alone() -> None:
    rows = [
        {"check": "help-nb201", "n": 3_076, "coverage_90": 0.90, "calibrated_on": 900},
        {"check": "real-cnns-family-out", "n": 76, "coverage_90": 0.76, "calibrated_on": None},
        {"check": "something else", "n": 76, "coverage_90": 0.76, "calibrated_on": 50},
    ]
    found = coverage.summary(rows)
    assert (found["asked"], found["in_band"]) == (2, 1)
    assert found["expected"] == pytest.approx(1.66, abs=0.01)
    assert found["spread"] == pytest.approx(np.sqrt(0.66 * 0.34), abs=0.01)
