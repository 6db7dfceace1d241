"""Measured operators: looked up where they are known, modelled where they are not, only in their own setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.errors import ConfigError, InputError
from sim.mobile_cost.device_model import Component, DeviceModel
from sim.mobile_cost.exact import ExactTable, exact_table, key_of
from sim.mobile_cost.intervals import Interval
from sim.mobile_cost.oracle import DeviceOracle
from sim.mobile_cost.profile import DeviceProfile, load_profile, tables
from sim.mobile_cost.tables import Measurements
from sim.operator import Operator
from sim.workload import Context, WorkloadBatch
from tests.sim.mobile_cost.synthetic import device

CONV = Operator("conv2d", (16, 28, 28), 32, kernel=(3, 3), padding=(1, 1, 1, 1))
OTHER = Operator("conv2d", (32, 28, 28), 32, kernel=(1, 1))
LINEAR = Operator("linear", (1, 32), 10)
FOLDED = Operator(
    "fused",
    fused=(replace(CONV, bias=True), Operator("norm", (32, 28, 28), function="batch", affine=True)),
)
PLAIN = DeviceModel((Component(device()),), Interval(-0.1, 0.2), additive=True)
KNOWN = ExactTable({key_of(CONV): 0.5, key_of(LINEAR): 0.25}, Context())


def test_a_network_of_measured_operators_costs_their_sum() -> None:
    batch = WorkloadBatch.of([[CONV], [CONV, CONV, LINEAR], [FOLDED, LINEAR]])
    answer = replace(PLAIN, exact=KNOWN).predict(batch)
    assert answer.latency_s == pytest.approx([0.5, 1.25, 0.75])
    assert answer.latency_low_s == pytest.approx(answer.latency_s)
    assert answer.latency_high_s == pytest.approx(answer.latency_s)


def test_the_model_answers_for_what_was_not_measured() -> None:
    batch = WorkloadBatch.of([[OTHER], [CONV, OTHER, OTHER]])
    plain, mixed = PLAIN.predict(batch), replace(PLAIN, exact=KNOWN).predict(batch)
    alone = plain.latency_s[0]
    assert mixed.latency_s == pytest.approx([alone, 0.5 + 2 * alone])
    assert mixed.latency_high_s == pytest.approx([alone * np.exp(0.2), 0.5 + 2 * alone * np.exp(0.2)])


def test_another_setting_is_not_looked_up() -> None:
    batch = WorkloadBatch.of([[CONV]]).with_context(Context(batch_size=8))
    assert np.array_equal(replace(PLAIN, exact=KNOWN).predict(batch).latency_s, PLAIN.predict(batch).latency_s)


def test_rows_of_one_operator_become_a_table() -> None:
    batch = WorkloadBatch.of([[CONV], [CONV, LINEAR], [CONV], [CONV], [LINEAR, LINEAR], [OTHER]])
    measured = Measurements("d", "mine", batch, np.array([0.3, 9.0, 0.1, 0.2, 9.0, 0.7]))
    assert dict(exact_table(measured).seconds) == {key_of(CONV): 0.2, key_of(OTHER): 0.7}
    whole = Measurements("d", "mine", batch.select([1, 4]), np.array([9.0, 9.0]))
    with pytest.raises(InputError, match="mine: no row is one operator alone"):
        exact_table(whole)


def test_different_operators_have_different_keys() -> None:
    some = [CONV, OTHER, LINEAR, replace(CONV, stride=(2, 2)), replace(CONV, groups=16), replace(CONV, weight_bits=8)]
    assert len({key_of(one) for one in some}) == len(some)
    assert key_of(replace(CONV, bias=True)) == key_of(FOLDED) == key_of(CONV)
    both = (Operator("elementwise", (4, 8), others=((4, 8), (4, 1)), function="add"), LINEAR)
    assert key_of(both[0]) == "elementwise shape=4x8 others=4x8,4x1 function=add"


def test_a_profile_keeps_the_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    DeviceProfile(name="mine", **tables(replace(PLAIN, exact=KNOWN))).save(path)
    oracle = DeviceOracle(load_profile(path))
    table = oracle.cost(WorkloadBatch.of([[CONV, LINEAR]]), breakdown=True)
    assert table["latency_s"] == pytest.approx([0.75])
    assert [one.latency_s for one in table.breakdown[0]] == pytest.approx([0.5, 0.25])
    path.write_text(path.read_text().replace("= 0.5\n", "= -0.5\n"))
    with pytest.raises(ConfigError, match="greater than 0"):
        load_profile(path)
