"""`hwloop demo`: two products, two tables, both verified."""

from __future__ import annotations

import json

from click.testing import CliRunner

from hwloop.demo_command import SMALL_INPUTS, demo


def test_both_inputs_are_shown_and_verified() -> None:
    result = CliRunner().invoke(demo, ["--small"])
    assert result.exception is None
    assert result.output.count("tightest bound:") == 2
    last = result.output.splitlines()[-2:]
    assert [line.rpartition(": verified")[0] for line in last] == list(SMALL_INPUTS)


def test_json_alone_on_standard_output() -> None:
    result = CliRunner().invoke(demo, ["--small", "--json", "-"])
    records = json.loads(result.stdout)["results"]
    assert [record["verified"] for record in records] == [True, True]
