"""`hwloop demo`: two generated inputs of real size, simulated, explained in a table each, and verified.

Needs nothing but the installation: no file and no network. `make demo` runs it.
"""

from __future__ import annotations

import sys

import click

from hwloop.json_output import deliver, json_option

INPUTS = ("poisson3d:n=40", "rmat:n=20000,edges=8,seed=1")
SMALL_INPUTS = ("poisson3d:n=12", "rmat:n=1000,edges=8,seed=1")


@click.command()
@click.option("--small", is_flag=True, help="Inputs of toy size, for a quick check of an installation.")
@json_option
def demo(small: bool, json_path: str | None) -> None:
    """Simulate a mesh and a power-law graph on SpArch, print a table of each, and verify both products."""
    from rich.console import Console

    import hwloop
    from analysis.plain_text import WIDTH
    from analysis.table import summary, verified_text
    from hwloop.progress import Progress

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    records = []
    for spec in SMALL_INPUTS if small else INPUTS:
        with Progress() as progress:
            records.append(hwloop.simulate(spec, progress=progress).to_dict())
        if json_path != "-":
            console.print(summary(records[-1]), "", sep="\n")
    result = {"schema": "hwloop.demo/1", "results": records}
    verdicts = [f"{record['matrix']['name']}: {verified_text(record)}" for record in records]
    deliver(result, json_path, lambda: click.echo("\n".join(verdicts)))
