"""Coefficients of the kernel model from measured networks: robust, non-negative, drawn towards the prior.

Minimises  sum_i w_i (1 - T_i / y_i)^2 + strength * sum_k (u_k - 1)^2  over u >= 0, coefficient_k = u_k * prior_k *
scale of its sort, by iteratively reweighted least squares (w_i = 1 / max(|error_i|, floor): relative errors in the L1
norm, so that a disturbed measurement does not pull). The three scales (peak, bandwidth, launch) come first, from a fit
of three numbers. What a table says nothing about therefore keeps the class's prior cost on this device's scales.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import InputError
from sim.mobile_cost.kernel_model import KernelModel, network_amounts
from sim.mobile_cost.terms import LAUNCH, PRIOR, SORT, TERMS, Runtime

if TYPE_CHECKING:
    from sim.workload import WorkloadBatch

Array = np.ndarray[Any, np.dtype[Any]]

FEWEST = 4
_TYPICAL = np.array([1.0, 1.0, 20_000.0])  # a byte and a launch, in MACs, where data cannot tell them apart
_FLOOR = 0.01
_SCALE_STRENGTH = 1.0
_NEGLIGIBLE = 3e-4  # share of the time below which data say nothing of a term: it keeps its prior
_HOLD = 2.0
_CONSTANT = len(TERMS)


def fit_kernel_model(
    batch: WorkloadBatch,
    seconds: Array,
    *,
    runtime: Runtime | None = None,
    overlap: float = 1.0,
    queueing: float = 1.0,
    strength: float = 1e-3,
    rounds: int = 12,
) -> KernelModel:
    """The model that explains `seconds` of the networks of `batch`.

    Raises InputError: fewer than `FEWEST` measurements, or one that is not a positive number.
    """
    if len(seconds) < FEWEST:
        raise InputError(f"{len(seconds)} measurements are too few to fit a device; give at least {FEWEST}")
    if not np.all(np.isfinite(seconds)) or np.any(seconds <= 0):
        raise InputError("measured latencies must be positive numbers")
    empty = KernelModel(np.zeros(len(TERMS)), runtime=runtime or Runtime())
    plain = network_amounts(empty, batch)
    prior = _scaled_prior(plain, seconds)
    model = _solved(empty, plain, seconds, prior, strength, rounds)
    if overlap == 1.0 and queueing == 1.0:
        return model
    model = replace(model, overlap=overlap, queueing=queueing)
    for _ in range(6):
        model = _solved(model, network_amounts(model, batch), seconds, prior, strength, max(rounds // 3, 3))
    return model


def _scaled_prior(amounts: Array, seconds: Array) -> Array:
    """Prior coefficients in seconds: three scales fitted, each kept within reach of the others."""
    sums = np.stack([amounts[:, :-1][:, sort == SORT] @ PRIOR[sort == SORT] for sort in range(3)], axis=1)
    scaled = sums * _TYPICAL / seconds[:, None]
    unit = 1.0 / np.median(scaled.sum(1))
    multiples = robust_nonnegative(scaled * unit, np.ones(len(seconds)), np.ones(3), _SCALE_STRENGTH, 8)
    scales = np.maximum(multiples, 0.1) * unit * _TYPICAL
    constant = 0.3 * scales[LAUNCH]
    return np.append(scales[SORT] * PRIOR, constant)


def _solved(
    model: KernelModel, amounts: Array, seconds: Array, prior: Array, strength: float, rounds: int
) -> KernelModel:
    relative = amounts * prior / seconds[:, None]
    multiples = robust_nonnegative(relative, np.ones(len(seconds)), np.ones(relative.shape[1]), strength, rounds)
    solved = multiples * prior
    return replace(model, coefficients=solved[:-1], constant_s=float(solved[-1]))


def robust_nonnegative(matrix: Array, target: Array, centre: Array, strength: float, rounds: int) -> Array:
    """Non-negative u that brings ``matrix @ u`` near `target` in the L1 norm, drawn towards `centre`.

    `strength` is in units of one row with an error of one. A column of zeros keeps its centre, one that
    hardly matters nearly so.
    """
    used = np.flatnonzero(matrix.any(axis=0))
    whole = centre.astype(float)
    matrix, centre = np.ascontiguousarray(matrix[:, used]), whole[used]
    weights = np.ones(len(target))
    shares = (matrix / target[:, None]).mean(axis=0)
    pull = strength + len(target) * _NEGLIGIBLE**2 * _HOLD / (1.0 + (shares / _NEGLIGIBLE) ** 2)
    solution = centre
    for _ in range(rounds):
        gram = (matrix * weights[:, None]).T @ matrix + np.diag(pull)
        right = matrix.T @ (weights * target) + pull * centre
        solution = quadratic_nonnegative(gram, right)
        errors = np.abs(matrix @ solution - target)
        fresh = 1.0 / np.maximum(errors, _FLOOR)
        fresh /= fresh.mean()
        if np.max(np.abs(fresh - weights)) < 1e-3:
            break
        weights = fresh
    whole[used] = solution
    return whole


def quadratic_nonnegative(gram: Array, right: Array) -> Array:
    """The u >= 0 that minimises u' gram u / 2 - right' u, through a Cholesky factor and NNLS."""
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import nnls

    scale = 1.0 / np.sqrt(np.diag(gram))
    normal = gram * scale[:, None] * scale[None, :]
    normal[np.diag_indices_from(normal)] += 1e-10
    upper = cholesky(normal)
    solution, _ = nnls(upper, solve_triangular(upper, right * scale, trans="T"), maxiter=30 * len(right))
    return np.asarray(solution * scale)
