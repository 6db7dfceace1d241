"""Knees: found in plain numbers, and in records of sweeps."""

from __future__ import annotations

from typing import Any

import pytest
from made_records import study_record

from analysis.figures.knees import Curve, curves, knee, knees_panel


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ((1, 2, 4, 4.1, 4.2), 2),
        ((1, 2, 4, 8), None),  # still gaining
        ((5, 5.1, 5.2), 0),
        ((1, 1.05, 2, 2.1), 2),  # a flat start is no knee
        ((10, 9, 8), 0),
        ((1, 1.2, 1.32), None),  # exactly ten percent is a gain
        ((3,), None),
    ],
)
def test_the_knee_is_the_first_value_from_which_no_step_gains_ten_percent(values: Any, place: int | None) -> None:
    assert knee(values) == place


def made_sweep(names: list[str], values: list[list[Any]], gflops: list[float]) -> dict[str, Any]:
    return {
        "schema": "hwloop.sweep/1",
        "matrices": ["toy"],
        "machines": [{"settings": {}, "gflops": one} for one in gflops],
        "points": [{"matrix": "toy"}],
        "axes": [{"names": names, "values": values}],
        "one_at_a_time": True,
    }


def test_one_setting_gives_one_curve_with_the_published_choice() -> None:
    sweep = made_sweep(["merge_tree.ways"], [[16], [32], [64], [128]], [5, 8, 11, 11.5])
    assert curves(sweep) == [Curve("merge tree ways", ("16", "32", "64", "128"), (5, 8, 11, 11.5), 2)]
    assert curves(sweep)[0].knee == 2


def test_a_buffer_of_two_settings_is_cut_into_size_and_shape() -> None:
    values = [[2048, 24], [1024, 48], [512, 96], [2048, 48], [512, 48]]
    size, shape = curves(made_sweep(["prefetch.lines", "prefetch.line_elements"], values, [9, 10, 8, 10.5, 7]))
    assert (size.labels, size.gflops, size.chosen) == (("512", "1k", "2k"), (7, 10, 10.5), 1)
    assert (shape.labels, shape.gflops, shape.chosen) == (("2k×24", "1k×48", "512×96"), (9, 10, 8), 1)


def test_settings_that_grow_together_are_one_curve() -> None:
    (curve,) = curves(made_sweep(["merge_tree.width", "merge_tree.fifo_depth"], [[8, 24], [16, 48]], [9, 10]))
    assert (curve.labels, curve.chosen) == (("8", "16"), 1)


def test_axes_take_their_machines_in_order() -> None:
    sweep = made_sweep(["merge_tree.ways"], [[16], [64]], [5, 8, 3, 4])
    sweep["axes"].append({"names": ["dram.channels"], "values": [[8], [16]]})
    assert [curve.gflops for curve in curves(sweep)] == [(5, 8), (3, 4)]


def test_the_caption_names_knees_and_what_still_gains() -> None:
    sweep = made_sweep(["merge_tree.ways"], [[16], [64], [128]], [5, 10, 10.2])
    sweep["axes"].append({"names": ["dram.channels"], "values": [[8], [16]]})
    sweep["machines"] += [{"settings": {}, "gflops": 3}, {"settings": {}, "gflops": 6}]
    caption = knees_panel(sweep).caption
    assert "merge tree ways = 64" in caption
    assert "Still gaining at the end: DRAM channels" in caption
    assert "at the bend in 1 of 1" in caption
    sweep["machines"][1]["gflops"] = 5.1
    assert "merge tree ways = 64" not in knees_panel(sweep).caption


def test_a_real_sweep_has_a_panel_for_each_curve() -> None:
    sweep = study_record("sweep")
    panel = knees_panel(sweep)
    assert len(curves(sweep)) == 3
    assert sum(axes.get_visible() for axes in panel.figure.axes) == 3
