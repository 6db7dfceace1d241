"""`hwloop profile`: measure this machine, fit a device profile, and show how well it predicts real networks.

Thin: experiments and networks come from `models.zoo`, measuring and fitting from `sim.mobile_cost`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwloop.json_output import deliver, json_option

if TYPE_CHECKING:
    from sim.mobile_cost.host_profile import Check, Setup
    from sim.network import Network

NETWORKS = (
    "zoo/mobilenet_v2",
    "zoo/mobilenet_v3_large",
    "zoo/mobilenet_v3_small",
    "zoo/resnet18",
    "zoo/resnet50",
    "zoo/efficientnet_b0",
    "zoo/squeezenet1_1",
    "transformer/d512-encoder",
    "gan/mobile_resnet",
)
"""Real networks that the fitted profile is held against; none of them is an experiment."""


@click.command()
@click.option("--out", "out", metavar="D.toml", required=True, help="Where the profile goes; .toml or .json.")
@click.option("--name", metavar="NAME", help="What the device is called (default: the name of the profile's file).")
@click.option("--threads", type=int, metavar="N", help="CPU threads (default: as many as torch takes).")
@click.option("--dtype", default="float32", show_default=True, metavar="TYPE", help="float32, bfloat16 or float16.")
@click.option("--target", default="cpu", show_default=True, metavar="T", help="cpu, or cuda.")
@click.option("--batch-size", type=int, default=1, show_default=True, metavar="N", help="Samples at once.")
@click.option("--budget-s", type=float, default=150.0, show_default=True, metavar="S", help="Time for the experiments.")
@click.option("--networks", metavar="N1,N2…", help="Networks to check with (default: nine well-known ones).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the experiments.")
@json_option
def profile(
    out: str,
    name: str | None,
    threads: int | None,
    dtype: str,
    target: str,
    batch_size: int,
    budget_s: float,
    networks: str | None,
    seed: int,
    json_path: str | None,
) -> None:
    """Make a device profile of the machine in front of you, and check it on real networks right away.

    Measures random small networks until the budget is spent, fits, then measures the networks and prints predicted
    against measured. A run that was killed goes on where it stopped when it is started again.

    Try: hwloop profile --out here.toml; hwloop predict zoo/mobilenet_v2 --device-file here.toml
    """
    from sim.errors import InputError
    from sim.files import require_writable

    if Path(out).suffix not in (".toml", ".json"):
        raise InputError(f"a profile is a .toml or .json file, got {out!r}; nearest: {Path(out).stem}.toml")
    for path in (out, json_path):
        if path not in (None, "-"):
            require_writable(str(path))
    wanted = [one.strip() for one in networks.split(",") if one.strip()] if networks is not None else list(NETWORKS)
    setup = setup_of(threads, dtype, target, batch_size, budget_s, seed)
    record = profile_machine(out, name or Path(out).stem, setup, wanted)
    deliver(record, json_path, lambda: _show(record))


def setup_of(threads: int | None, dtype: str, target: str, batch_size: int, budget_s: float, seed: int) -> Setup:
    """How this machine is to be measured. Raises ConfigError."""
    from sim.mobile_cost.host_profile import Setup, default_threads

    threads = default_threads() if threads is None else threads
    return Setup(machine_words(target), threads, dtype, target, batch_size, budget_s, seed)


def machine_words(target: str = "cpu") -> str:
    """This machine, as the description of its profile says it."""
    from benchmarks.suitesparse.libraries.machine import describe_machine

    here = describe_machine()
    machine = f"{here.cpu}, {here.cores} cores, {here.memory_bytes / 2**30:.0f} GiB, {here.os}"
    return f"{here.cuda_device}; {machine}" if target == "cuda" and here.cuda_device else machine


def profile_machine(out: str, name: str, setup: Setup, networks: list[str]) -> dict[str, Any]:
    """Measure, fit, write the profile to `out`, and check it; all as plain values. Raises InputError, ConfigError."""
    import time

    from hwloop.devices_command import describe
    from hwloop.progress import Progress
    from models.zoo.host_experiments import experiments
    from models.zoo.registry import lower
    from models.zoo.runnable import make_call
    from sim.cache import ResultCache
    from sim.mobile_cost.host_profile import check, fit_host, measure_experiments, with_checks

    begin = time.perf_counter()
    checked: dict[str, Network] = {one: lower(one) for one in networks}
    journal = Path(f"{out}.measurements")
    with Progress() as bar:
        tried, found = measure_experiments(
            lambda count: experiments(count, setup.seed), make_call, setup, journal=ResultCache(journal), progress=bar
        )
        fitted = fit_host(name, tried, found, setup)
        checks = check(fitted, checked, make_call, setup, progress=bar) if checked else []
    fitted = with_checks(fitted, checks) if checks else fitted
    fitted.save(out)
    shutil.rmtree(journal, ignore_errors=True)
    return {
        "schema": "hwloop.profile/1",
        "out": out,
        "seed": setup.seed,
        "machine": setup.machine,
        "device": describe(fitted),
        "experiments": {
            "networks": len(tried),
            "operators": sum(len(one) for one in tried),
            "hindered": sum(one.hindered for one in found),
        },
        "networks": [_row(one) for one in checks],
        "errors": _summary(checks),
        "wall_s": round(time.perf_counter() - begin, 1),
    }


def _row(one: Check) -> dict[str, Any]:
    return {
        "network": one.network,
        "macs": one.macs,
        "predicted_s": one.predicted_s,
        "predicted_low_s": one.low_s,
        "predicted_high_s": one.high_s,
        "measured_s": one.measured.latency_s,
        "runs": one.measured.runs,
        "spread": one.measured.spread,
        "hindered": one.measured.hindered,
        "error": one.error,
    }


def _summary(checks: list[Check]) -> dict[str, float] | None:
    from statistics import median

    errors = [abs(one.error) for one in checks]
    return {"median": median(errors), "largest": max(errors)} if errors else None


def _show(record: dict[str, Any]) -> None:
    from analysis.oracle_table import render_profile

    click.echo(render_profile(record), nl=False)
    click.echo(f"wrote {record['out']}", err=True)
