"""`hwloop demo`: two generated inputs of real size, simulated, explained in a table each, and verified.

Needs nothing but the installation: no file and no network. `make demo` runs it. The demos ``ofa``, ``gan`` and
``lite-transformer`` search networks for the machine that they run on; they need the extras, and supernets that ship.
"""

from __future__ import annotations

import sys

import click

from hwloop.json_output import deliver, json_option

DEMOS = ("sparch", "ofa", "gan", "lite-transformer")
INPUTS = ("poisson3d:n=40", "rmat:n=20000,edges=8,seed=1")
SMALL_INPUTS = ("poisson3d:n=12", "rmat:n=1000,edges=8,seed=1")


@click.command()
@click.argument("what", default="sparch", metavar="[WHAT]")
@click.option("--small", is_flag=True, help="Inputs of toy size, for a quick check of an installation.")
@click.option(
    "--profile", "profile_file", metavar="F.toml", help="Not sparch: profile of this machine (made where missing)."
)
@click.option("--out", metavar="DIR", help="Not sparch: folder of the network (default: in the cache).")
@json_option
def demo(what: str, small: bool, profile_file: str | None, out: str | None, json_path: str | None) -> None:
    """Simulate a mesh and a power-law graph on SpArch, print a table of each, and verify both products.

    WHAT ofa: measure this machine, search the network for it, and measure that network: predicted beside measured.

    WHAT gan: the same with generators of images, and a page that shows what they make beside the teacher.

    WHAT lite-transformer: translate three sentences, search, compress, and simulate the pruned layers on SpArch.
    """
    from sim.errors import ConfigError, nearest

    if what not in DEMOS:
        raise ConfigError(f"no demo {what!r}; one of {', '.join(DEMOS)}{nearest(what, DEMOS)}")
    if what == "ofa":
        from hwloop.ofa_demo import show, tailored_network

        record = tailored_network(profile_file, out, small=small)
        deliver(record, json_path, lambda: show(record))
        return
    if what == "gan":
        from hwloop import gan_demo

        found = gan_demo.compressed_generator(profile_file, out, small=small)
        deliver(found, json_path, lambda: gan_demo.show(found))
        return
    if what == "lite-transformer":
        from hwloop import lite_transformer_demo

        whole = lite_transformer_demo.text_on_hardware(profile_file, out, small=small)
        deliver(whole, json_path, lambda: lite_transformer_demo.show(whole))
        return
    if profile_file is not None or out is not None:
        raise ConfigError("--profile and --out say nothing to the demo sparch; nearest: hwloop demo ofa")
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
