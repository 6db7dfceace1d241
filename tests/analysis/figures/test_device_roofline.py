"""Roofline of a device: points are sums of the record's operators, under the ceilings that it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.figures.device_roofline import device_roofline, points
from sim.errors import InputError


def operator(kind: str, macs: int, moved: int, seconds: float) -> dict[str, Any]:
    return {"kernel_class": kind, "macs": macs, "dram_bytes": moved, "latency_s": seconds}


def record(networks: int = 1) -> dict[str, Any]:
    operators = [
        operator("conv_kxk", 6_000_000, 200_000, 3e-3),
        operator("conv_stem", 2_000_000, 200_000, 1e-3),
        operator("depthwise", 500_000, 1_000_000, 4e-3),
        operator("pool", 0, 500_000, 2e-3),
    ]
    return {
        "device": "made-up",
        "label": "calibrated",
        "context": {"batch_size": 4, "dtype": "float32", "threads": 1},
        "ceilings": {"macs_per_s": 4e9, "bytes_per_s": 1e9},
        "networks": [{"network": f"net{place}", "operators": operators} for place in range(networks)],
    }


def test_classes_of_one_family_are_summed_and_what_does_not_multiply_has_no_point() -> None:
    dense, depthwise = points(record())
    assert dense.family == "k×k convolution"
    assert (dense.macs_per_byte, dense.gmacs_per_s, dense.share) == pytest.approx((20.0, 2.0, 0.4))
    assert (depthwise.macs_per_byte, depthwise.gmacs_per_s) == pytest.approx((0.5, 0.125))


def test_words_and_ceilings() -> None:
    panel = device_roofline(record())
    assert "k×k convolution of net0 takes 40% of its time at 2 GMAC/s, 50% of the ceiling there" in panel.caption
    assert "20% of net0" in panel.caption
    (axes,) = panel.figure.axes
    assert axes.get_title(loc="left") == "on made-up, batch 4"
    x, y = max((np.asarray(one.get_data(), float) for one in axes.lines), key=lambda one: one.shape[1])
    np.testing.assert_allclose(y, np.minimum(4.0, x))
    shown = {text.get_text() for text in axes.texts}
    assert {"4 GMAC/s", "1 GB/s", "k×k convolution 40%", "depthwise 40%"} <= shown


def test_several_networks_have_a_legend_and_a_mark_each() -> None:
    panel = device_roofline(record(3))
    (legend,) = panel.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["net0", "net1", "net2"]


def test_without_ceilings_there_is_no_line() -> None:
    bare = {**record(), "ceilings": {"macs_per_s": None, "bytes_per_s": None}}
    assert "of the ceiling" not in device_roofline(bare).caption


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"networks": [{"network": "net0"}]}, "lists no operators"),
        ({"networks": [{"network": "n", "operators": [operator("pool", 0, 1, 1.0)]}]}, "no operator of these"),
        ({"networks": record(9)["networks"]}, "8 networks at most, got 9"),
    ],
)
def test_what_has_no_roofline(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        device_roofline({**record(), **change})
