"""`hwloop validate`: fit the device model on one part of the measurements and score it on what it has not seen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hwloop.json_output import deliver, json_option


@click.command()
@click.option("--train", "train_dir", metavar="DIR", required=True, help="Folder of measurements to fit on.")
@click.option("--test", "test_dir", metavar="DIR", help="Folder to score on (default: a held-out part of --train).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the split.")
@click.option("--only", metavar="SET", multiple=True, help="Only sets whose file names start so; repeatable.")
@click.option("--device", "devices", metavar="D", multiple=True, help="Only devices whose names start so; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Also sets that the accuracy table does not ask for.")
@json_option
def validate(
    train_dir: str,
    test_dir: str | None,
    seed: int,
    only: tuple[str, ...],
    devices: tuple[str, ...],
    everything: bool,
    json_path: str | None,
) -> None:
    """Error, rank correlation and interval coverage of the device model on networks that it was not fitted on.

    The test folder has the layout of the training folder; its file names may end in _heldout.

    Try: hwloop validate --train shared/latency --only note10
    """
    if json_path not in (None, "-"):
        from sim.files import require_writable

        require_writable(str(json_path))
    record = validate_folders(train_dir, test_dir, seed, only, devices, everything)
    deliver(record, json_path, lambda: _show(record))


def validate_folders(
    train_dir: str,
    test_dir: str | None = None,
    seed: int = 0,
    only: tuple[str, ...] = (),
    devices: tuple[str, ...] = (),
    everything: bool = False,
) -> dict[str, Any]:
    """The rows of `sim.mobile_cost.validate`, what of the accuracy table each meets, and how intervals cover.

    Raises InputError.
    """
    from hwloop.progress import Progress
    from sim.errors import InputError
    from sim.mobile_cost.coverage import summary
    from sim.mobile_cost.validate import validate as score

    for folder in (train_dir, test_dir):
        if folder is not None:
            _require_sets(Path(folder), only)
    done = 0
    with Progress() as bar:

        def step(_: str) -> None:
            nonlocal done
            done += 1
            bar("fitting sets", done, 0)

        if sys.stderr.isatty():
            bar("fitting sets", 0, 0)
        rows = score(train_dir, test_dir, seed, only=only, devices=devices, everything=everything, progress=step)
    if not rows:
        raise InputError(f"nothing to score in {train_dir!r} with these options; nearest: --all takes every set")
    return {
        "schema": "hwloop.validation/1",
        "train": train_dir,
        "test": test_dir,
        "seed": seed,
        "rows": [{**row, "meets": _meets(row)} for row in rows],
        "intervals": summary(rows),
    }


def _require_sets(folder: Path, only: tuple[str, ...]) -> None:
    from sim.errors import InputError, nearest
    from sim.mobile_cost.converters.folder import files

    stems = files(folder)
    for prefix in only:
        if not any(stem.startswith(prefix) for stem in stems):
            known = [*stems, *(stem.partition("_")[0] for stem in stems)]
            raise InputError(f"no set {prefix!r} in {str(folder)!r}{nearest(prefix, known)}")


def _meets(row: dict[str, Any]) -> str | None:
    """``aim``, ``required`` or ``missed``; None where the accuracy table does not ask for this row."""
    from sim.mobile_cost.checks import REQUIRED_AND_AIM

    if row["check"] not in REQUIRED_AND_AIM:
        return None
    required, aim = REQUIRED_AND_AIM[row["check"]]
    return "missed" if not required.holds(row) else "aim" if aim.holds(row) else "required"


def _show(record: dict[str, Any]) -> None:
    from analysis.oracle_table import render_validation

    click.echo(render_validation(record), nl=False)
