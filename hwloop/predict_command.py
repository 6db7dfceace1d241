"""`hwloop predict`: latency, energy and memory of networks on a device, with 90 % intervals.

Thin: networks come from `models.zoo`, prices from `sim.mobile_cost`. The networks run as the device was calibrated
(batch size, element type, threads) unless told otherwise; an answer that leaves the calibration carries a flag.
"""

from __future__ import annotations

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
@click.option("--batch-size", type=click.IntRange(min=1), metavar="N", help="Samples at once.")
@click.option("--dtype", metavar="TYPE", help="Element type: float32, float16, int8 …")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads.")
@json_option
def predict(
    networks: tuple[str, ...],
    device: str | None,
    device_file: str | None,
    batch_file: str | None,
    breakdown: bool,
    batch_size: int | None,
    dtype: str | None,
    threads: int | None,
    json_path: str | None,
) -> None:
    """Predict latency and energy of each NETWORK, FAMILY/NAME[:ARCH][@RES] or an ONNX file, on a device.

    Try: hwloop predict zoo/mobilenet_v2 zoo/resnet18 --device note10
    """
    if bool(networks) == bool(batch_file):
        raise click.UsageError("either NETWORK… or --batch F.jsonl is needed; nearest: hwloop predict zoo/mobilenet_v2")
    if json_path not in (None, "-"):
        from sim.files import require_writable

        require_writable(str(json_path))
    profile = device_profile(device, device_file)
    context = context_of(profile, batch_size, dtype, threads)
    record = predict_networks(profile, read_networks(profile, networks, batch_file, context), breakdown=breakdown)
    deliver(record, json_path, lambda: _show(record))


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
    """The prices of `batch` as plain values; latency_s is of the whole batch of samples. Raises WorkloadError."""
    from dataclasses import asdict

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
        "networks": rows,
    }


def _add_operators(rows: list[dict[str, Any]], costs: CostTable) -> None:
    for row, listed in zip(rows, costs.breakdown, strict=True):
        row["operators"] = [_operator_row(one) for one in listed]


def _operator_row(cost: OperatorCost) -> dict[str, Any]:
    from sim.mobile_cost.terms import kernel_class

    parts = cost.operator.parts
    return {
        "operator": " + ".join([_words(parts[0]), *(one.function or one.kind for one in parts[1:])]),
        "kernel_class": kernel_class(parts[0]),
        "count": cost.count,
        "latency_s": cost.latency_s,
        "energy_j": cost.energy_j if cost.energy_j == cost.energy_j else None,
        "dram_bytes": cost.dram_bytes,
        "macs": cost.macs,
        "params": cost.params,
    }


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
