"""`hwloop explain`: where the time of a result went, in words, or what a statistic means.

Thin: the words come from `analysis.explain` and `analysis.glossary`.
"""

from __future__ import annotations

import os
from typing import Any

import click

from hwloop.json_output import deliver, json_option


@click.command()
@click.argument("subject", metavar="R.json|STATISTIC")
@json_option
def explain(subject: str, json_path: str | None) -> None:
    """Say in words where the time of a result went, or define a statistic.

    R.json is a result of 'hwloop simulate --json': the three largest causes, with numbers. STATISTIC is any figure in
    it (dram_bytes.b_read, hit_rate, units.multipliers.starved) or a setting (merge_tree.ways).
    """
    result, words = explain_file(subject) if names_a_file(subject) else explain_name(subject)
    deliver(result, json_path, lambda: click.echo(words))


def names_a_file(subject: str) -> bool:
    """Whether `subject` is meant as a file: it ends in .json, has a folder in it, or exists."""
    return subject.endswith(".json") or os.sep in subject or os.path.isfile(subject)


def explain_file(path: str) -> tuple[dict[str, Any], str]:
    """The three largest causes of the result at `path`, as plain values and in words. Raises InputError."""
    import dataclasses

    from analysis.explain import explain_result, render_explanation
    from analysis.record import load_record

    record = load_record(path)
    causes = [dataclasses.asdict(cause) for cause in explain_result(record)]
    result = {"schema": "hwloop.explanation/1", "result": path, "cycles": record["cycles"], "causes": causes}
    return result, render_explanation(record)


def explain_name(name: str) -> tuple[dict[str, Any], str]:
    """The definitions of a statistic or setting, as plain values and in words. Raises InputError."""
    import dataclasses

    from analysis.glossary import explain_statistic, find

    entries = [dataclasses.asdict(one) for one in find(name)]
    return {"schema": "hwloop.definition/1", "name": name, "definitions": entries}, explain_statistic(name)
