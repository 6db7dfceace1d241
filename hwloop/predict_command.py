"""`hwloop predict`: latency, energy and memory of networks on a device, with 90 % intervals.

Thin: networks come from `models.zoo`, prices from `sim.mobile_cost`. The networks run as the device was calibrated
(batch size, element type, threads) unless told otherwise; an answer that leaves the calibration carries a flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from hwloop.json_output import deliver, json_option

if TYPE_CHECKING:
    from sim.mobile_cost.profile import DeviceProfile
    from sim.operator import Operator
    from sim.oracle import CostTable, OperatorCost
    from sim.workload import Context, WorkloadBatch


@click.command()
@click.argument("networks", metavar="NETWORK…", nargs=-1)
@click.option("--device", metavar="D", help="A device of 'hwloop devices'.")
@click.option("--device-file", metavar="F", help="A profile that 'hwloop calibrate' or 'hwloop profile' wrote.")
@click.option("--batch", "batch_file", metavar="F.jsonl", help="Networks from a file of JSON lines.")
@click.option("--breakdown", is_flag=True, help="Also the operators of each network, most expensive first.")
@click.option("--figure", metavar="F.svg", help="Also a roofline of the kernels, .svg or .png (with --breakdown).")
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Samples at once.")
@click.option("--dtype", metavar="TYPE", help="Element type: float32, float16, int8 …")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads.")
@click.option("--oracle", metavar="NAME", default="device", help="device (default) or sparch: sparse layers on SpArch.")
@click.option("--weight-density", type=click.FloatRange(0, 1), metavar="P", help="SpArch: share of weights left.")
@click.option("--activation-density", type=click.FloatRange(0, 1), metavar="P", help="SpArch: share of activations.")
@click.option("--fidelity", metavar="NAME", help="SpArch: event (default: simulated) or surrogate (estimated).")
@click.option("--config", "config_file", metavar="F.toml", help="SpArch: settings of the machine, as TOML tables.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="SpArch: one setting; repeatable.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="SpArch: of the random zeros (default 0).")
@json_option
def predict(
    networks: tuple[str, ...],
    device: str | None,
    device_file: str | None,
    batch_file: str | None,
    breakdown: bool,
    figure: str | None,
    batch_size: int | None,
    dtype: str | None,
    threads: int | None,
    oracle: str,
    weight_density: float | None,
    activation_density: float | None,
    fidelity: str | None,
    config_file: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    json_path: str | None,
) -> None:
    """Predict latency and energy of each NETWORK, FAMILY/NAME[:ARCH][@RES] or an ONNX file, on a device.

    Try: hwloop predict zoo/mobilenet_v2 zoo/resnet18 --device note10

    Sparse layers: hwloop predict zoo/resnet18 --oracle sparch --weight-density 0.1 --activation-density 0.5
    """
    if bool(networks) == bool(batch_file):
        raise click.UsageError("either NETWORK… or --batch F.jsonl is needed; nearest: hwloop predict zoo/mobilenet_v2")
    if json_path not in (None, "-"):
        from sim.files import require_writable

        require_writable(str(json_path))
    sparse = {
        "--weight-density": weight_density,
        "--activation-density": activation_density,
        "--fidelity": fidelity,
        "--config": config_file,
        "--set": " ".join(settings) or None,
        "--seed": seed,
    }
    device_options = {
        "--device": device, "--device-file": device_file, "--dtype": dtype, "--threads": threads, "--figure": figure,
    }  # fmt: skip
    if _asks_sparch(oracle, sparse, device_options):
        from hwloop.sparch_prediction import predict_on_sparch

        record = predict_on_sparch(
            networks, batch_file, weight_density=weight_density, activation_density=activation_density,
            fidelity=fidelity or "event", config_file=config_file, settings=settings, batch_size=batch_size,
            breakdown=breakdown or not batch_file, seed=seed or 0,
        )  # fmt: skip
        deliver(record, json_path, lambda: _show(record))
        return
    if figure is not None:
        _check_figure(figure)
    profile = device_profile(device, device_file)
    context = context_of(profile, batch_size, dtype, threads)
    batch = read_networks(profile, networks, batch_file, context)
    record = predict_networks(profile, batch, breakdown=breakdown or figure is not None)
    if figure is not None:
        _write_figure(record, figure)
    deliver(record, json_path, lambda: _show(record))


def _check_figure(path: str) -> None:
    from analysis.figures.device_roofline import figure_suffix
    from sim.files import require_writable

    figure_suffix(path)
    require_writable(path)


def _write_figure(record: Mapping[str, Any], path: str) -> None:
    from analysis.figures.device_roofline import write_figure

    click.echo(f"wrote {path}: {write_figure(record, path).caption}", err=True)


def _asks_sparch(oracle: str, sparse: Mapping[str, object], device: Mapping[str, object]) -> bool:
    """Whether SpArch is asked. Raises ConfigError for another oracle, and for options of the one that is not asked."""
    from sim.errors import ConfigError, nearest

    if oracle not in ("device", "sparch"):
        raise ConfigError(f"no oracle {oracle!r}; choose from device, sparch{nearest(oracle, ('device', 'sparch'))}")
    strange = sparse if oracle == "device" else device
    for name, value in strange.items():
        if value is not None:
            other = "sparch" if oracle == "device" else "device"
            raise ConfigError(f"{name} {value!r} says nothing to --oracle {oracle}; nearest: --oracle {other}")
    return oracle == "sparch"


def device_profile(device: str | None, device_file: str | None) -> DeviceProfile:
    """The profile that ``--device`` or ``--device-file`` names. Raises ConfigError."""
    from sim.errors import ConfigError
    from sim.mobile_cost.devices import load_device
    from sim.mobile_cost.profile import load_profile

    if device is not None and device_file is not None:
        raise ConfigError(f"--device {device!r} and --device-file {device_file!r} are two devices; name one")
    if device_file is not None:
        return load_profile(device_file)
    if device is None:
        raise ConfigError("no device named; nearest: --device note10 ('hwloop devices' lists them)")
    return load_device(device)


def context_of(profile: DeviceProfile, batch_size: int | None, dtype: str | None, threads: int | None) -> Context:
    """How networks run: as the device was calibrated, where not told otherwise. Raises WorkloadError."""
    from sim.workload import Context

    return Context(batch_size or profile.batch_sizes[0], dtype or profile.dtypes[0], threads or profile.threads[0])


def read_networks(
    profile: DeviceProfile, networks: tuple[str, ...], batch_file: str | None, context: Context
) -> WorkloadBatch:
    """Networks by name or of a file, lowered as the device runs them. Raises InputError, WorkloadError."""
    if batch_file is not None:
        from models.zoo.batch_file import read_batch

        return read_batch(batch_file, fusion=profile.fusion, context=context)
    from models.zoo.registry import lower_batch

    return lower_batch(networks, fusion=profile.fusion, context=context)


def predict_networks(profile: DeviceProfile, batch: WorkloadBatch, *, breakdown: bool = False) -> dict[str, Any]:
    """The prices of `batch` as plain values; latency_s is of the whole batch of samples. Raises WorkloadError.

    With `breakdown` also the operators of each network, and the ceilings that the profile prices.
    """
    from dataclasses import asdict

    from sim.mobile_cost.ceilings import ceilings
    from sim.mobile_cost.oracle import DeviceOracle

    costs = DeviceOracle(profile).cost(batch, breakdown=breakdown)
    rows = costs.rows()
    if breakdown:
        _add_operators(rows, costs)
    how = asdict(batch.context)
    return {
        "schema": "hwloop.prediction/1",
        "device": profile.name,
        "label": profile.label,
        "context": how,
        **({"ceilings": ceilings(profile)} if breakdown else {}),
        "networks": rows,
    }


def _add_operators(rows: list[dict[str, Any]], costs: CostTable) -> None:
    for row, listed in zip(rows, costs.breakdown, strict=True):
        row["operators"] = [_operator_row(one) for one in listed]


def _operator_row(cost: OperatorCost) -> dict[str, Any]:
    from sim.mobile_cost.terms import kernel_class

    return {
        "operator": operator_words(cost.operator),
        "kernel_class": kernel_class(cost.operator.parts[0]),
        "count": cost.count,
        "latency_s": cost.latency_s,
        "energy_j": cost.energy_j if cost.energy_j == cost.energy_j else None,
        "dram_bytes": cost.dram_bytes,
        "macs": cost.macs,
        "params": cost.params,
    }


def operator_words(op: Operator) -> str:
    """An operator and what is fused to it, in words."""
    parts = op.parts
    return " + ".join([_words(parts[0]), *(one.function or one.kind for one in parts[1:])])


def _words(op: Operator) -> str:
    """``conv2d 3x3/2 32x56x56 -> 64 in 8 groups``: what tells operators of one network apart."""
    words = [op.function or op.kind]
    if op.kernel:
        words.append("x".join(map(str, op.kernel)) + (f"/{op.stride[0]}" if max(op.stride) > 1 else ""))
    words.append("x".join(map(str, op.shape)))
    if op.out_channels:
        words.append(f"-> {op.out_channels}")
    if op.groups > 1:
        words.append(f"in {op.groups} groups")
    return " ".join(words)


def _show(record: dict[str, Any]) -> None:
    from analysis.oracle_table import render_prediction

    click.echo(render_prediction(record), nl=False)
