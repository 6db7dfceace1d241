"""The matrices of OuterSPACE's published run times can be made again, and give the shipped constants."""

from __future__ import annotations

import pytest

from benchmarks.suitesparse.generators import generate
from benchmarks.suitesparse.outerspace_points import recalibrate
from sim.outerspace.calibration import Timing


def test_points_name_the_published_matrices() -> None:
    points = Timing.load().points
    assert [point.n for point in points] == [4986, 9987, 19937, 39888, 79730]
    name, matrix = generate(points[-1].recipe)
    assert name == points[-1].recipe
    assert matrix.shape == (79730, 79730)
    assert matrix.nnz == round(79730**2 * 3.1e-5)


@pytest.mark.slow
def test_shipped_constants_are_what_calibration_gives() -> None:
    timing = Timing.load()
    constants, times = recalibrate()
    assert constants == {"request_cycles": timing.request_cycles, "task_cycles": timing.task_cycles}
    for point in timing.points:
        assert times[point.recipe] == pytest.approx(point.simulated_ns, rel=1e-6)
