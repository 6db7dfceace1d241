"""Measures of generated images against independent forms and closed cases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.linalg import sqrtm

pytest.importorskip("torch")

from models.gan import quality
from sim.errors import InputError

RNG = np.random.default_rng(5)


def features(count: int, width: int, shift: float = 0.0) -> Any:
    return RNG.normal(size=(count, width)) @ RNG.normal(size=(width, width)) + shift


def test_the_closed_form_of_diagonal_covariances() -> None:
    zero = np.zeros(3)
    first, second = (zero, np.diag([1.0, 4.0, 9.0])), (zero, np.diag([4.0, 1.0, 16.0]))
    assert quality.frechet(first, second) == pytest.approx(3.0, rel=1e-12)
    assert quality.frechet((zero + 2, first[1]), (zero, first[1])) == pytest.approx(12.0, rel=1e-12)


@pytest.mark.parametrize("width", [3, 16, 64])
def test_frechet_equals_the_matrix_root(width: int) -> None:
    one, other = quality.moments(features(400, width)), quality.moments(features(400, width, 0.3))
    root = np.real(sqrtm(one[1] @ other[1]))
    direct = ((one[0] - other[0]) ** 2).sum() + np.trace(one[1] + other[1] - 2 * root)
    assert quality.frechet(one, other) == pytest.approx(direct, rel=1e-9)
    assert quality.frechet(one, one) == pytest.approx(0.0, abs=1e-9 * np.trace(one[1]))


def test_kid_equals_the_sum_over_pairs() -> None:
    one, other = features(100, 4), features(103, 4, 0.5)

    def kernel(x: Any, y: Any) -> float:
        return float((x @ y / 4 + 1) ** 3)

    within = [
        np.mean([kernel(x, y) for place, x in enumerate(group) for at, y in enumerate(group) if place != at])
        for group in (one, other)
    ]
    between = np.mean([kernel(x, y) for x in one for y in other])
    assert quality.kid(one, other) == pytest.approx(sum(within) - 2 * between, rel=1e-9)


def test_kid_of_one_distribution_is_zero_on_average() -> None:
    found = [quality.kid(RNG.normal(size=(100, 8)), RNG.normal(size=(100, 8))) for _ in range(60)]
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(60)
    assert quality.kid(RNG.normal(size=(100, 8)), RNG.normal(size=(100, 8)) + 1) > 5 * np.std(found)


def images(count: int = 3, side: int = 17) -> Any:
    return RNG.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_ssim_equals_the_direct_sum_over_windows() -> None:
    x, y = images(2, 14), images(2, 14)
    places = np.arange(11) - 5
    taps = np.exp(-(places**2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()
    scores = []
    for a, b in zip(x / 255.0, y / 255.0, strict=True):
        found = []
        for colour in range(3):
            for top in range(4):
                for left in range(4):
                    p, q = (one[top : top + 11, left : left + 11, colour] for one in (a, b))
                    mp, mq = (window * p).sum(), (window * q).sum()
                    vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                    both = (window * (p - mp) * (q - mq)).sum()
                    found.append((2 * mp * mq + 1e-4) * (2 * both + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
        scores.append(np.mean(found))
    assert quality.ssim(x, y) == pytest.approx(scores, rel=1e-9)
    assert quality.ssim(x, x) == pytest.approx([1.0, 1.0])


def test_psnr_and_l1_of_a_known_error() -> None:
    truth = np.full((2, 12, 12, 3), 100, np.uint8)
    assert quality.l1(truth + 51, truth) == pytest.approx([0.2, 0.2])
    assert quality.psnr(truth + 51, truth) == pytest.approx([-10 * math.log10(0.04)] * 2)
    assert quality.psnr(truth, truth) == pytest.approx([100.0] * 2)


def colour_features(array: Any) -> Any:
    return np.stack([array[..., 0].mean((1, 2)), array[..., 1].std((1, 2))], 1) / 10


def test_an_interval_covers_its_value_and_the_truth_mostly() -> None:
    real = images(150, 12)
    found = quality.evaluate(images(150, 12), real, colour_features, replicates=100)
    assert set(found) == {"l1", "psnr_db", "ssim", "frechet", "kid"}
    for one in found.values():
        assert one["low"] <= one["value"] <= one["high"]
    expected = 1 / 3 * (1 - 1 / 256**2) * 256 / 255  # mean distance of two uniform bytes
    assert found["l1"]["low"] - 0.002 <= expected <= found["l1"]["high"] + 0.002
    again = quality.evaluate(real, real, colour_features, aligned=False, replicates=20)
    assert set(again) == {"frechet", "kid"}


@pytest.mark.parametrize(
    ("count", "width", "message"),
    [(319, 64, "on 64 features needs at least 320 images in each set, got 319 generated"), (99, 8, "KID needs .* 100")],
)
def test_sets_too_small_are_refused_with_the_number_needed(count: int, width: int, message: str) -> None:
    measure = quality.frechet_distance if width == 64 else quality.kid
    with pytest.raises(InputError, match=message):
        measure(RNG.normal(size=(count, width)), RNG.normal(size=(400, width)))


def test_other_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="cannot be compared"):
        quality.l1(images(2), images(3))
    with pytest.raises(InputError, match="at least 11 pixels"):
        quality.ssim(images(2, 9), images(2, 9))
    with pytest.raises(InputError, match="not of one extractor"):
        quality.kid(np.zeros((200, 3)), np.zeros((200, 4)))
    with pytest.raises(InputError, match="at least 30 images"):
        quality.evaluate(images(20), images(20), colour_features)
