"""`hwloop train`: train a family's supernet, to be searched afterwards."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from hwloop.json_output import deliver, json_option

FAMILIES = {
    "ofa": "models.ofa.train_runs:train",
    "ofa-predictor": "models.ofa.ship:train",
    "gan": "models.gan.train:train",
    "lite-transformer": "models.lite_transformer.train_runs:train",
}
"""Family: the function that trains it, with the arguments of this command."""


@click.command()
@click.argument("family")
@click.option("--config", "config", metavar="NAME|F.toml", required=True, help="A shipped configuration, or a file.")
@click.option("--out", "out", metavar="DIR", required=True, help="Folder of checkpoint, weights and record.")
@click.option("--data", metavar="NAME|DIR", help="Data set instead of the configuration's: a name, or a folder.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Change a setting; repeatable.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on with the run in --out from its last checkpoint.")
@click.option("--study", is_flag=True, help="The whole recorded study: the supernet and all that it is compared with.")
@json_option
def train(
    family: str,
    config: str,
    out: str,
    data: str | None,
    settings: tuple[str, ...],
    seed: int,
    resume: bool,
    study: bool,
    json_path: str | None,
) -> None:
    """Train a network or supernet of FAMILY: ofa, gan or lite-transformer. A run that was killed goes on with --resume
    and ends with the same weights.

    FAMILY ofa-predictor: the accuracy predictor of a trained supernet, whose folder is --config.

    Several devices: torchrun --nproc_per_node N -m hwloop.cli train …

    Try: hwloop train ofa --config test --out run; hwloop train ofa --config mini --study --out study
    """
    from hwloop.progress import Progress
    from sim.errors import InputError, nearest
    from sim.files import require_writable

    if family not in FAMILIES:
        raise InputError(f"no family {family!r} to train; one of {', '.join(FAMILIES)}{nearest(family, FAMILIES)}")
    for module, package in (("torch", "torch"), ("safetensors", "safetensors"), ("PIL", "Pillow")):
        if find_spec(module) is None:
            raise InputError(f"training needs {package}: pip install 'hwloop[nas]'")
    if json_path not in (None, "-"):
        require_writable(str(json_path))
    place, _, name = FAMILIES[family].partition(":")
    run: Callable[..., dict[str, Any]] = getattr(importlib.import_module(place), name)
    leads = os.environ.get("RANK", "0") == "0"
    try:
        with Progress() as progress:
            record = run(
                config,
                Path(out),
                data=data,
                seed=seed,
                settings=settings,
                resume=resume,
                study=study,
                progress=progress if leads else None,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; go on with the same command and --resume") from None
    if leads:
        deliver(record, json_path, lambda: _show(record, out))


def _show(record: dict[str, Any], out: str) -> None:
    for row in record.get("table", ()):
        scores = ", ".join(f"{kind} {100 * row[kind]:.2f} %" for kind in record["mean_test_accuracy"])
        click.echo(f"{row['name']:>9}  {row['macs'] / 1e6:5.2f} M MACs  {scores}")
    if "mean_test_accuracy" in record:
        means = ", ".join(f"{kind} {100 * value:.2f} %" for kind, value in record["mean_test_accuracy"].items())
        click.echo(f"     mean  {means}  (accuracy on {record['test_images']:,} test images)")
    elif "unseen" in record:
        found = record["unseen"]
        ratio, tau = found["ratio"], found.get("kendall_tau", float("nan"))
        click.echo(
            f"learned from {record['known']:,} networks; on {found['n']:.0f} unseen ones: RMSE "
            f"{100 * found['rmse']:.2f} points, {ratio:.3f} of their standard deviation, Kendall tau {tau:.3f}"
        )
        both = record["ends"]
        click.echo(
            f"largest network {100 * both['largest']:.2f} %, smallest {100 * both['smallest']:.2f} % of "
            f"{both['test_images']:,} test images of {both['data']}"
        )
        click.echo("".join(f"{name}  {size / 1e6:.2f} MB\n" for name, size in record["files"].items()), nl=False)
    elif record.get("history") and "loss" in record["history"][-1]:
        last = record["history"][-1]
        scores = ", ".join(f"{name} {100 * value:.2f} %" for name, value in last.get("accuracy", {}).items())
        click.echo(f"loss {last['loss']:.4f}" + (f"; held-out accuracy: {scores}" if scores else ""))
    click.echo(f"wrote {out}", err=True)
