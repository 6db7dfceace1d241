"""`hwloop bench`: both simulated accelerators and real libraries on many matrices, side by side."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hwloop.study_options import machine_options, run_study, study_options
from hwloop.sweep_command import out_folder, write_record


@click.command()
@click.argument("matrices", metavar="A…", nargs=-1)
@study_options
@machine_options
@click.option(
    "--baselines", metavar="NAME,…", default="", help="Libraries to run: scipy, numba, torch, mkl, graphblas, …"
)
@click.option("--threads", metavar="N,…", help="Thread counts of the libraries (default: all cores).")
@click.option("--budget-s", type=float, default=0.5, help="Seconds of timed runs for each library and matrix.")
@click.option("--no-download", is_flag=True, help="Take stand-ins for matrices that are not on this machine.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of generators that name none.")
@click.option("--out", metavar="DIR", required=True, help="Folder for bench.json; made if it is not there.")
def bench(
    matrices: tuple[str, ...],
    suite: str | None,
    workers: int | None,
    cluster: str | None,
    config_file: str | None,
    settings: tuple[str, ...],
    baselines: str,
    threads: str | None,
    budget_s: float,
    no_download: bool,
    seed: int | None,
    out: str,
) -> None:
    """Simulate A·A on SpArch and OuterSPACE and run real libraries beside them.

    Finished simulations and measurements are kept: after an interrupt the same command goes on. `hwloop report DIR`
    makes a page of it.
    """
    from benchmarks.suitesparse.bench import bench as run
    from hwloop.study_options import base_config

    folder = out_folder(out)
    names = [name.strip() for name in baselines.split(",") if name.strip()]
    base, counts = base_config(config_file, settings), _threads(threads)
    members = _members(matrices, suite, names, download=not no_download)
    record = run_study(
        lambda workers, progress: run(
            members,
            baselines=names,
            parts=Path(out) / "parts",
            base=base,
            seed=seed,
            suite=suite,
            workers=workers,
            cluster=cluster,
            threads=counts,
            budget_s=budget_s,
            progress=progress,
        ),
        workers,
    )
    record["date_utc"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    write_record(folder, "bench.json", record)
    _show(record)


def _members(matrices: tuple[str, ...], suite: str | None, baselines: list[str], *, download: bool) -> list[Any]:
    """What was named, then the suite. Bad names of libraries are found before anything is fetched."""
    from benchmarks.suitesparse.libraries import check_names
    from benchmarks.suitesparse.suite import Member, suite_members
    from sim.errors import ConfigError

    check_names(baselines)
    members = [Member(name, name, real="~" not in name) for name in matrices]
    if suite is not None:
        known = {member.name for member in members}
        found = suite_members(suite, download=download, note=lambda line: click.echo(line, err=True))
        members += [member for member in found if member.name not in known]
    if not members:
        raise ConfigError("no matrix named; nearest: --suite sparch20")
    return members


def _threads(text: str | None) -> list[int]:
    from sim.errors import ConfigError

    if text is None:
        return [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise ConfigError(f"--threads {text!r} is not a list of numbers; nearest: 1,2") from None


def _show(record: Mapping[str, Any]) -> None:
    from analysis.bench_table import render_bench

    click.echo(render_bench(record), nl=False)
