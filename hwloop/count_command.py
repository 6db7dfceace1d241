"""`hwloop count`: exact multiply-accumulates, parameters and bytes of a network, under a named rule.

Thin: the networks come from `models.zoo.registry`, the rules from `models.zoo.mac_rules`.
"""

from __future__ import annotations

from typing import Any

import click

from hwloop.json_output import deliver, json_option


@click.command()
@click.argument("network", required=False)
@click.option("--rule", default="true", show_default=True, metavar="RULE", help="How to count MACs; --list names them.")
@click.option("--dtype", default="float32", show_default=True, help="Element type that bytes are given for.")
@click.option("--list", "list_all", is_flag=True, help="List the networks and the rules.")
@json_option
def count(network: str | None, rule: str, dtype: str, list_all: bool, json_path: str | None) -> None:
    """Exact MACs, parameters and bytes of NETWORK, FAMILY/NAME[:ARCH][@RES] or an ONNX file, for one sample.

    Try: hwloop count ofa/mbv3-w1.0:k5e4d3@192
    """
    if list_all:
        listed = list_networks()
        deliver(listed, json_path, lambda: _print_list(listed))
        return
    if network is None:
        raise click.UsageError("a NETWORK is needed, or --list; nearest: hwloop count zoo/mobilenet_v2")
    counted = count_network(network, rule=rule, dtype=dtype)
    deliver(counted, json_path, lambda: _print_counts(counted))


def count_network(name: str, *, rule: str = "true", dtype: str = "float32") -> dict[str, Any]:
    """The counts of one network as plain values. weight_bytes: all parameters as stored; activation_bytes: what all
    operators write; peak_activation_bytes: most of it alive at once. Raises InputError and WorkloadError."""
    from models.zoo import mac_rules, registry
    from sim.errors import InputError, nearest
    from sim.workload import DTYPE_BITS

    if dtype not in DTYPE_BITS:
        raise InputError(f"no element type {dtype!r}; one of {', '.join(DTYPE_BITS)}{nearest(dtype, DTYPE_BITS)}")
    mac_rules.rule(rule)
    network, bits = registry.lower(name), DTYPE_BITS[dtype]
    network = network.with_bits(bits, bits)
    return {
        "schema": "hwloop.count/1",
        "network": name,
        "rule": rule,
        "dtype": dtype,
        "macs": mac_rules.count(network, rule),
        "params": network.params,
        "weight_bytes": -(-network.params * bits // 8),
        "activation_bytes": sum(op.bytes_written for op in network.operators),
        "peak_activation_bytes": network.peak_activation_bytes,
    }


def list_networks() -> dict[str, Any]:
    """All networks and rules as plain values."""
    from models.zoo import mac_rules, registry

    networks = [
        {"network": one.name, "about": one.about, "resolution": one.resolution, "architectures": list(one.archs)}
        for one in registry.ENTRIES
    ]
    rules = [{"rule": name, "about": " ".join((one.__doc__ or "").split())} for name, one in mac_rules.RULES.items()]
    return {"schema": "hwloop.networks/1", "networks": networks, "rules": rules}


def _print_counts(counted: dict[str, Any]) -> None:
    for key, value in counted.items():
        if key != "schema":
            click.echo(f"{key.replace('_', ' '):<22} {value:,}" if isinstance(value, int) else f"{key:<22} {value}")


def _print_list(listed: dict[str, Any]) -> None:
    for one in listed["networks"]:
        side = f"@{one['resolution']}" if one["resolution"][:1].isdigit() else ""
        click.echo(f"{one['network'] + side:<32} {one['about']}")
        if one["architectures"]:
            click.echo(f"{'':<32} ARCH: {', '.join(one['architectures'])}")
    click.echo("\nRules for MACs (--rule):")
    for one in listed["rules"]:
        click.echo(f"  {one['rule']:<20} {one['about'].partition('. ')[0].rstrip('.')}")
