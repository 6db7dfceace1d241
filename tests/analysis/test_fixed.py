"""A run says whether stand-ins and defaults are those that were fixed before the first run."""

from __future__ import annotations

from analysis.fixed import fixed_line
from benchmarks.suitesparse.bench import fingerprints


def test_this_tree_has_the_stand_ins_and_defaults_that_were_fixed() -> None:
    line = fixed_line({"code": fingerprints()})
    assert line.startswith("Stand-ins and simulator defaults are those of commit 07ca07891995 (2026-11-23)")


def test_what_changed_is_named() -> None:
    code = {**fingerprints(), "standins": "0" * 64}
    assert fixed_line({"code": code}).startswith("Changed since commit 07ca07891995")
    assert fixed_line({"code": code}).endswith("twenty matrices: stand-ins.")
    assert fixed_line({}).endswith("stand-ins and simulator defaults.")
