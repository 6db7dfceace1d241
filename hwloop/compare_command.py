"""`hwloop compare`: the difference of two results, split by cause. Thin: `analysis.compare` does it."""

from __future__ import annotations

import click

from hwloop.json_output import deliver, json_option


@click.command()
@click.argument("first", metavar="R1.json")
@click.argument("second", metavar="R2.json")
@json_option
def compare(first: str, second: str, json_path: str | None) -> None:
    """Compare two results of 'hwloop simulate --json'.

    Cycles by cause, DRAM bytes by operand, energy by group, stalls by unit, and the settings that differ; the parts add
    up to the difference, which is the second result minus the first.
    """
    from analysis.compare import compare as split_difference
    from analysis.compare import render_comparison
    from analysis.record import load_record

    comparison = split_difference(load_record(first), load_record(second))
    deliver(comparison, json_path, lambda: click.echo(render_comparison(comparison)))
