"""`hwloop simulate`: parse, call `hwloop.simulate`, write what was asked for, print the summary.

Outputs are checked before the work begins, and written together when all of it has succeeded.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sim.result import SimulationResult


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="[B]", required=False)
@click.option("--accelerator", metavar="NAME", default="sparch", help="sparch (default) or outerspace.")
@click.option("--model", metavar="NAME", default="event", help="event (default: fast) or cycle (the reference).")
@click.option("--config", "config_file", metavar="F.toml", help="Settings of the machine, as TOML tables.")
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="One setting; wins over --config; repeatable."
)
@click.option("--trace", "trace_path", metavar="T.json", help="Write a time line for the Perfetto UI.")
@click.option("--save-product", "product_path", metavar="P", help="Write the product, as .npz or .mtx.")
@click.option("--no-verify", is_flag=True, help="Do not compare the product with SciPy's.")
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of a generator that names none, and of a random schedule."
)
@click.option("--json", "json_path", metavar="PATH", help="Write the result as JSON; '-': to standard output, alone.")
def simulate(
    a: str,
    b: str | None,
    accelerator: str,
    model: str,
    config_file: str | None,
    settings: tuple[str, ...],
    trace_path: str | None,
    product_path: str | None,
    no_verify: bool,
    seed: int | None,
    json_path: str | None,
) -> None:
    """Simulate the product A·B. Without B: A·A if A is square, else A·Aᵀ.

    A, B: a file (.mtx, .mtx.gz, .npz), the name of a benchmark matrix, or a generator such as
    rmat:n=16384,edges=8,seed=1, poisson3d:n=32, banded:n=1000,width=5, uniform:n=500,density=0.01.
    """
    from benchmarks.suitesparse import runner
    from hwloop.progress import Progress

    runner.check_accelerator(accelerator)
    check_outputs(trace_path, product_path, json_path)
    with Progress(model) as progress:
        result = runner.simulate(
            a,
            b,
            accelerator=accelerator,
            model=model,  # type: ignore[arg-type]  # checked there, with the nearest valid name
            config_file=config_file,
            settings=parse_settings(settings, accelerator),
            seed=seed,
            verify=not no_verify,
            trace=trace_path is not None,
            progress=progress,
        )
    write_outputs(result, trace_path, product_path, json_path)
    for flag in result.flags:
        click.echo(f"warning: {flag}", err=True)
    if json_path == "-":
        click.echo(result.to_json(), nl=False)
    else:
        _print_summary(result)


def parse_settings(settings: tuple[str, ...], accelerator: str = "sparch") -> dict[str, Any]:
    """``("merge_tree.ways=32",)`` as a mapping; of the same name the last wins. Raises ConfigError."""
    if not settings:
        return {}
    if accelerator == "outerspace":
        from sim.outerspace.config import parse_setting
    else:
        from sim.sparch.config import parse_setting
    return dict(parse_setting(one) for one in settings)


def check_outputs(trace_path: str | None, product_path: str | None, json_path: str | None) -> None:
    """Raises InputError for a file that cannot be written, or for one file that is to be two things."""
    from pathlib import Path

    from sim.errors import InputError
    from sim.files import require_writable

    given = [path for path in (trace_path, product_path, None if json_path == "-" else json_path) if path is not None]
    for path in given:
        require_writable(path)
    places = [Path(path).absolute() for path in given]
    for place, path in zip(places, given, strict=True):
        if places.count(place) > 1:
            raise InputError(f"{path!r} is named for two outputs; give each its own file")
    if product_path is not None:
        from benchmarks.suitesparse.writers import require_matrix_path

        require_matrix_path(product_path)


def write_outputs(
    result: SimulationResult, trace_path: str | None, product_path: str | None, json_path: str | None
) -> None:
    """Write every file that was asked for, or none."""
    from sim.files import atomic_path

    with contextlib.ExitStack() as files:
        if product_path is not None:
            from benchmarks.suitesparse.writers import write_matrix

            write_matrix(result.product, files.enter_context(atomic_path(product_path)))
        if trace_path is not None:
            _write_trace(result, str(files.enter_context(atomic_path(trace_path))))
        if json_path not in (None, "-"):
            result.save(files.enter_context(atomic_path(str(json_path))))


def _write_trace(result: SimulationResult, path: str) -> None:
    from analysis.timeline import write_trace

    trace = result.trace
    assert trace is not None  # asked for with trace=True
    metadata = {
        "matrix": result.matrix.name,
        "accelerator": result.accelerator,
        "model": result.model,
        "cycles": result.cycles,
        "version": result.version,
    }
    clock_hz = float(result.config["clock_hz"])
    write_trace(path, slices=trace.slices, counters=trace.counters, clock_hz=clock_hz, metadata=metadata)


def _print_summary(result: SimulationResult) -> None:
    from analysis.table import render_summary

    click.echo(render_summary(result.to_dict()), nl=False)
