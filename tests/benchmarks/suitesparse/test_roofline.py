"""The roof that follows from the published statistics is the published one."""

from __future__ import annotations

import pytest

from analysis.published import published
from benchmarks.suitesparse.catalogue import entry
from benchmarks.suitesparse.roofline import intensity_flop_per_byte, published_roofline


def test_the_roof_over_the_twenty_is_the_published_one() -> None:
    roof, paper = published_roofline(), published()["total"]
    assert roof["flop_per_byte"] == pytest.approx(paper["roofline_flop_per_byte"].value, rel=0.01)
    assert roof["gflops"] == pytest.approx(paper["roofline_gflops"].value, rel=0.01)


def test_one_matrix_by_hand() -> None:
    one = entry("p2p-Gnutella31")
    assert intensity_flop_per_byte(one) == (2 * 538_318 - 537_601) / (12 * (147_892 * 2 + 537_601))
    assert published_roofline([one])["gflops"] == pytest.approx(6.9, abs=0.05)
