"""A made-up machine whose operators are timed: the fit finds it again, corrections included, and fades outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim.cache import ResultCache
from sim.errors import ConfigError
from sim.fusion import fuse
from sim.mobile_cost.corrections import COLUMNS, fit_corrections, operator_columns
from sim.mobile_cost.host_fit import FUSION, fit_timed
from sim.mobile_cost.host_measure import Measurement
from sim.mobile_cost.host_profile import Check, Setup, fit_host, measure_experiments, with_checks
from sim.mobile_cost.oracle import DeviceOracle
from sim.mobile_cost.profile import load_profile
from sim.network import Network
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch

SETUP = Setup("a made-up machine")


def network(random: np.random.Generator) -> Network:
    """Convolution, batch norm, ReLU, some times."""
    side, channels = int(random.integers(7, 60)), 8 * int(random.integers(1, 30))
    operators: list[Operator] = []
    for _ in range(int(random.integers(1, 4))):
        out, kernel = 8 * int(random.integers(1, 30)), int(random.choice([1, 3]))
        pad = (kernel // 2,) * 4
        operators += [
            Operator("conv2d", (channels, side, side), out, (kernel, kernel), padding=pad),
            Operator("norm", (out, side, side), function="batch", affine=True),
            Operator("activation", (out, side, side), function="relu"),
        ]
        channels = out
    return Network.chain(operators)


def seconds(op: Operator, before: Operator | None) -> float:
    """20 GMAC/s, 5 GB/s, 5 us; a norm behind a 3x3 waits three times as long for memory."""
    slow = 3.0 if op.kind == "norm" and before is not None and before.kernel == (3, 3) else 1.0
    rate = 20e9 if op.shape[0] % 16 == 0 else 12e9
    return op.macs / rate + slow * (op.bytes_read + op.bytes_written) / 5e9 + 5e-6


def timed(one: Network) -> list[float]:
    return [seconds(op, one.operators[place - 1] if place else None) for place, op in enumerate(one.operators)]


def made(count: int, seed: int) -> tuple[list[Network], list[list[float]]]:
    networks = [network(np.random.default_rng((seed, number))) for number in range(count)]
    return networks, [timed(one) for one in networks]


def measurement(parts: list[float], *, hindered: bool = False) -> Measurement:
    return Measurement(sum(parts), sum(parts), 5, 0.0, hindered, parts)


def test_networks_that_were_not_fitted() -> None:
    calibration = fit_timed(*made(250, 0), Context())
    unseen, parts = made(40, 1)
    predicted = calibration.model.predict(WorkloadBatch.of([fuse(one, FUSION) for one in unseen])).latency_s
    errors = np.abs(predicted / [sum(times) for times in parts] - 1.0)
    assert np.median(errors) < 0.04
    assert errors.max() < 0.2
    assert np.median(np.abs(calibration.errors)) < 0.05
    assert calibration.model.additive


def test_a_profile_is_read_back_as_it_was(tmp_path: Path) -> None:
    networks, parts = made(120, 0)
    profile = fit_host("here", networks, [measurement(times) for times in parts], SETUP)
    errors = [Check("a/b", 10**6, 0.011, 0.01, 0.02, Measurement(0.01, 0.01, 5, 0.0, False))]
    profile = with_checks(profile, errors)
    profile.save(tmp_path / "here.toml")
    again = load_profile(tmp_path / "here.toml")
    assert (again.label, again.fusion, again.threads) == ("measured", list(FUSION), [1])
    assert "a/b +10.0 %" in again.fitted_on[1].note
    assert again.components[0].corrections is not None
    batch = WorkloadBatch.of([fuse(one, FUSION) for one in made(5, 2)[0]])
    costs = [DeviceOracle(one).cost(batch, breakdown=True) for one in (profile, again)]
    np.testing.assert_allclose(costs[1]["latency_s"], costs[0]["latency_s"], rtol=1e-3)
    listed = [sum(one.latency_s for one in row) for row in costs[1].breakdown]
    np.testing.assert_allclose(listed, costs[1]["latency_s"], rtol=1e-6)


def test_an_unknown_class_of_corrections_is_refused(tmp_path: Path) -> None:
    networks, parts = made(60, 0)
    fit_host("here", networks, [measurement(times) for times in parts], SETUP).save(tmp_path / "d.toml")
    text = (tmp_path / "d.toml").read_text()
    (tmp_path / "d.toml").write_text(text.replace("corrections.conv_kxk", "corrections.conv_kxx"))
    with pytest.raises(ConfigError, match="no kernel class 'conv_kxx'; nearest: conv_kxk"):
        load_profile(tmp_path / "d.toml")


def test_corrections_fade_outside_of_what_was_fitted() -> None:
    def conv(channels: int) -> Operator:
        return Operator("conv2d", (channels, 14, 14), 64, (1, 1))

    operators = [conv(channels) for channels in range(16, 272, 4)]
    ratio = np.where(np.arange(len(operators)) % 4 == 0, 0.5, -0.5)
    found = fit_corrections(operators, ratio, 1, 0)
    inside = found.value([conv(160), conv(164)], 1)
    assert inside[0] > 0.2
    assert inside[1] < -0.2
    assert found.value([conv(16_384)], 1)[0] == 0.0
    assert found.value([Operator("linear", (8,), 8)], 1)[0] == 0.0
    assert operator_columns(operators, 1).shape == (len(operators), len(COLUMNS))


def test_what_was_hindered_is_left_out() -> None:
    networks, parts = made(80, 0)
    found = [measurement(times) for times in parts]
    worse = [measurement([9 * part for part in times], hindered=True) for times in parts[:20]]
    clean = fit_host("here", networks[20:], found[20:], SETUP)
    assert fit_host("here", networks, [*worse, *found[20:]], SETUP).components == clean.components


def test_groups_are_measured_until_the_budget_is_spent_and_never_twice(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    now, made_calls = 0.0, 0

    def runnable(one: Network, target: str, dtype: str, batch_size: int, *, timed: bool) -> object:
        nonlocal made_calls
        made_calls += 1

        def run() -> list[float]:
            nonlocal now
            parts = [seconds(op, None) for op in one.operators]
            now += sum(parts)
            return parts

        return run

    def clock() -> float:
        return now

    def experiments(count: int) -> list[Network]:
        return made(count, 0)[0]

    setup = Setup("a made-up machine", threads=2, budget_s=3.0, group=4, each_s=0.2)
    journal = ResultCache(tmp_path)
    networks, found = measure_experiments(experiments, runnable, setup, journal=journal, clock=clock)  # type: ignore[arg-type]
    assert len(networks) == len(found) == made_calls
    assert len(networks) in (12, 16)
    again = measure_experiments(experiments, runnable, setup, journal=journal, clock=clock)  # type: ignore[arg-type]
    assert again == (networks, found)
    assert made_calls == len(networks)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dtype": "float33"}, "no dtype 'float33' to measure; nearest: float32"),
        ({"target": "gpu"}, "no target 'gpu' to measure; nearest: cpu"),
        ({"threads": 0}, "must be positive"),
        ({"budget_s": -1.0}, "must be positive"),
    ],
)
def test_setups_that_make_no_sense(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Setup("machine", **fields)  # type: ignore[arg-type]
