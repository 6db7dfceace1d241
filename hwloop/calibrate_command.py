"""`hwloop calibrate`: a device profile from a table of measurements (the layout of `sim.mobile_cost.canonical`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwloop.json_output import deliver, json_option

if TYPE_CHECKING:
    from sim.network import Network


@click.command()
@click.argument("table")
@click.option("--out", "out", metavar="D.toml", required=True, help="Where the profile goes; .toml or .json.")
@click.option("--name", metavar="NAME", help="What the device is called (default: the name of the profile's file).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the cross-validation.")
@json_option
def calibrate(table: str, out: str, name: str | None, seed: int, json_path: str | None) -> None:
    """Fit a device profile to the measurements in TABLE, a CSV of operators, networks, or both.

    Columns: network, count, kind, shape, out_channels, kernel, stride, padding, groups …, and one of latency_s,
    latency_ms, latency_us; if measured, one of energy_j, energy_mj, energy_uj. A network is a name of 'hwloop count
    --list' or rows of its operators.

    Try: hwloop calibrate mine.csv --out mine.toml; hwloop predict zoo/mobilenet_v2 --device-file mine.toml
    """
    from sim.errors import InputError
    from sim.files import require_writable

    if Path(out).suffix not in (".toml", ".json"):
        raise InputError(f"a profile is a .toml or .json file, got {out!r}; nearest: {Path(out).stem}.toml")
    for path in (out, json_path):
        if path not in (None, "-"):
            require_writable(str(path))
    record = calibrate_table(table, out, name or Path(out).stem, seed)
    deliver(record, json_path, lambda: _show(record))


def calibrate_table(table: str, out: str, name: str, seed: int = 0) -> dict[str, Any]:
    """Fit, write the profile to `out`, and say what it is as plain values. Raises InputError."""
    from hwloop.devices_command import describe
    from sim.mobile_cost.calibrate import calibrate as fit
    from sim.mobile_cost.canonical import read
    from sim.mobile_cost.profiles import profile_of, today

    measured = read(table, name, resolve=_resolve)
    profile = profile_of(name, fit([measured], seed), [measured], description=f"from {Path(table).name}", date=today())
    profile.save(out)
    return {"schema": "hwloop.calibration/1", "out": out, "seed": seed, "device": describe(profile)}


def _resolve(name: str) -> Network:
    """A network by its name, as a profile says that networks are to be lowered."""
    from models.zoo.registry import lower
    from sim.fusion import INFERENCE, fuse

    return fuse(lower(name), INFERENCE)


def _show(record: dict[str, Any]) -> None:
    from analysis.oracle_table import render_devices

    click.echo(render_devices({"devices": [record["device"]]}), nl=False)
    click.echo(f"wrote {record['out']}", err=True)
