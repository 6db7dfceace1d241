"""Trees, residuals, intervals, energy: they learn what is there, and nothing where nothing is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.mobile_cost.boosting import grow
from sim.mobile_cost.energy import fit_energy
from sim.mobile_cost.intervals import Interval, conformal, grouped, quantiles
from sim.mobile_cost.residual import COLUMNS, Recipe, fit_residual, learn
from sim.mobile_cost.tables import split
from sim.mobile_cost.terms import INDEX, Runtime
from tests.sim.mobile_cost import synthetic


def table(rows: int, seed: int = 0) -> np.ndarray:
    values = np.zeros((rows, len(COLUMNS)))
    values[:, :3] = np.random.default_rng(seed).random((rows, 3))
    return values


def test_trees_learn_a_step_and_repeat_themselves() -> None:
    columns = table(500)[:, :3]
    target = np.where(columns[:, 1] > 0.5, 1.0, -1.0)
    trees = grow(columns, target, trees=80, depth=2, rate=0.2, seed=3)
    assert np.mean(np.abs(trees.predict(columns) - target)) < 0.05
    again = grow(columns, target, trees=80, depth=2, rate=0.2, seed=3)
    np.testing.assert_array_equal(trees.value, again.value)


def test_residual_is_learned_only_where_it_helps() -> None:
    values, groups = table(400), np.arange(400)
    noise = 0.05 * np.random.default_rng(1).standard_normal(400)
    assert learn(values, noise, groups, 0) is None
    recipe = learn(values, noise + 0.3 * np.sin(6 * values[:, 2]), groups, 0)
    assert recipe is not None
    residual = fit_residual(values, 0.3 * np.sin(6 * values[:, 2]), recipe, 0)
    assert "share." + COLUMNS[2].removeprefix("share.") in residual.columns


def test_residual_is_not_trusted_outside_of_its_range() -> None:
    values = table(400)
    residual = fit_residual(values, values[:, 0], Recipe(count=40), 0)
    inside = np.full((1, len(residual.columns)), 0.5)
    assert residual.trust(inside)[0] == 1.0
    assert residual.trust(inside + 5.0)[0] == 0.0


def test_interval_covers_nine_in_ten_where_the_scale_varies() -> None:
    rng = np.random.default_rng(0)
    values = table(4000)
    errors = rng.standard_normal(4000) * np.where(values[:, 0] > 0.5, 0.2, 0.02)
    interval = conformal(errors[:2000], values[:2000], 0)
    assert interval.scale is not None
    low, high = interval.widths(values[2000:], COLUMNS, np.ones(2000))
    inside = (errors[2000:] >= low) & (errors[2000:] <= high)
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    rough = values[2000:, 0] > 0.5
    assert inside[rough].mean() == pytest.approx(inside[~rough].mean(), abs=0.08)


def skewed(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors above the prediction for one half of the networks, below for the other, equally large."""
    values = table(rows, seed)
    size = np.random.default_rng(seed + 100).exponential(0.1, rows)
    return values, np.where(values[:, 1] > 0.5, size, -size)


def test_groups_of_an_interval_hold_each_side_of_each_half() -> None:
    values, errors = skewed(4000, 3)
    unseen, truth = skewed(4000, 4)
    interval = conformal(errors, values, 0)
    assert interval.lower is not None
    assert interval.upper is not None
    assert set(interval.columns) >= set(interval.lower.columns)
    low, high = interval.widths(unseen, COLUMNS, np.ones(4000))
    plain = Interval(interval.low, interval.high, interval.scale).widths(unseen, COLUMNS, np.ones(4000))
    half = unseen[:, 1] > 0.5
    for rows, outer in ((half, truth > high), (~half, truth < low)):
        assert np.mean((truth >= low)[rows] & (truth <= high)[rows]) == pytest.approx(0.93, abs=0.04)
        assert outer[rows].mean() == pytest.approx(0.05, abs=0.025)
    assert np.mean(truth[half] > plain[1][half]) > 0.08  # one pair of bounds: 5 % of all lie in one half
    # sizes are exponential: one side to its 95 % quantile, against both sides to their 90 % quantile
    ideal = math.log(20) / (2 * math.log(10))
    assert np.mean(high - low) / np.mean(plain[1] - plain[0]) == pytest.approx(ideal, rel=0.15)


def test_few_scores_and_equal_scores_make_no_groups() -> None:
    values, errors = skewed(799, 3)
    assert grouped(errors, values) == (None, None)
    assert grouped(np.zeros(2000), table(2000)) == (None, None)


def test_quantiles_hold_all_of_a_handful() -> None:
    assert quantiles(np.array([0.1, -0.2, 0.3])) == (-0.2, 0.3)


def test_energy_finds_power_and_dynamic_part() -> None:
    data = synthetic.measurements(200)
    model = fit_energy(data.batch, data.latency_s, data.energy_j, Runtime())
    unseen = synthetic.measurements(50, seed=4)
    joules = model.plain(unseen.batch, unseen.latency_s)
    assert np.mean(np.abs(joules / unseen.energy_j - 1)) < 0.01
    assert model.power_w > 1.0
    assert model.coefficients[INDEX["attention.mac"]] == 0.0


def test_split_keeps_groups_together() -> None:
    groups = np.repeat(np.arange(40), 3)
    seen, unseen = split(groups, 0.25, 1)
    assert not set(groups[seen]) & set(groups[unseen])
    assert len(unseen) == 30


def test_trees_are_followed_alike_by_both_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.mobile_cost import boosting

    columns = table(300)[:, :3]
    trees = grow(columns, np.sin(5 * columns[:, 0]), trees=30, seed=1)
    plain = trees.predict(columns)
    monkeypatch.setattr(boosting, "_FEW", 0)
    np.testing.assert_array_equal(trees.predict(columns), plain)
