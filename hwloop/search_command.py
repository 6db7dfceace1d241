"""`hwloop search`: the best networks of a space under a device's latency, energy, memory or MACs.

Thin: families, spaces and searches are in `models`, devices in `sim.mobile_cost`, tables and the figure in `analysis`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwloop.json_output import deliver, json_option

if TYPE_CHECKING:
    from models.search.constraint import Target
    from models.search.study import Bound, Study
    from sim.mobile_cost.profile import DeviceProfile

KEPT = "interrupted; what was done is kept in {!r}, the same command with --resume goes on"
LOST = "interrupted; nothing was kept, with --out DIR it would be"


@click.command()
@click.argument("family", metavar="FAMILY")
@click.option("--space", "space", metavar="NAME", help="Space to search: mini, mbv3-w1.0, mbv3-w1.2, proxyless-w1.3.")
@click.option("--device", "devices", metavar="D,…", help="Devices of 'hwloop devices', or profile files.")
@click.option("--oracle", metavar="sparch", help="Instead of a device: SpArch, on pruned linear layers.")
@click.option("--weight-density", type=float, default=0.1, show_default=True, help="With --oracle: weights left.")
@click.option("--fidelity", default="surrogate", show_default=True, help="With --oracle: event or surrogate.")
@click.option("--max-latency-ms", metavar="X,…", help="Budgets, a row each; 25% is a quarter of the reachable range.")
@click.option("--max-energy-mj", metavar="X", help="Most energy, on devices that give one.")
@click.option("--max-memory-kib", metavar="X", help="Most memory: activations at their peak and weights.")
@click.option("--max-macs", metavar="X", help="Most multiply-accumulates, such as 300e6.")
@click.option("--max-params", metavar="X", help="Most parameters.")
@click.option("--quantile", is_flag=True, help="Bounds hold for the upper end of the 90 % interval.")
@click.option("--jointly", is_flag=True, help="One network that keeps the bounds on all devices, not one for each.")
@click.option("--predictor", metavar="F", help="Accuracy predictor (safetensors); 'mini' brings its own.")
@click.option("--resolutions", metavar="R,…", help="Resolutions to search (default: those of the predictor).")
@click.option("--method", metavar="M", default="evolution", help="evolution, random, exhaustive or pareto.")
@click.option("--population", type=click.IntRange(min=4), default=100, show_default=True)
@click.option("--generations", type=click.IntRange(min=0), default=500, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--out", metavar="DIR", help="Folder for search.json, search.svg, networks and the checkpoint.")
@click.option("--resume", is_flag=True, help="Go on with the unfinished search in --out.")
@click.option(
    "--deliver", is_flag=True, help="Make a network of each winner in --out: weights, ONNX, measured accuracy."
)
@click.option("--supernet", metavar="F", help="Weights for --deliver, --compare (safetensors); 'mini' brings its own.")
@click.option("--data", metavar="NAME|DIR", help="Images for both (default: Fashion-MNIST if here, else a subset).")
@click.option("--finalists", type=click.IntRange(1, 200), default=1, help="Deliver the best of N on held-out images.")
@click.option("--finetune-epochs", type=click.FloatRange(0, 1000), default=0.0, help="Train each winner further.")
@click.option(
    "--compare", is_flag=True, help="ofa: winners against uniform and random networks; gan: against winners under MACs."
)
@click.option("--published", is_flag=True, help="Instead of a search: what published networks cost on the devices.")
@json_option
def search(family: str, devices: str | None, out: str | None, json_path: str | None, **options: Any) -> None:
    """Search FAMILY (ofa, lite-transformer) for the most accurate network under each budget on each device.

    Try: hwloop search ofa --device note10 --max-latency-ms 25%,50%,75% --deliver --out nets
    """
    from hwloop.delivery import add_networks, compare_winners, open_delivery
    from hwloop.sweep_command import write_record
    from models.search.family import family as find
    from sim.errors import ConfigError
    from sim.files import require_writable

    found = find(family)
    if json_path not in (None, "-"):
        require_writable(str(json_path))
    targets = _sparch_of(found, devices, options) if options["oracle"] else targets_of(devices)
    if options["published"]:
        record = found.published(targets)
        deliver(record, json_path, lambda: _show_published(record))
        return
    if options["resume"] and out is None:
        raise ConfigError("--resume needs the folder of the search; nearest: --out DIR")
    delivery = open_delivery(found, options, out)
    if options["compare"]:
        record = compare_winners(found, _study(found, targets, options), options, out)
        deliver(record, json_path, lambda: _show_comparison(record))
        return
    record = {"family": family, **_run(_study(found, targets, options), out, options["resume"])}
    if out is not None:
        _write(Path(out), record)
        if delivery is not None:
            epochs, finalists = options["finetune_epochs"], options["finalists"]
            add_networks(delivery, record, targets, out, epochs=epochs, finalists=finalists)
            write_record(Path(out), "search.json", record)
            if "teacher" in record:
                _write_page(Path(out), record)
    deliver(record, json_path, lambda: _show(record))


def _sparch_of(family: Any, devices: str | None, options: dict[str, Any]) -> tuple[Target, ...]:
    """SpArch as the device of a search, where the family says how it runs there. Raises ConfigError."""
    from sim.errors import ConfigError

    if options["oracle"] != "sparch" or devices is not None:
        wrong = f"--device {devices}" if devices is not None else options["oracle"]
        raise ConfigError(f"--oracle takes sparch and no device, got {wrong}; nearest: --oracle sparch")
    make = getattr(family, "on_sparch", None)
    if make is None:
        raise ConfigError(f"{family.name!r} is not searched on SpArch; nearest: hwloop search lite-transformer")
    return (make(options["weight_density"], options["fidelity"]),)


def targets_of(devices: str | None) -> tuple[Target, ...]:
    """The oracles of devices that are named with commas between them. Raises ConfigError."""
    from hwloop.predict_command import device_profile

    named: list[str | None] = [*_parts(devices)]
    return tuple(target_of(device_profile(name, None)) for name in named or [None])


def target_of(profile: DeviceProfile) -> Target:
    """The oracle of a profile, asked as it was calibrated."""
    from hwloop.predict_command import context_of
    from models.search.constraint import Target
    from sim.mobile_cost.oracle import DeviceOracle

    return Target(DeviceOracle(profile), tuple(profile.fusion), context_of(profile, None, None, None))


def _study(family: Any, targets: tuple[Target, ...], options: dict[str, Any]) -> Study[Any]:
    from models.search.method import Settings
    from models.search.study import Study

    name = options["space"] or family.default_space
    objective = family.objective(name, options["predictor"])
    sides = [int(_number("--resolutions", part)) for part in _parts(options["resolutions"])]
    bounds = [
        _bound(quantity, f"--max-{key}", options[f"max_{key.replace('-', '_')}"], scale)
        for key, quantity, scale in (
            ("energy-mj", "energy", 1e-3),
            ("memory-kib", "memory", 1024.0),
            ("macs", "macs", 1.0),
            ("params", "params", 1.0),
        )
        if options[f"max_{key.replace('-', '_')}"] is not None
    ]
    budgets = [
        _bound("latency", "--max-latency-ms", part, 1e-3) for part in dict.fromkeys(_parts(options["max_latency_ms"]))
    ]
    return Study(
        family.space(name, sides, objective),
        objective,
        targets,
        tuple(budgets),
        tuple(bounds),
        options["quantile"],
        options["jointly"],
        options["method"],
        Settings(options["population"], options["generations"]),
        options["seed"],
    )


def _bound(quantity: str, option: str, text: str, scale: float) -> Bound:
    """``15`` in the unit of the option, or ``25%``. Raises ConfigError."""
    from models.search.study import Bound
    from sim.errors import ConfigError

    share = text.endswith("%")
    value = _number(option, text.removesuffix("%"))
    if value <= 0 or (share and value > 100):
        raise ConfigError(f"{option} {text} is out of range; nearest: {'50%' if share else '20'}")
    return Bound(quantity, value / 100 if share else value * scale, share)


def _number(option: str, text: str) -> float:
    import math

    from sim.errors import ConfigError

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{option}: {text!r} is no number; nearest: {option} 20")
    return value


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _run(study: Study[Any], out: str | None, resume: bool) -> dict[str, Any]:
    from hwloop.progress import Progress
    from hwloop.sweep_command import out_folder
    from models.search.study import run

    folder = out_folder(out) if out is not None else None
    with Progress() as progress:
        try:
            record: dict[str, Any] = run(study, out=folder, resume=resume, progress=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(KEPT.format(out) if out is not None else LOST) from None
    return record


def _write(folder: Path, record: dict[str, Any]) -> None:
    from analysis.figures.search import write_figure
    from hwloop.sweep_command import write_record

    write_record(folder, "search.json", record)
    write_figure(record, folder / "search.svg")
    click.echo(f"wrote {folder / 'search.svg'}", err=True)


def _write_page(folder: Path, record: dict[str, Any]) -> None:
    from analysis.image_page import write_image_page

    write_image_page(record, folder / "index.html")
    click.echo(f"wrote {folder / 'index.html'}", err=True)


def _show(record: dict[str, Any]) -> None:
    from analysis.search_table import render_search

    click.echo(render_search(record), nl=False)


def _show_published(record: dict[str, Any]) -> None:
    from analysis.search_table import render_published

    click.echo(render_published(record), nl=False)


def _show_comparison(record: dict[str, Any]) -> None:
    if record["schema"].startswith("hwloop.gan"):
        from analysis.gan_tables import comparison_table, misleading_table

        click.echo(f"{comparison_table(record)}\n\n{misleading_table(record)}")
        return
    from analysis.ofa_tables import comparison_table as of_ofa

    click.echo(of_ofa(record))
