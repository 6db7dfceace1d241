"""Figures as inline SVG: only variables for colours, ids of their own, the same bytes again."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from made_records import bench_record, study_record

from analysis.figures.panel import Panel
from analysis.figures.panels import ablation_panels, bench_panels, sweep_panels
from analysis.figures.style import COLOURS
from analysis.figures.svg import colour_variables, inline_svg


def all_panels() -> list[Panel]:
    studies = [panel for what in ("sweep", "grid", "rmat") for panel in sweep_panels(study_record(what))]
    return [*bench_panels(bench_record()), *ablation_panels(study_record("ablation")), *studies]


PANELS = ("roofline", "traffic", "gains", "libraries", "cycles", "steps", "knees", "frontier", "frontier", "scaling")


@pytest.fixture(scope="module")
def panels() -> list[Panel]:
    return all_panels()


def test_every_record_gives_its_figures(panels: list[Panel]) -> None:
    assert tuple(panel.name for panel in panels) == PANELS


@pytest.mark.parametrize("place", range(len(PANELS)), ids=PANELS)
def test_a_figure_is_well_formed_and_has_no_colour_of_its_own(place: int, panels: list[Panel]) -> None:
    svg = inline_svg(panels[place].figure, f"x{place}", panels[place].alt)
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == panels[place].alt
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    assert set(re.findall(r"var\(--fig-(\w+)\)", svg)) <= {*COLOURS, "font"}
    assert "<text" in svg
    assert "DejaVu" not in svg
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert all(str(one).startswith(f"x{place}-") for one in ids)
    assert len(ids) == len(set(ids))
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)
    assert {one or other for one, other in used} <= set(ids)


def test_the_same_record_gives_the_same_bytes() -> None:
    for one, other in zip(all_panels(), all_panels(), strict=True):
        assert inline_svg(one.figure, "x", one.alt) == inline_svg(other.figure, "x", other.alt)


def test_a_text_alternative_is_escaped(panels: list[Panel]) -> None:
    svg = inline_svg(panels[0].figure, "x", '<b>"quoted" & more')
    assert ElementTree.fromstring(svg).get("aria-label") == '<b>"quoted" & more'


def test_each_colour_has_a_light_and_a_dark_form() -> None:
    light, dark = colour_variables(False), colour_variables(True)
    assert light.count("--fig-") == dark.count("--fig-") == len(COLOURS)
    assert len({pair[0] for pair in COLOURS.values()}) == len(COLOURS)  # a colour is told by its value
    assert light != dark
