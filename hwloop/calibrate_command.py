"""`hwloop calibrate`: a device profile from a table of measurements (the layout of `sim.mobile_cost.canonical`).

With ``--adapt`` from about ten networks and profiles of known devices (`sim.mobile_cost.adaptation`), which
``--choose`` names before anything is measured.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwloop.json_output import deliver, json_option

if TYPE_CHECKING:
    from sim.mobile_cost.profile import DeviceProfile
    from sim.network import Network
    from sim.workload import WorkloadBatch


@click.command()
@click.argument("table", required=False)
@click.option("--out", "out", metavar="D.toml", help="Where the profile goes, .toml or .json; of --choose a .csv.")
@click.option("--name", metavar="NAME", help="What the device is called (default: the name of the profile's file).")
@click.option("--adapt", "known", metavar="DEVICE", multiple=True, help="Adapt this known device; repeatable.")
@click.option("--choose", "count", type=click.IntRange(min=1), metavar="N", help="Say which N networks to measure.")
@click.option("--from", "pool", metavar="F.jsonl", help="The networks to choose from, and that TABLE may name.")
@click.option("--exact", is_flag=True, help="Keep operators of TABLE as a look-up table; the model answers the rest.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Date in the profile (default: today).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the cross-validation.")
@json_option
def calibrate(
    table: str | None,
    out: str | None,
    name: str | None,
    known: tuple[str, ...],
    count: int | None,
    pool: str | None,
    exact: bool,
    date: datetime.datetime | None,
    seed: int,
    json_path: str | None,
) -> None:
    """Fit a device profile to the measurements in TABLE, a CSV of operators, networks, or both.

    Columns: network, count, kind, shape, out_channels, kernel, stride, padding, groups …, and one of latency_s,
    latency_ms, latency_us; if measured, one of energy_j, energy_mj, energy_uj. A network is a name of 'hwloop count
    --list' or rows of its operators.

    Few measurements: --adapt a known device (two or more: a point between them), and let --choose say beforehand
    which networks tell most.

    Try: hwloop calibrate mine.csv --out mine.toml; hwloop predict zoo/mobilenet_v2 --device-file mine.toml

    A table of operators, looked up: networks of measured operators cost their sum, others in part what the model says:
    hwloop calibrate operators.csv --exact --out mine.toml

    \b
    New device in ten measurements:
      hwloop calibrate --choose 10 --adapt note10 --out mine.csv    (measure, fill in latency_ms)
      hwloop calibrate mine.csv --adapt note10 --out mine.toml
    """
    _check(table, out, known, count, pool)
    if exact and (known or count is not None):
        raise click.UsageError("--exact keeps operators of TABLE, not of a known device; nearest: without --adapt")
    from sim.files import require_writable

    for path in (out, json_path):
        if path not in (None, "-"):
            require_writable(str(path))
    if count is not None:
        record = choose_networks(known, count, pool, out)
        deliver(record, json_path, lambda: _show_chosen(record))
        return
    day = date.date().isoformat() if date else None
    record = calibrate_table(str(table), str(out), name or Path(str(out)).stem, seed, known, pool, day, exact)
    deliver(record, json_path, lambda: _show(record))


def _check(table: str | None, out: str | None, known: tuple[str, ...], count: int | None, pool: str | None) -> None:
    from sim.errors import InputError

    suffixes = (".toml", ".json") if count is None else (".csv",)
    if (table is None) == (count is None):
        raise click.UsageError("either TABLE or --choose N is needed; nearest: hwloop calibrate TABLE --out D.toml")
    if count is None and out is None:
        raise click.UsageError("--out is missing; nearest: --out mine.toml")
    if out is not None and Path(out).suffix not in suffixes:
        kind = "profile is a .toml or .json file" if count is None else "table is a .csv file"
        raise InputError(f"a {kind}, got {out!r}; nearest: {Path(out).stem}{suffixes[0]}")
    for option, given in (("--choose", count), ("--from", pool)):
        if given is not None and not known:
            raise click.UsageError(f"{option} goes with --adapt; nearest: --adapt note10")


def calibrate_table(
    table: str,
    out: str,
    name: str,
    seed: int = 0,
    known: tuple[str, ...] = (),
    pool: str | None = None,
    date: str | None = None,
    exact: bool = False,
) -> dict[str, Any]:
    """Fit, write the profile to `out`, and say what it is as plain values. date: today where None.

    known: devices to adapt instead of fitting. exact: keep measured operators as a look-up table. Same table, seed and
    date: the same bytes. Raises InputError, ConfigError.
    """
    from hwloop.devices_command import describe
    from sim.mobile_cost.adaptation import adapted_profile
    from sim.mobile_cost.calibrate import calibrate as fit
    from sim.mobile_cost.canonical import read
    from sim.mobile_cost.exact import exact_table
    from sim.mobile_cost.profiles import profile_of, today

    devices = _devices(known)
    measured = read(table, name, resolve=_resolve, pool=_pool(pool, devices) if pool else None)
    kept = dict(exact_table(measured).seconds) if exact else {}
    about, day = f"from {Path(table).name}", today() if date is None else date
    if devices:
        profile = adapted_profile(name, devices, measured, description=about, date=day)
    else:
        profile = profile_of(name, fit([measured], seed), [measured], description=about, date=day)
    profile = profile.model_copy(update={"exact": kept})
    profile.save(out)
    return {
        "schema": "hwloop.calibration/1",
        "out": out,
        "seed": seed,
        "adapted_from": list(known),
        "device": describe(profile),
    }


def choose_networks(
    known: tuple[str, ...], count: int, pool: str | None = None, out: str | None = None
) -> dict[str, Any]:
    """The `count` networks whose times tell most of a device like the `known` ones, most telling first.

    pool: a file of JSON lines with named networks (default: the networks of zoo/). out: a table to fill in. Raises
    InputError, ConfigError.
    """
    from sim.files import write_text
    from sim.mobile_cost.adaptation import choose

    devices = _devices(known)
    batch = _pool(pool, devices)
    names = [batch.names[int(row)] for row in choose(devices, batch, count)]
    if out is not None:
        write_text(out, _table(names))
    return {"schema": "hwloop.choice/1", "adapted_from": list(known), "pool": len(batch), "networks": names, "out": out}


def _table(names: list[str]) -> str:
    return "".join(f"{line},\n" if place else f"{line}\n" for place, line in enumerate(["network,latency_ms", *names]))


def _devices(known: tuple[str, ...]) -> list[DeviceProfile]:
    from sim.mobile_cost.devices import load_device

    return [load_device(one) for one in known]


def _pool(path: str | None, devices: list[DeviceProfile]) -> WorkloadBatch:
    """Networks to choose from, lowered as the known devices run them, in the default context."""
    from sim.errors import InputError

    if path is None:
        from models.zoo.registry import lower_batch, names

        return lower_batch([one for one in names() if one.startswith("zoo/")], fusion=devices[0].fusion)
    from models.zoo.batch_file import read_batch

    batch = read_batch(path, fusion=devices[0].fusion)
    seen: set[str] = set()
    for one in batch.names:
        if one in seen:
            raise InputError(f'{path!r} has two networks called {one!r}; give each line a "name" of its own')
        seen.add(one)
    return batch


def _resolve(name: str) -> Network:
    """A network by its name, as a profile says that networks are to be lowered."""
    from models.zoo.registry import lower
    from sim.fusion import INFERENCE, fuse

    return fuse(lower(name), INFERENCE)


def _show(record: dict[str, Any]) -> None:
    from analysis.oracle_table import render_devices

    click.echo(render_devices({"devices": [record["device"]]}), nl=False)
    click.echo(f"wrote {record['out']}", err=True)


def _show_chosen(record: dict[str, Any]) -> None:
    if record["out"] is None:
        click.echo(_table(record["networks"]), nl=False)
        return
    click.echo(f"{len(record['networks'])} of {record['pool']} networks, the most telling first:")
    for name in record["networks"]:
        click.echo(f"  {name}")
    click.echo(f"wrote {record['out']}; measure them, fill in the column latency_ms", err=True)
