"""`hwloop compress`: prune and quantise a trained text model, with the index and the codebooks counted.

Thin: the work is in `models.compress` and `models.lite_transformer.compressing`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from hwloop.json_output import deliver, json_option


@click.command()
@click.argument("model", required=False, metavar="DIR")
@click.option("--out", metavar="DIR", help="Where the compressed model goes.")
@click.option("--keep", type=float, default=1.0, show_default=True, help="Share of the weights that stays.")
@click.option("--granularity", default="weight", show_default=True, metavar="KIND", help="weight, row or block.")
@click.option("--method", default="kmeans", show_default=True, metavar="NAME", help="kmeans or linear.")
@click.option("--bits", type=float, default=8.0, show_default=True, help="8 or 4; between: mixed by sensitivity.")
@click.option(
    "--fine-tune",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Updates after pruning, and of the levels after k-means.",
)
@click.option("--no-score", is_flag=True, help="Do not decode the test split before and after.")
@click.option("--paper-sizes", is_flag=True, help="The published sizes of Lite Transformer, computed; no model needed.")
@click.option("--sparch", is_flag=True, help="Then simulate every linear layer on SpArch, against dense devices.")
@click.option(
    "--device",
    "devices",
    metavar="D,…",
    default="raspberry-pi-4-torch,xeon-hat",
    show_default=True,
    help="With --sparch: where the dense layers run.",
)
@click.option(
    "--densities",
    metavar="D,…",
    default="1,0.5,0.3,0.2,0.1,0.05,0.02,0.01",
    show_default=True,
    help="With --sparch: weight densities of the sweep, down from 1.",
)
@click.option("--sentences", type=click.IntRange(1), default=2, show_default=True, help="With --sparch: simulated.")
@click.option("--fidelity", default="event", show_default=True, metavar="NAME", help="With --sparch: event, surrogate.")
@json_option
def compress(
    model: str | None,
    out: str | None,
    keep: float,
    granularity: str,
    method: str,
    bits: float,
    fine_tune: int,
    no_score: bool,
    paper_sizes: bool,
    sparch: bool,
    json_path: str | None,
    **options: Any,
) -> None:
    """Compress the trained model of DIR; with --sparch also write sparch.json and sparch.md to --out.

    Try: hwloop compress --paper-sizes
    """
    from sim.errors import InputError

    if find_spec("torch") is None:
        raise InputError("compressing needs torch; nearest: pip install 'hwloop[nas]'")
    if paper_sizes:
        from models.lite_transformer.compressing import paper_sizes as chain

        rows = chain()
        deliver({"schema": "hwloop.paper-sizes/1", "rows": rows}, json_path, lambda: _show_chain(rows))
        return
    if model is None or out is None:
        raise click.UsageError("a trained model's DIR and --out are needed; nearest: hwloop compress DIR --out DIR2")
    from hwloop.progress import Progress
    from models.compress.pipeline import Settings
    from models.lite_transformer.compressing import compress_run
    from sim.settings import validate_config

    given = {"keep": keep, "granularity": granularity, "method": method, "mean_bits": bits}
    settings = validate_config(Settings, given)
    simulated = _on_sparch(options) if sparch else None  # bad options are refused before the work begins
    with Progress() as progress:
        record = compress_run(model, out, settings, fine_tune_steps=fine_tune, score=not no_score, progress=progress)
        if simulated is not None:
            record["sparch"] = simulated(model, out, progress)
    deliver(record, json_path, lambda: _show(record))


def _on_sparch(options: dict[str, Any]) -> Callable[[str, str, Any], dict[str, Any]]:
    """What simulates a compressed model and writes both files. Raises ConfigError."""
    from analysis.on_sparch_table import on_sparch_table
    from hwloop.predict_command import context_of, device_profile
    from hwloop.search_command import _number, _parts
    from hwloop.sweep_command import write_record
    from models.lite_transformer.on_sparch import on_sparch
    from sim.errors import ConfigError
    from sim.files import write_text
    from sim.mobile_cost.oracle import DeviceOracle
    from sim.sparch_oracle.pricing import named_fidelity

    profiles = [device_profile(name, None) for name in _parts(options["devices"])]
    devices = [(DeviceOracle(one), context_of(one, None, None, None)) for one in profiles]
    densities = [_number("--densities", part) for part in _parts(options["densities"])]
    fidelity = named_fidelity(options["fidelity"])
    if any(not 0 < one <= 1 for one in densities):
        raise ConfigError(f"--densities {options['densities']}: each is above 0 and at most 1; nearest: 1,0.1")

    def simulate(model: str, out: str, progress: Any) -> dict[str, Any]:
        record = on_sparch(
            model,
            out,
            devices=devices,
            sentences=options["sentences"],
            densities=densities,
            fidelity=fidelity,
            progress=progress,
        )
        write_record(Path(out), "sparch.json", record)
        write_text(Path(out) / "sparch.md", on_sparch_table(record))
        return record

    return simulate


def _show(record: dict[str, Any]) -> None:
    for where, title in (("whole", "whole model"), ("without_embeddings", "without embeddings")):
        one = record["sizes"][where]
        parts = ", ".join(f"{part.removesuffix('_bytes')} {one[part]:,}" for part in one if part.endswith("_bytes"))
        click.echo(f"{title:<20} {one['bytes']:,} bytes, {one['ratio']}x smaller ({parts})")
    for when, scores in record["test"].items():
        if scores:
            click.echo(f"{when:<20} " + ", ".join(f"{key} {value}" for key, value in scores.items()))
    if "sparch" in record:
        from analysis.on_sparch_table import on_sparch_table

        click.echo("\n" + on_sparch_table(record["sparch"]))


def _show_chain(rows: list[dict[str, Any]]) -> None:
    click.echo("Sizes only, in MB without embeddings: random weights, no quality behind them.")
    click.echo(f"{'':<16}{'published':>10}{'weights alone':>15}{'as stored':>11}")
    for row in rows:
        figures = f"{row['published_mb']:>10}{row['weights_alone_mb']:>15}{row['stored_mb']:>11}"
        click.echo(f"{row['row']:<16}{figures}")
