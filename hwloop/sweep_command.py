"""`hwloop sweep`: many machines on many matrices, in parallel, each point computed once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hwloop.study_options import matrices_of, run_study, study_options


@click.command()
@click.argument("matrices", metavar="A…", nargs=-1)
@study_options
@click.option(
    "--set",
    "axes",
    metavar="KEY=V1,V2,…",
    multiple=True,
    help="A setting and its values; repeatable: all combinations. Settings that go together: K1:K2=V1:W1,V2:W2.",
)
@click.option("--config", "config_file", metavar="F.toml", help="Settings of the machine that is varied.")
@click.option("--each", is_flag=True, help="Vary each setting alone, instead of all combinations.")
@click.option("--rmat-study", is_flag=True, help="Power-law graphs of 5k to 80k nodes, 4 to 32 edges a node, as A.")
@click.option("--verify", is_flag=True, help="Compare each product with SciPy's, and time SciPy.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of generators that name none.")
@click.option("--out", "out", metavar="DIR", required=True, help="Folder for sweep.json; made if it is not there.")
def sweep(
    matrices: tuple[str, ...],
    suite: str | None,
    workers: int | None,
    cluster: str | None,
    axes: tuple[str, ...],
    config_file: str | None,
    each: bool,
    rmat_study: bool,
    verify: bool,
    seed: int | None,
    out: str,
) -> None:
    """Sweep the design space of SpArch on the products A·A.

    Without --set, each part of the published design space is varied alone: ways, merger, buffer shape, look-ahead,
    channels, multipliers. Finished points are kept: after an interrupt the same command goes on.
    """
    from benchmarks.suitesparse.axis import PUBLISHED_SPACE, grid, one_at_a_time, parse_axis
    from benchmarks.suitesparse.rmat_study import rmat_specs
    from benchmarks.suitesparse.sweep import sweep as run
    from hwloop.study_options import base_config

    base = base_config(config_file, ())
    named = (*matrices, *rmat_specs(note=_note)) if rmat_study else matrices
    names = matrices_of(named, suite)
    if axes or not rmat_study:
        parsed = [parse_axis(text) for text in axes or PUBLISHED_SPACE]
        machines = one_at_a_time(parsed) if each or not axes else grid(parsed)
    else:
        parsed, machines = [], [{}]
    folder = out_folder(out)
    record = run_study(
        lambda workers, progress: run(
            names,
            machines,
            base=base,
            seed=seed,
            verify=verify or rmat_study,
            workers=workers,
            cluster=cluster,
            progress=progress,
        ),
        workers,
    )
    record["axes"] = [{"names": axis.names, "values": axis.values} for axis in parsed]
    record["one_at_a_time"] = bool(parsed) and (each or not axes)
    write_record(folder, "rmat.json" if rmat_study else "sweep.json", record)
    _show(record)


def out_folder(out: str) -> Path:
    """`out` as a folder that can be written, which need not exist yet. Raises InputError."""
    from sim.errors import InputError
    from sim.files import require_writable

    folder = Path(out)
    if folder.is_dir():
        require_writable(folder / "record.json")
    elif folder.exists():
        raise InputError(f"cannot write to {out!r}: it is not a folder")
    else:
        require_writable(folder)
    return folder


def write_record(folder: Path, name: str, record: Mapping[str, Any]) -> None:
    """`record` as JSON in `folder`, which is made. Raises InputError."""
    import json

    from sim.files import write_text

    folder.mkdir(exist_ok=True)
    write_text(folder / name, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    click.echo(f"wrote {folder / name}", err=True)


def _note(line: str) -> None:
    click.echo(line, err=True)


def _show(record: Mapping[str, Any]) -> None:
    from analysis.sweep_table import render_sweep

    click.echo(render_sweep(record), nl=False)
