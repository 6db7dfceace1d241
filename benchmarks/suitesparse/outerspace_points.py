"""The five published run times that OuterSPACE's timing is calibrated on, with the matrices made again."""

from __future__ import annotations

from benchmarks.suitesparse.generators import generate


def recalibrate() -> tuple[dict[str, int], dict[str, float]]:
    """Constants fitted anew to the points of timing.toml, and each point's simulated time in ns by recipe."""
    from sim.outerspace.calibration import Timing, calibrate

    points = Timing.load().points
    matrices = [generate(point.recipe)[1] for point in points]
    constants, times = calibrate(matrices, [point.reported_ns for point in points])
    return constants, dict(zip((point.recipe for point in points), times, strict=True))
