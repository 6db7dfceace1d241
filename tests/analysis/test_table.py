"""The summary: every fact it promises, in text that fits a terminal."""

from __future__ import annotations

from io import StringIO
from typing import Any

from analysis.table import WIDTH, render_summary, summary, verified_text


def test_it_says_everything(record: dict[str, Any]) -> None:
    text = render_summary(record)
    for fact in (
        *("toy (100 x 100, 1,000 entries) times itself on SpArch, event model", "verified against SciPy"),
        *("1,000 cycles = 1 us at 1 GHz, 20.00 GFLOP/s", "2 merge rounds"),
        "tightest bound: bandwidth, 829 cycles; the run takes 20.6 % more (multiply 800, merge 300)",
        *("hit rate 79.2 %", "compute 33 %, sram 40 %, dram 27 %", "power 15.00 W", "0.75 nJ/FLOP"),
    ):
        assert fact in text


def test_units_are_percentages_of_the_cycles(record: dict[str, Any]) -> None:
    rows = {line[:28].strip(): line[28:].split() for line in render_summary(record).splitlines()}
    assert rows["multipliers"] == ["80.0", "4.0", "1.0", "10.0", "5.0"]
    assert rows["busiest merge layer: 2 of 2"] == ["30.0", "60.0", "5.0", "0.0", "5.0"]


def test_traffic_is_set_against_the_ideal(record: dict[str, Any]) -> None:
    rows = {line.split()[0]: line.split()[1:] for line in render_summary(record).splitlines() if line}
    assert rows["moved"] == ["0.0120", "0.0300", "0.0080", "0.0080", "0.0480", "0.1060"]
    assert rows["ratio"] == ["1.00", "2.50", "-", "-", "1.00", "1.47"]


def test_it_is_short_narrow_and_without_colour(record: dict[str, Any]) -> None:
    lines = render_summary(record).splitlines()
    assert len(lines) <= 22
    assert max(map(len, lines)) <= WIDTH
    assert "\x1b" not in "".join(lines)


def test_the_renderable_has_colour_on_a_terminal(record: dict[str, Any]) -> None:
    from rich.console import Console

    out = StringIO()
    Console(file=out, force_terminal=True, width=WIDTH, color_system="standard").print(summary(record))
    assert "\x1b[" in out.getvalue()


def test_flags_and_missing_verification_are_shown(record: dict[str, Any]) -> None:
    record |= {"verified": None, "max_relative_error": None, "flags": ["use the cycle model"]}
    text = render_summary(record)
    assert "note: use the cycle model" in text
    assert verified_text(record) == "not verified"
    assert "not verified" in text


def test_names_with_brackets_are_no_markup(record: dict[str, Any]) -> None:
    record["matrix"]["name"] = "[red]x[/nothing]"
    assert "[red]x[/nothing]" in render_summary(record)


def test_an_empty_run_has_a_summary(record: dict[str, Any]) -> None:
    for table in ("dram_bytes", "bounds_cycles", "energy_j"):
        record[table] = dict.fromkeys(record[table], 0)
    record |= {"cycles": 0, "seconds": 0.0, "ideal_dram_bytes": 0, "flops": 0, "gflops": 0.0, "output_nnz": 0}
    record["matrix"]["nnz"] = 0
    record["units"] = {name: dict.fromkeys(states, 0) for name, states in record["units"].items()}
    assert "nothing to do" in render_summary(record)
