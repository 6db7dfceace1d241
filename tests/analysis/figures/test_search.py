"""The figure of a search: a panel for each device, a point for each budget, words that say what the predictor is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.figures.search import search_figure, search_panel, write_figure
from analysis.search_table import render_search


def found(device: str, ms: float, accuracy: float) -> dict[str, Any]:
    cost = {
        **{"device": device, "latency_s": ms / 1e3, "latency_low_s": 0.8 * ms / 1e3, "latency_high_s": 1.3 * ms / 1e3},
        **{"energy_j": None, "macs": 2e6, "params": 1e5, "flags": []},
    }
    measures = [{"device": device, "column": "latency_s", "value": ms / 1e3}]
    predicted = {"accuracy": accuracy, "accuracy_low": None, "accuracy_high": None, "measures": measures}
    best = {"arch": {}, "predicted": {**predicted, "costs": [cost]}, "measured": None}
    worse = {"predicted": {**predicted, "accuracy": accuracy - 0.1, "measures": [{**measures[0], "value": ms / 4e3}]}}
    return {
        **{"device": device, "devices": [device], "budget": f"{ms + 1:g} ms", "refused": None, "best": best},
        "constraint": [{"device": device, "column": "latency_s", "limit": (ms + 1) / 1e3}],
        "reachable": [{"device": device, "column": "latency_s", "low": 1e-3, "high": 9e-2, "how": "descent"}],
        **{"front": [best, worse], "evaluations": 10, "wall_s": 1.0},
    }


@pytest.fixture
def record() -> dict[str, Any]:
    refused = {**found("a", 1, 0.5), "best": None, "front": [], "refused": "no network", "evaluations": 0}
    return {
        "space": {"name": "mini", "size": 10**9},
        "objective": {"label": "placeholder", "unseen": {"rmse": 0.01, "n": 200}},
        "devices": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
        **{"method": "evolution", "seed": 0, "evaluations": 30},
        "searches": [refused, found("a", 10, 0.7), found("a", 20, 0.75), found("b", 12, 0.72)],
    }


def test_a_panel_for_each_device(record: dict[str, Any]) -> None:
    figure = search_figure(record)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == ["a", "b", "c"]
    marked = [sum(line.get_marker() == "o" and len(line.get_xdata()) > 0 for line in axes.lines) for axes in shown]
    assert marked == [2, 1, 0]


def test_the_words_name_the_best_and_the_placeholder(record: dict[str, Any]) -> None:
    panel = search_panel(record)
    assert "Most accurate: 75.00 % for a, 21 ms. Accuracy predictor: placeholder." in panel.caption
    assert "stand-in" in panel.kinds


def test_the_same_record_gives_the_same_bytes(record: dict[str, Any], tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        write_figure(record, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_the_table_says_what_was_refused_and_what_the_predictor_is(record: dict[str, Any]) -> None:
    text = render_search(record)
    assert "a, 2 ms: no network" in text
    assert "RMSE 1.00 points on 200 unseen networks" in text
    assert "note: this predictor is a placeholder: its accuracies mean nothing" in text
