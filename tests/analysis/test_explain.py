"""Three causes in words, with their numbers."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.explain import all_causes, explain_result, render_explanation


def test_three_causes_dearest_first(record: dict[str, Any]) -> None:
    causes = explain_result(record)
    assert [cause.name for cause in causes] == ["compulsory", "b_rereads", "partials"]
    assert [cause.cycles for cause in causes] == sorted((cause.cycles for cause in causes), reverse=True)
    assert causes[1].cycles == pytest.approx(18_000 / 128)
    assert causes[1].share == pytest.approx(18_000 / 128 / 1000)


def test_all_causes_add_up_to_the_run(record: dict[str, Any]) -> None:
    assert sum(cause.cycles for cause in all_causes(record)) == pytest.approx(record["cycles"])
    assert sum(cause.share for cause in all_causes(record)) == pytest.approx(1)


def test_words_hold_the_numbers(record: dict[str, Any]) -> None:
    text = {cause.name: cause.text for cause in all_causes(record)}
    assert "16 % of the bytes are re-reads of B rows (0.018 MB of 0.115 MB)" in text["b_rereads"]
    assert "79.2%" in text["b_rereads"]
    assert "prefetch.lines" in text["b_rereads"]
    assert "80 condensed columns through 64 ways take 2 rounds" in text["partials"]
    assert "bursts of 32 B" in text["padding"]
    assert "6% of the multiplier slots (800)" in text["lost_slots"]
    assert "merge_layer_2" in text["merge_tree"]
    assert all(cause.formula for cause in all_causes(record))


def test_without_a_buffer_the_advice_is_to_have_one(record: dict[str, Any]) -> None:
    record["config"]["prefetch"]["policy"] = "none"
    text = {cause.name: cause.text for cause in all_causes(record)}["b_rereads"]
    assert "prefetch.policy=lookahead" in text


def test_rendering_numbers_the_causes_and_repeats_flags(record: dict[str, Any]) -> None:
    record["flags"] = ["use the cycle model"]
    lines = render_explanation(record).splitlines()
    assert lines[0].startswith("toy: 1,000 cycles; the busiest resource is DRAM bandwidth, in use for 900")
    assert [line[:2] for line in lines if line[0].isdigit()] == ["1.", "2.", "3."]
    assert lines[-1].strip() == "note: use the cycle model"


def test_an_empty_run_is_explained_too(record: dict[str, Any]) -> None:
    for table in ("dram_bytes", "bounds_cycles", "prefetch"):
        record[table] = dict.fromkeys(record[table], 0)
    for name in (
        "cycles",
        "channel_bytes",
        "ideal_dram_bytes",
        "multiplications",
        "output_nnz",
        "flops",
        "merge_rounds",
    ):
        record[name] = 0
    record["matrix"]["nnz"] = 0
    record["units"] = {name: dict.fromkeys(states, 0) for name, states in record["units"].items()}
    assert [cause.cycles for cause in explain_result(record)] == [0, 0, 0]
    assert render_explanation(record)


def test_the_second_resource_is_named(record: dict[str, Any]) -> None:
    assert "; next comes the multiplier array (80 %)." in render_explanation(record).splitlines()[0]
