"""Ten measurements of a new device: found in the span of known ones."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import InputError
from sim.mobile_cost import few_shot
from sim.mobile_cost.device_model import Component, DeviceModel
from tests.sim.mobile_cost import synthetic


def known() -> list[DeviceModel]:
    scales = [(10e9, 8e9, 2e-5), (4e9, 9e9, 1e-4), (40e9, 5e9, 3e-4), (8e9, 2e9, 1e-5), (20e9, 20e9, 5e-5)]
    return [DeviceModel((Component(synthetic.device(*scale)),)) for scale in scales]


def test_a_device_between_known_ones_is_found_from_ten() -> None:
    pool = synthetic.measurements(300)
    seconds = few_shot.predicted(known(), pool)
    truth = synthetic.device(15e9, 4e9, 8e-5).seconds(pool.batch)
    chosen = few_shot.choose(seconds)
    assert len(set(chosen.tolist())) == few_shot.MEASUREMENTS
    rng = np.random.default_rng(0)
    combined = few_shot.weights(seconds, chosen, truth[chosen] * np.exp(0.03 * rng.standard_normal(len(chosen))))
    model = few_shot.adapt(known(), combined)
    answer = model.predict(pool.batch).latency_s
    np.testing.assert_allclose(answer, seconds @ combined, rtol=1e-9)
    assert np.median(np.abs(answer / truth - 1)) < 0.05


def test_choosing_looks_at_no_measurement_and_repeats() -> None:
    seconds = few_shot.predicted(known(), synthetic.measurements(100))
    np.testing.assert_array_equal(few_shot.choose(seconds, seed=2), few_shot.choose(seconds, seed=2))


def test_too_few() -> None:
    seconds = few_shot.predicted(known(), synthetic.measurements(30))
    with pytest.raises(InputError, match="2 measurements are too few"):
        few_shot.weights(seconds, np.array([1, 2]), np.array([0.1, 0.2]))
    with pytest.raises(InputError, match="1 known devices span nothing"):
        few_shot.choose(seconds[:, :1])
    with pytest.raises(InputError, match="40 networks to choose from a pool of 30"):
        few_shot.choose(seconds, count=40)
