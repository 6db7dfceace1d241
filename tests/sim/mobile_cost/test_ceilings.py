"""Ceilings that a profile prices."""

from __future__ import annotations

import pytest

from sim.mobile_cost import devices
from sim.mobile_cost.ceilings import ceilings


def test_a_published_device_has_the_ceilings_of_its_figures() -> None:
    found = ceilings(devices.load_device("eyeriss-like"))
    assert found["macs_per_s"] == pytest.approx(23.1e9, rel=0.05)
    assert found["bytes_per_s"] == pytest.approx(1.0e9, rel=0.15)


@pytest.mark.parametrize("name", devices.names())
def test_every_device_has_some(name: str) -> None:
    found = ceilings(devices.load_device(name))
    assert found["macs_per_s"] is None or 1e7 < found["macs_per_s"] < 2e13
    assert found["bytes_per_s"] is None or found["bytes_per_s"] > 1e7
