"""Axes from text, their combinations, and what is refused."""

from __future__ import annotations

import pytest

from benchmarks.suitesparse.axis import PUBLISHED_SPACE, grid, one_at_a_time, parse_axis
from sim.errors import ConfigError
from sim.sparch.config import load_config


def test_a_grid_has_every_combination() -> None:
    axes = [parse_axis("merge_tree.ways=16,32"), parse_axis("prefetch.policy=lru,none")]
    assert grid(axes) == [
        {"merge_tree.ways": ways, "prefetch.policy": policy} for ways in (16, 32) for policy in ("lru", "none")
    ]
    assert one_at_a_time(axes) == [
        {"merge_tree.ways": 16},
        {"merge_tree.ways": 32},
        {"prefetch.policy": "lru"},
        {"prefetch.policy": "none"},
    ]


def test_settings_that_go_together_are_one_axis() -> None:
    axis = parse_axis("prefetch.lines:prefetch.line_elements=4096:12,512:96")
    assert axis.steps() == [
        {"prefetch.lines": 4096, "prefetch.line_elements": 12},
        {"prefetch.lines": 512, "prefetch.line_elements": 96},
    ]
    assert axis.label == "prefetch.lines:prefetch.line_elements"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("merge_tree.ways", "names no values"),
        ("merge_tree.ways=", "names no values"),
        ("merge_tree.way=16", "unknown setting 'merge_tree.way'; nearest: merge_tree.ways"),
        ("merge_tree.ways=16,16", "has a value twice"),
        ("merge_tree.ways:merge_tree.ways=1:2", "names a setting twice"),
        ("prefetch.lines:prefetch.line_elements=4096:12,512", "'512' has 1 values for 2 settings"),
    ],
)
def test_what_does_not_fit_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_axis(text)


def test_a_setting_in_two_axes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'merge_tree\.ways' stands in two axes"):
        grid([parse_axis("merge_tree.ways=16"), parse_axis("merge_tree.ways:prefetch.lines=32:64")])


def test_the_published_space_holds_valid_machines_and_the_published_one_on_each_axis() -> None:
    default = load_config()
    for text in PUBLISHED_SPACE:
        machines = [load_config(settings=step) for step in parse_axis(text).steps()]
        assert default in machines
        assert not any(machine.shallow_fifos for machine in machines)
