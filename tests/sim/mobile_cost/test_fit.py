"""Fitting: peaks come back, outliers do not pull, what is not measured keeps the prior's proportions."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import InputError
from sim.mobile_cost.fit import fit_kernel_model
from sim.mobile_cost.kernel_model import KernelModel, network_amounts, soft_maximum
from sim.mobile_cost.terms import INDEX
from tests.sim.mobile_cost import synthetic


def test_recovers_a_known_device() -> None:
    data = synthetic.measurements(80)
    model = fit_kernel_model(data.batch, data.latency_s, strength=1e-4)
    unseen = synthetic.measurements(40, seed=9)
    assert np.max(np.abs(model.seconds(unseen.batch) / unseen.latency_s - 1)) < 0.05
    assert 1 / model.coefficients[INDEX["conv_1x1.mac"]] == pytest.approx(synthetic.PEAK, rel=0.25)


def test_one_disturbed_measurement_in_ten_does_not_pull() -> None:
    data = synthetic.measurements(100)
    seconds = data.latency_s.copy()
    seconds[::10] *= 5.0
    model = fit_kernel_model(data.batch, seconds, strength=1e-4)
    unseen = synthetic.measurements(40, seed=9)
    assert np.median(np.abs(model.seconds(unseen.batch) / unseen.latency_s - 1)) < 0.03


def test_a_class_that_was_not_measured_costs_something() -> None:
    data = synthetic.measurements(30)
    model = fit_kernel_model(data.batch, data.latency_s)
    assert model.coefficients[INDEX["attention.mac"]] > 0


@pytest.mark.parametrize(("overlap", "queueing"), [(1.0, 1.0), (4.0, 1.0), (1.0, 4.0), (3.0, 2.0)])
def test_network_times_are_gradient_times_coefficients(overlap: float, queueing: float) -> None:
    base = synthetic.device()
    model = KernelModel(base.coefficients, overlap=overlap, queueing=queueing, constant_s=1e-4)
    batch = synthetic.measurements(5).batch
    product = network_amounts(model, batch) @ np.append(model.coefficients, model.constant_s)
    np.testing.assert_allclose(product, model.seconds(batch), rtol=1e-9)


def test_large_exponents_give_the_larger_of_two() -> None:
    left, right = np.array([1.0, 5.0, 0.0]), np.array([2.0, 1.0, 0.0])
    np.testing.assert_allclose(soft_maximum(left, right, 64.0), [2.0, 5.0, 0.0], rtol=1e-3, atol=1e-12)


def test_too_few_or_wrong_measurements_are_refused() -> None:
    data = synthetic.measurements(10)
    with pytest.raises(InputError, match="3 measurements are too few"):
        fit_kernel_model(data.batch.select(np.arange(3)), data.latency_s[:3])
    with pytest.raises(InputError, match="positive"):
        fit_kernel_model(data.batch, data.latency_s * np.where(np.arange(10) == 4, -1, 1))
