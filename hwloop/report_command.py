"""`hwloop report`: the records in a folder as one page. Thin: `analysis.report` makes it."""

from __future__ import annotations

import click


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--out", metavar="FILE", help="The page to write (default: DIR/report.html).")
def report(folder: str, out: str | None) -> None:
    """Make one page of figures and tables from the records in DIR.

    DIR holds what 'hwloop bench', 'hwloop ablate --json' and 'hwloop sweep' wrote. The page is a single file that needs
    no network.
    """
    from analysis.report import write_report

    click.echo(f"wrote {write_report(folder, out)}", err=True)
