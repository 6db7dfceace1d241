"""`hwloop ablate`: what each of SpArch's four parts gains, on one matrix or many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from hwloop.json_output import deliver, json_option
from hwloop.study_options import base_config, machine_options, matrices_of, run_study, study_options


@click.command()
@click.argument("matrices", metavar="A…", nargs=-1)
@study_options
@machine_options
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of generators and of the random schedule.")
@json_option
def ablate(
    matrices: tuple[str, ...],
    suite: str | None,
    workers: int | None,
    cluster: str | None,
    config_file: str | None,
    settings: tuple[str, ...],
    seed: int,
    json_path: str | None,
) -> None:
    """Take SpArch apart: pipelined merge alone, + condensing, + Huffman scheduler, + prefetcher.

    Each step is one simulation of A·A; finished ones are kept and never repeated.
    """
    from benchmarks.suitesparse.ablation import ablate as run

    names = matrices_of(matrices, suite)
    base = base_config(config_file, settings)
    record = run_study(
        lambda workers, progress: run(names, base=base, seed=seed, workers=workers, cluster=cluster, progress=progress),
        workers,
        json_path,
    )
    deliver(record, json_path, lambda: _show(record))


def _show(record: Mapping[str, Any]) -> None:
    from analysis.ablation_table import render_ablation

    click.echo(render_ablation(record), nl=False)
