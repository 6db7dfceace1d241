"""Profiles: what is written is what is read; unknown keys and newer versions are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.errors import ConfigError, WorkloadError
from sim.mobile_cost.calibrate import calibrate
from sim.mobile_cost.device_model import DeviceModel
from sim.mobile_cost.intervals import conformal
from sim.mobile_cost.oracle import DeviceOracle
from sim.mobile_cost.profile import DeviceProfile, load_profile, parse_profile, tables
from sim.mobile_cost.profiles import profile_of
from sim.mobile_cost.residual import COLUMNS, features
from sim.operator import Operator
from sim.oracle import Oracle
from sim.workload import Context, WorkloadBatch
from tests.sim.mobile_cost import synthetic


@pytest.fixture(scope="module")
def profile() -> DeviceProfile:
    data = synthetic.measurements(120, noise=0.03)
    return profile_of("made-up", calibrate([data]), [data], date="2026-01-01")


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_round_trip(profile: DeviceProfile, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"device{suffix}"
    profile.save(path)
    read = load_profile(path)
    assert read.fingerprint == profile.fingerprint
    batch = synthetic.measurements(10, seed=5).batch
    before, after = DeviceOracle(profile).cost(batch), DeviceOracle(read).cost(batch)
    np.testing.assert_array_equal(before["latency_s"], after["latency_s"])
    np.testing.assert_array_equal(before["energy_high_j"], after["energy_high_j"])


def test_file_of_version_1_is_read_as_before(profile: DeviceProfile, tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    profile.save(path)
    text = path.read_text()
    assert "version = 2" in text
    assert "[interval.lower]" not in text  # too few networks for groups: a file of version 1 but for its number
    path.write_text(text.replace("version = 2", "version = 1", 1))
    batch = synthetic.measurements(10, seed=5).batch
    now, before = (DeviceOracle(one).cost(batch) for one in (profile, load_profile(path)))
    np.testing.assert_array_equal(now["latency_low_s"], before["latency_low_s"])


def test_groups_of_an_interval_are_read_as_written(profile: DeviceProfile, tmp_path: Path) -> None:
    data = synthetic.measurements(100, seed=5)
    values = np.tile(features(profile.model().components[0].kernel, data.batch)[0], (20, 1))
    rough = values[:, COLUMNS.index("log_macs")] > np.median(values[:, COLUMNS.index("log_macs")])
    errors = np.random.default_rng(2).exponential(size=len(values)) * np.where(rough, 0.1, -0.1)
    fitted = replace(profile.model(), interval=conformal(errors, values, 0))
    assert fitted.interval is not None
    assert fitted.interval.lower is not None
    written = profile.model_copy(update={"interval": parse_profile(_tree(profile, fitted), "here").interval})
    written.save(tmp_path / "device.toml")
    read = load_profile(tmp_path / "device.toml")
    assert read.fingerprint == written.fingerprint
    expected, found = (one.predict(data.batch) for one in (fitted, read.model()))
    np.testing.assert_allclose(found.latency_low_s, expected.latency_low_s, rtol=2e-3)
    np.testing.assert_allclose(found.latency_high_s, expected.latency_high_s, rtol=2e-3)
    plain = replace(fitted, interval=replace(fitted.interval, lower=None, upper=None)).predict(data.batch)
    # where no error is positive, the upper bound falls by the 90 % quantile of sizes of 0.1, or more if widened
    assert np.min(found.latency_high_s / plain.latency_high_s) < 10**-0.1 * 1.05


def _tree(profile: DeviceProfile, model: DeviceModel) -> dict[str, Any]:
    plain = DeviceProfile(name=profile.name, **tables(model))
    return plain.model_dump(exclude_none=True)


def test_says_what_it_was_fitted_on(profile: DeviceProfile) -> None:
    assert profile.label == "calibrated"
    assert profile.fitted_on[0].networks == 120
    assert 1.0 < (profile.fitted_on[0].mape or 0.0) < 5.0


def test_few_rows_are_called_anchored() -> None:
    data = synthetic.measurements(8)
    assert profile_of("tiny", calibrate([data]), [data]).label == "anchored"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("version = 2", "version = 3"), "version 3; this hwloop reads up to 2"),
        (('name = "made-up"', 'name = "made-up"\nmemory_byte = 1'), "unknown key 'memory_byte'; nearest: memory_bytes"),
        (('"conv_1x1.mac"', '"conv_1x1.macs"'), "unknown key 'conv_1x1.macs'; nearest: conv_1x1.mac"),
        (("[[components]]", "[[components"), "is not TOML"),
        (('label = "calibrated"', 'label = "guessed"'), "label"),
    ],
)
def test_wrong_files_give_one_line(
    profile: DeviceProfile, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "device.toml"
    profile.save(path)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(change[0], change[1], 1))
    with pytest.raises(ConfigError, match=message) as fault:
        load_profile(path)
    assert "\n" not in str(fault.value)


def test_oracle_answers_with_interval_energy_and_breakdown(profile: DeviceProfile) -> None:
    oracle = DeviceOracle(profile)
    assert isinstance(oracle, Oracle)
    data = synthetic.measurements(200, seed=7, noise=0.03)
    table = oracle.cost(data.batch, breakdown=True)
    inside = (table["latency_low_s"] <= data.latency_s) & (data.latency_s <= table["latency_high_s"])
    assert 0.8 < inside.mean() < 0.98
    assert np.mean(np.abs(table["energy_j"] / data.energy_j - 1)) < 0.05
    assert sum(cost.macs for cost in table.breakdown[3]) == table["macs"][3]
    assert table.breakdown[3][0].latency_s >= table.breakdown[3][-1].latency_s


def test_flags_outside_of_what_was_calibrated(profile: DeviceProfile) -> None:
    oracle = DeviceOracle(profile)
    batch = synthetic.measurements(3, seed=7).batch
    plain, eight = oracle.cost(batch), oracle.cost(batch.with_context(Context(batch_size=8)))
    assert any("batch size 8" in flag for flag in eight.flags[0])
    wide = [table["latency_high_s"] / table["latency_s"] for table in (plain, eight)]
    assert np.all(wide[1] > wide[0])
    odd = WorkloadBatch.of([[Operator("attention", (64, 256), length=64, heads=4)]])
    assert any("no measurement covered" in flag for flag in oracle.cost(odd).flags[0])


def test_unsupported_operator_is_named_with_its_share(profile: DeviceProfile) -> None:
    poor = profile.model_copy(update={"unsupported_classes": ["attention"]})
    net = [Operator("linear", (64, 256), 256), Operator("attention", (64, 256), length=64, heads=4)]
    with pytest.raises(WorkloadError, match=r"made-up cannot run attention of shape \(64, 256\) .*33 % of the MACs"):
        DeviceOracle(poor).cost(WorkloadBatch.of([net]))
