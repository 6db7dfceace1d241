"""A new device from ten networks: one known profile with other speeds, or a point between several."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import InputError
from sim.mobile_cost import adaptation
from sim.mobile_cost.calibrate import calibrate
from sim.mobile_cost.kernel_model import KernelModel
from sim.mobile_cost.oracle import DeviceOracle
from sim.mobile_cost.profile import DeviceProfile
from sim.mobile_cost.profiles import profile_of
from sim.mobile_cost.tables import Measurements
from tests.sim.mobile_cost import synthetic


def fitted(name: str, kernel: KernelModel) -> DeviceProfile:
    data = synthetic.measurements(120, noise=0.02, kernel=kernel)
    return profile_of(name, calibrate([data]), [data], date="2026-01-01")


@pytest.fixture(scope="module")
def known() -> DeviceProfile:
    return fitted("known", synthetic.device())


SLOWER = synthetic.device(peak=2e9, bandwidth=6e9, launch=300e-6)


def ten(known: list[DeviceProfile], noise: float = 0.02) -> tuple[Measurements, Measurements]:
    """Ten chosen networks of a slower device, and others of it."""
    pool = synthetic.measurements(200, seed=11, noise=noise, kernel=SLOWER)
    chosen = adaptation.choose(known, pool.batch)
    assert len(set(chosen.tolist())) == 10
    return pool.select(chosen), pool.select(~np.isin(np.arange(len(pool)), chosen))


def test_ten_networks_find_the_speeds_of_a_new_device(known: DeviceProfile) -> None:
    measured, unseen = ten([known])
    profile = adaptation.adapted_profile("new", [known], measured, date="2026-01-02")
    assert (profile.label, profile.date, profile.fitted_on[0].networks) == ("adapted", "2026-01-02", 10)
    assert "adapted from known" in profile.fitted_on[0].note
    table = DeviceOracle(profile).cost(unseen.batch)
    error = np.abs(table["latency_s"] / unseen.latency_s - 1)
    before = DeviceOracle(known).cost(unseen.batch)["latency_s"]
    speed_only = np.abs(before * np.median(unseen.latency_s / before) / unseen.latency_s - 1)
    assert error.mean() < 0.06
    assert error.mean() < 0.75 * speed_only.mean()
    inside = (table["latency_low_s"] <= unseen.latency_s) & (unseen.latency_s <= table["latency_high_s"])
    assert inside.mean() > 0.8
    assert np.mean(np.abs(table["energy_j"] / unseen.energy_j - 1)) < 0.15


def test_parts_add_up_to_the_model(known: DeviceProfile) -> None:
    batch = synthetic.measurements(20, seed=4).batch
    model = known.model()
    np.testing.assert_allclose(adaptation.parts(model, batch).sum(axis=1), model.predict(batch).latency_s, rtol=1e-9)
    twice = adaptation.scaled(model, 2.0, np.ones(len(adaptation.PARTS)))
    np.testing.assert_allclose(twice.predict(batch).latency_s, 2 * model.predict(batch).latency_s, rtol=1e-9)


def test_a_device_between_several(known: DeviceProfile) -> None:
    others = {"slow": synthetic.device(1e9, 8e9, 1e-4), "fast": synthetic.device(9e9, 2e9, 2e-5)}
    several = [known, *(fitted(name, kernel) for name, kernel in others.items())]
    measured, unseen = ten(several)
    model = adaptation.adapt(several, measured).model
    assert np.mean(np.abs(model.predict(unseen.batch).latency_s / unseen.latency_s - 1)) < 0.08


def test_without_measured_energy_there_is_none(known: DeviceProfile) -> None:
    measured, _ = ten([known])
    plain = Measurements("new", "t", measured.batch, measured.latency_s)
    assert adaptation.adapted_profile("new", [known], plain).energy is None
    silent = known.model_copy(update={"energy": None, "energy_interval": None})
    power = adaptation.adapt([silent], measured).model.energy
    assert power is not None
    assert power.power_w == pytest.approx(float(np.median(measured.energy_j / measured.latency_s)), rel=0.1)


def test_too_few(known: DeviceProfile) -> None:
    two = synthetic.measurements(2)
    with pytest.raises(InputError, match="2 measurements are too few to adapt a device; give at least 3"):
        adaptation.adapt([known], two)
    with pytest.raises(InputError, match="name at least one"):
        adaptation.adapt([], two)
    with pytest.raises(InputError, match="5 networks to choose from a pool of 2"):
        adaptation.choose([known], two.batch, 5)
