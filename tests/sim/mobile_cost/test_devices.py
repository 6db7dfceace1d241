"""Shipped profiles: each loads, says how it was made, and prices networks that it was never fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import ConfigError
from sim.mobile_cost import devices
from sim.mobile_cost.memory import memory
from sim.operator import Operator
from sim.workload import WorkloadBatch
from tests.sim.mobile_cost import synthetic

NEEDED = ("note10", "pixel1", "zynq-dpu", "ultra96-dpu", "stm32-l4r5", "stm32-h7a3", "eyeriss-like")


def test_names() -> None:
    assert set(NEEDED) <= set(devices.names())
    with pytest.raises(ConfigError, match="no device 'note-10'; nearest: note10"):
        devices.load_device("note-10")


@pytest.mark.parametrize("name", devices.names())
def test_each_prices_convolutions_and_transformers(name: str) -> None:
    rng = np.random.default_rng(0)
    transformer = [
        Operator("linear", (30, 256), 768, bias=True),
        Operator("attention", (30, 256), length=30, heads=4),
        Operator("norm", (30, 256), function="layer", affine=True),
        Operator("softmax", (30, 1000)),
        Operator("dynamic_conv", (30, 256), kernel=(7,), heads=4),
    ]
    generator = [Operator("conv_transpose2d", (64, 32, 32), 32, (3, 3), (2, 2), (1, 1, 1, 1), output_padding=(1, 1))]
    table = devices.oracle(name).cost(WorkloadBatch.of([synthetic.network(rng), transformer, generator]))
    assert np.all(table["latency_s"] > 0)
    assert np.all(table["latency_low_s"] < table["latency_high_s"])
    profile = devices.load_device(name)
    assert profile.fitted_on
    assert (profile.label == "anchored") == name.startswith("stm32")


def test_memory() -> None:
    batch = WorkloadBatch.of([[Operator("conv2d", (8, 16, 16), 16, (3, 3), padding=(1, 1, 1, 1))]])
    found = memory(batch, im2col_columns=2)
    assert found.activation_bytes.tolist() == [4 * 16 * 16 * (8 + 16)]
    assert found.weight_bytes.tolist() == [4 * 9 * 8 * 16]
    assert found.scratch_bytes.tolist() == [2 * 8 * 9 * 4]
    assert found.fits(24_576 + 576, flash_bytes=4608).tolist() == [True]
    assert found.fits(24_576 + 576).tolist() == [False]
