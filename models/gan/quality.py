"""How good generated images are: distance from the true image, and distance between two sets of images.

    PSNR = 10 log10(1 / mean squared error)                                         pixels in 0..1, mean over images
    SSIM: means, variances and covariance under an 11 x 11 Gaussian (sigma 1.5)     Wang et al., 2004
    Frechet = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))                           of features, Dowson & Landau, 1982
    KID = unbiased squared MMD under the kernel (x.y / d + 1)^3                     of features, Binkowski et al., 2018

The two set distances are of features of a named extractor (`models.gan.extractor`). With a classifier of our own they
are no FID, whose extractor is Inception, and are never called that. Intervals are bootstraps over images and say
nothing of the training's seed. Larger is better for PSNR and SSIM, smaller for the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.gan.images import Array
from sim.errors import InputError

Floats = np.ndarray[Any, np.dtype[np.float64]]
WINDOW, SIGMA = 11, 1.5
LEAST_PER_FEATURE, LEAST_KID, LEAST_PAIRS = 5, 100, 30
REPLICATES, COVERAGE = 200, 0.95
_LEAST_ERROR = 1e-10


def l1(images: Array, truth: Array) -> Floats:
    """Mean absolute difference of each image, pixels in 0..1."""
    _require_alike(images, truth)
    found: Floats = np.abs(images.astype(np.float64) - truth).mean((1, 2, 3)) / 255
    return found


def psnr(images: Array, truth: Array) -> Floats:
    """Of each image, dB; at most 100, which is what equal images get."""
    _require_alike(images, truth)
    error = ((images.astype(np.float64) - truth) / 255) ** 2
    found: Floats = -10 * np.log10(np.maximum(error.mean((1, 2, 3)), _LEAST_ERROR))
    return found


def ssim(images: Array, truth: Array) -> Floats:
    """Of each image: mean over colours and over all places where the window lies inside."""
    from scipy.ndimage import correlate1d

    _require_alike(images, truth)
    if min(images.shape[1:3]) < WINDOW:
        raise InputError(f"SSIM needs images of at least {WINDOW} pixels a side, got {images.shape[1:3]}")
    places = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-(places**2) / (2 * SIGMA**2))
    taps /= taps.sum()
    edge = WINDOW // 2

    def blur(array: Floats) -> Floats:
        smooth = correlate1d(correlate1d(array, taps, axis=1), taps, axis=2)
        inner: Floats = smooth[:, edge:-edge, edge:-edge]
        return inner

    x, y = images.astype(np.float64) / 255, truth.astype(np.float64) / 255
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y, both = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2, blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    found: Floats = score.mean((1, 2, 3))
    return found


def moments(features: Floats) -> tuple[Floats, Floats]:
    """Mean and (unbiased) covariance of features (n, d)."""
    return features.mean(0), np.atleast_2d(np.cov(features, rowvar=False))


def frechet(first: tuple[Floats, Floats], second: tuple[Floats, Floats]) -> float:
    """Squared Frechet distance of two Gaussians, each a mean and a covariance; by eigenvalues of a symmetric matrix."""
    (mean_1, cov_1), (mean_2, cov_2) = first, second
    values, vectors = np.linalg.eigh(cov_1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ cov_2 @ root)
    return float(
        ((mean_1 - mean_2) ** 2).sum() + np.trace(cov_1) + np.trace(cov_2) - 2 * np.sqrt(np.maximum(inner, 0)).sum()
    )


def frechet_distance(fake: Floats, real: Floats) -> float:
    """Between two sets of features (n, d). Raises InputError where a set is too small for its covariance."""
    _require_features(fake, real, LEAST_PER_FEATURE * fake.shape[1], f"a Frechet distance on {fake.shape[1]} features")
    return frechet(moments(fake), moments(real))


def kid(fake: Floats, real: Floats) -> float:
    """Between two sets of features (n, d). Raises InputError where a set is too small."""
    _require_features(fake, real, LEAST_KID, "KID")
    kernels = _kernels(fake, real)
    return _mmd(kernels, np.ones(len(fake)), np.ones(len(real)))


def _kernels(fake: Floats, real: Floats) -> tuple[Floats, Floats, Floats]:
    """Of all pairs: within each set, without an image and itself, and between them."""

    def kernel(a: Floats, b: Floats) -> Floats:
        found: Floats = (a @ b.T / a.shape[1] + 1) ** 3
        return found

    inside = [kernel(one, one) for one in (fake, real)]
    for one in inside:
        np.fill_diagonal(one, 0.0)
    return inside[0], inside[1], kernel(fake, real)


def _mmd(kernels: tuple[Floats, Floats, Floats], w: Floats, v: Floats) -> float:
    """Unbiased squared MMD with images counted w and v times; no image is paired with itself."""
    fake, real, cross = kernels
    within = w @ fake @ w / (w.sum() ** 2 - (w**2).sum()) + v @ real @ v / (v.sum() ** 2 - (v**2).sum())
    return float(within - 2 * (w @ cross @ v) / (w.sum() * v.sum()))


def evaluate(
    fake: Array,
    real: Array,
    features: Callable[[Array], Floats],
    *,
    aligned: bool = True,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> dict[str, dict[str, float]]:
    """{measure: {value, low, high}} with bootstrap intervals of 95 %.

    L1, PSNR and SSIM only where row i of `real` is the truth of row i of `fake`. Raises InputError for sets too small.
    """
    found = {}
    rng = np.random.default_rng(seed)
    if aligned:
        if len(fake) < LEAST_PAIRS:
            raise InputError(f"an interval needs at least {LEAST_PAIRS} images, got {len(fake)}")
        for name, measure in (("l1", l1), ("psnr_db", psnr), ("ssim", ssim)):
            values = measure(fake, real)
            means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(replicates)]
            found[name] = {"value": float(values.mean()), **_ends(np.array(means))}
    one, other = features(fake).astype(np.float64), features(real).astype(np.float64)
    return found | set_distances(one, other, seed=seed, replicates=replicates)


def set_distances(
    fake: Floats, real: Floats, *, seed: int = 0, replicates: int = REPLICATES
) -> dict[str, dict[str, float]]:
    """Frechet distance and KID of features with bootstrap intervals.

    A resampled set has fewer different images, which makes its Frechet distance larger; hence the interval is moved so
    that the mean of the replicates falls on the value.
    """
    value, kernel_value = frechet_distance(fake, real), kid(fake, real)
    kernels = _kernels(fake, real)
    rng = np.random.default_rng((seed, 1))
    distances, mmds = [], []
    for _ in range(replicates):
        rows, others = rng.integers(0, len(fake), len(fake)), rng.integers(0, len(real), len(real))
        distances.append(frechet(moments(fake[rows]), moments(real[others])))
        counts = np.bincount(rows, minlength=len(fake)), np.bincount(others, minlength=len(real))
        mmds.append(_mmd(kernels, counts[0].astype(np.float64), counts[1].astype(np.float64)))
    moved = _ends(np.maximum(np.array(distances) - np.mean(distances) + value, 0.0))
    return {"frechet": {"value": value, **moved}, "kid": {"value": kernel_value, **_ends(np.array(mmds))}}


def _ends(values: Floats) -> dict[str, float]:
    low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return {"low": float(low), "high": float(high)}


def _require_alike(images: Array, truth: Array) -> None:
    if images.shape != truth.shape or images.ndim != 4 or not len(images):
        raise InputError(f"images of shape {images.shape} cannot be compared with {truth.shape}")


def _require_features(fake: Floats, real: Floats, least: int, what: str) -> None:
    if fake.ndim != 2 or real.ndim != 2 or fake.shape[1] != real.shape[1]:
        raise InputError(f"features of shapes {fake.shape} and {real.shape} are not of one extractor")
    for name, features in (("generated", fake), ("real", real)):
        if len(features) < least:
            raise InputError(f"{what} needs at least {least} images in each set, got {len(features)} {name} ones")
