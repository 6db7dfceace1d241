"""What figures show and say follows from the record: other numbers, other figure, other words."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from made_records import bench_record, study_record

from analysis.figures import style
from analysis.figures.cycles import cycles_panel, shares
from analysis.figures.frontier import frontier_panel
from analysis.figures.gains import gains_panel
from analysis.figures.libraries import faster_than, libraries_panel
from analysis.figures.roofline import roofline_panel, roofs, share_of_roof
from analysis.figures.rows import listing, rows, shown_name
from analysis.figures.scaling import graphs, is_scaling_study, scaling_panel
from analysis.figures.steps import levels, published_levels, steps_panel
from analysis.figures.traffic import over_ideal, traffic_panel


@pytest.fixture
def bench() -> dict[str, Any]:
    return bench_record()


def test_rows_put_real_matrices_first_and_mark_stand_ins(bench: dict[str, Any]) -> None:
    found = rows(bench)
    assert [row.real for row in found] == [True, True, False]
    assert [row.name.endswith("~") for row in found] == [False, False, True]
    assert shown_name({"name": "offshore", "real": False}) == "offshore~"
    assert shown_name({"name": "rmat:n=5,edges=1", "real": False}) == "rmat:n=5,edges=1"


def test_the_roof_is_that_of_the_simulated_machine(bench: dict[str, Any]) -> None:
    record = bench["matrices"][0]["sparch"]
    assert roofs(record) == (128.0, 32.0)
    other = copy.deepcopy(record)
    other["config"]["dram"]["channels"] = 8
    other["config"]["multipliers"]["groups"] = 4
    assert roofs(other) == (64.0, 64.0)


def test_no_matrix_is_above_the_roof_and_the_caption_names_the_ends(bench: dict[str, Any]) -> None:
    found = rows(bench)
    assert all(0 < share_of_roof(row) <= 1 for row in found)
    near, far = max(found, key=share_of_roof), min(found, key=share_of_roof)
    caption = roofline_panel(bench).caption
    assert f"{near.name} comes nearest" in caption
    assert f"{far.name} stays furthest" in caption


def test_bytes_over_the_ideal_are_at_least_one_and_add_up(bench: dict[str, Any]) -> None:
    for row in rows(bench):
        parts = sum(over_ideal(row, (name,)) for name in row.sparch["dram_bytes"] if name != "total")
        assert parts == pytest.approx(over_ideal(row))
        assert over_ideal(row) >= 1
    worst = max(rows(bench), key=over_ideal)
    assert worst.name in traffic_panel(bench).caption


def test_gains_say_the_averages_of_the_record(bench: dict[str, Any]) -> None:
    bench["averages"]["real"] |= {"speedup_outerspace_simulated": 3.21, "energy_ratio": 4.56}
    assert "2 real: 3.2 times as fast" in gains_panel(bench).caption
    assert "4.6 times less energy" in gains_panel(bench).caption
    assert "calibrated" in gains_panel(bench).kinds


def test_the_fastest_library_agrees_with_scipy(bench: dict[str, Any]) -> None:
    row = rows(bench)[0]
    fastest = row.fastest
    assert fastest is not None
    assert faster_than(row, fastest) == min(faster_than(row, name) for name in row.libraries)
    for one in bench["matrices"]:
        one["libraries"][fastest]["agrees"] = False
    assert all(fastest not in row.libraries for row in rows(bench))
    assert row.libraries[fastest]["label"] not in libraries_panel(bench).caption


def test_only_what_was_measured_is_drawn(bench: dict[str, Any]) -> None:
    assert "cuSPARSE" not in libraries_panel(bench).caption
    assert libraries_panel(bench).kinds[0] == "measured"


def test_times_that_are_too_long_are_counted(bench: dict[str, Any]) -> None:
    assert "too long" not in libraries_panel(bench).caption
    bench["matrices"][0]["libraries"]["scipy"]["hindered"] = True
    assert "1 of 9 times are too long" in libraries_panel(bench).caption


def test_states_of_a_unit_are_all_of_its_cycles(bench: dict[str, Any]) -> None:
    for row in rows(bench):
        for unit in ("multipliers", "merge"):
            assert sum(shares(row, unit).values()) == pytest.approx(1)
    low = min(rows(bench), key=lambda row: shares(row, "multipliers")["busy"])
    assert low.name in cycles_panel(bench).caption


def test_the_waterfall_ends_where_the_last_step_is() -> None:
    record = study_record("ablation")
    for row in record["matrices"]:
        row["outerspace_dram_bytes"] = 4 * row["steps"][-1]["dram_bytes"]
    assert levels(record)[0] == 1
    assert levels(record)[-1] == pytest.approx(0.25)
    assert "4.0 times less" in steps_panel(record).caption
    assert published_levels([step["name"] for step in record["matrices"][0]["steps"]])[-1] == pytest.approx(  # type: ignore[index]
        0.357, rel=0.01
    )
    assert published_levels(["unheard of"]) is None


def test_a_first_step_that_saves_bytes_is_said_so() -> None:
    record = study_record("ablation")
    for row in record["matrices"]:
        row["outerspace_dram_bytes"] = 2 * row["steps"][0]["dram_bytes"]
    assert "moves 2.0 times fewer bytes than OuterSPACE" in steps_panel(record).caption


def test_the_frontier_names_the_fastest_machine() -> None:
    record = study_record("grid")
    record["machines"][0] |= {"gflops": 99.0, "pareto": True}
    count = sum(machine["pareto"] for machine in record["machines"])
    assert f"{count} of {len(record['machines'])} machines" in frontier_panel(record).caption
    assert "ways=4, channels=4, 99.0 GFLOP/s" in frontier_panel(record).caption


def test_scaling_is_told_from_a_sweep_and_sorted_by_nodes() -> None:
    record = study_record("rmat")
    record["points"].reverse()
    assert is_scaling_study(record)
    assert not is_scaling_study(study_record("grid"))
    assert {edges: list(line) for edges, line in graphs(record).items()} == {
        edges: [500, 1000, 2000] for edges in (2, 4)
    }
    assert "measured" in scaling_panel(record).kinds
    for point in record["points"]:
        point["scipy_s"] = None
    assert scaling_panel(record).kinds == ("simulated",)


def test_labels_keep_off_each_other() -> None:
    points = [(1 + 0.02 * place, 1 + 0.01 * (place % 5), f"matrix number {place}") for place in range(20)]
    with style.look():
        figure = style.new_figure(300)
        axes = figure.add_subplot()
        axes.plot([0.5, 2], [0.5, 2], linestyle="none")
        left_out = style.label_points(axes, points, fontsize=7)
        renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert len(boxes) + len(left_out) == len(points)
    assert len(boxes) > 5
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")]
)
def test_listing(words: list[str], text: str) -> None:
    assert listing(words) == text
