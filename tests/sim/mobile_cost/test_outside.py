"""Outside of the calibrated range: answered, flagged, and the wider the further away."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.mobile_cost.calibrate import calibrate
from sim.mobile_cost.converters.blocks import conv
from sim.mobile_cost.oracle import DeviceOracle
from sim.mobile_cost.outside import SETTING_FACTOR, SLOPES, distances, sides
from sim.mobile_cost.profile import DeviceProfile
from sim.mobile_cost.profiles import profile_of
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch
from tests.sim.mobile_cost import synthetic


@pytest.fixture(scope="module")
def profile() -> DeviceProfile:
    data = synthetic.measurements(120, noise=0.03)
    return profile_of("made-up", calibrate([data]), [data], date="2026-01-01")


def widths(profile: DeviceProfile, batch: WorkloadBatch, context: Context | None = None) -> tuple[float, list[str]]:
    """log(high / latency) of the first network, and its flags."""
    table = DeviceOracle(profile).cost(batch.with_context(context) if context else batch)
    flags = list(table.flags[0]) if table.flags else []
    return float(np.log(table["latency_high_s"][0] / table["latency_s"][0])), flags


def test_distances_are_logarithms_of_ratios() -> None:
    found = distances(np.array([1.0, 2.0, 4.0, 16.0, 0.0]), 2.0, 8.0)
    np.testing.assert_allclose(found, [math.log(2), 0.0, 0.0, math.log(2), 0.0])


@pytest.mark.parametrize(
    ("settings", "words", "ratio"),
    [
        ([Context(batch_size=2), Context(batch_size=16), Context(batch_size=128)], "batch size 2 ", [2, 16, 128]),
        ([Context(threads=2), Context(threads=4), Context(threads=16)], "threads 2 ", [2, 4, 16]),
        ([Context(dtype="float16"), Context(dtype="int8"), Context(dtype="int4")], "element type float16", [2, 4, 8]),
    ],
)
def test_settings_widen_with_their_distance(
    profile: DeviceProfile, settings: list[Context], words: str, ratio: list[int]
) -> None:
    batch = synthetic.measurements(1, seed=3).batch
    plain, none = widths(profile, batch)
    assert not none
    found = [widths(profile, batch, one) for one in settings]
    assert any(words in flag for flag in found[0][1])
    what = next(name for name in SLOPES if words.startswith(name))
    least = [SETTING_FACTOR * plain + SLOPES[what] * math.log(one) for one in ratio]
    assert all(got[0] >= wanted - 1e-9 for got, wanted in zip(found, least, strict=True))
    assert plain < found[0][0] < found[1][0] < found[2][0]


def test_the_nearest_calibrated_setting_counts(profile: DeviceProfile) -> None:
    batch = synthetic.measurements(1, seed=3).batch
    both = profile.model_copy(update={"batch_sizes": [1, 64], "threads": [1, 4]})
    far, near = (widths(one, batch, Context(batch_size=32))[0] for one in (profile, both))
    assert near < far
    assert "outside" not in " ".join(widths(both, batch, Context(threads=4))[1])


def picture(side: int) -> list[Operator]:
    return [conv((3, side, side), 16, 3, 2, activation="relu"), conv((16, side // 2, side // 2), 32)]


def test_input_side_is_that_of_the_picture() -> None:
    blocks = [conv((16, 500, 500), 8)]
    transformer = [Operator("linear", (30, 256), 768)]
    assert sides(WorkloadBatch.of([picture(224), picture(96), blocks, transformer])).tolist() == [224, 96, 0, 0]


def test_resolution_widens_with_its_distance(profile: DeviceProfile) -> None:
    assert profile.resolution_range == [56, 112]
    narrow = profile.model_copy(update={"macs_range": []})  # the resolution alone
    found = [widths(narrow, WorkloadBatch.of([picture(side)])) for side in (112, 224, 448)]
    assert not [flag for flag in found[0][1] if "resolution" in flag]
    assert "resolution outside of the fitted 56 to 112 pixels" in found[1][1]
    assert found[0][0] < found[1][0] < found[2][0]
    below = widths(narrow, WorkloadBatch.of([picture(28)]))
    assert "resolution outside of the fitted 56 to 112 pixels" in below[1]


def test_macs_and_features_widen_with_their_distance(profile: DeviceProfile) -> None:
    unlimited = profile.model_copy(update={"resolution_range": []})
    grown = [
        widths(unlimited, WorkloadBatch.of([[*picture(112), *[conv((64, 56, 56), 64, 3)] * count]]))
        for count in (40, 160, 640)
    ]
    assert all(any(flag.startswith("MACs outside") for flag in one[1]) for one in grown)
    assert grown[0][0] < grown[1][0] < grown[2][0]


def test_energy_is_widened_alike(profile: DeviceProfile) -> None:
    batch = synthetic.measurements(1, seed=3).batch
    tables = [DeviceOracle(profile).cost(batch.with_context(Context(threads=count))) for count in (1, 4)]
    ratio = [float(table["energy_high_j"][0] / table["energy_j"][0]) for table in tables]
    assert ratio[1] > 4.0 > ratio[0]
