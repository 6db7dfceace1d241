"""Every exact count that is published or was computed from the published definitions: equal to the last digit."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from models.lite_transformer.translation import Translator
from models.ofa.lowering import lower as lower_architecture
from models.ofa.names import released, released_names
from models.ofa.space import space, super_net_params
from models.zoo import registry
from models.zoo.mac_rules import RULES, count
from sim.operator import Operator

DATA = Path(__file__).resolve().parent.parent / "data" / "count_anchors.toml"
TABLE: dict[str, list[dict[str, Any]]] = tomllib.loads(DATA.read_text(encoding="utf-8"))


def part(op: Operator) -> str:
    """Where the published split counts an operator: squeeze-and-excite is what has a bias at 1x1 pixels."""
    if op.kind == "linear":
        return "linear"
    if op.kind == "conv2d" and op.shape[1:] == (1, 1) and op.bias:
        return "squeeze"
    return "depthwise" if op.groups > 1 else "conv"


@pytest.mark.parametrize("anchor", TABLE["anchor"], ids=lambda anchor: anchor["network"])
def test_counts_equal_the_anchor(anchor: dict[str, Any]) -> None:
    network = registry.lower(anchor["network"])
    found: dict[str, Any] = {"params": network.params, **{name: count(network, name) for name in RULES}}
    if "split" in anchor:
        found["split"] = dict.fromkeys(anchor["split"], 0)
        for op in network.operators:
            found["split"][part(op)] += op.macs
    wanted = {key: value for key, value in anchor.items() if key != "network"}
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("anchor", TABLE["tool"], ids=lambda anchor: anchor["network"])
def test_rules_count_what_the_tools_count(anchor: dict[str, Any]) -> None:
    network = registry.lower(anchor["network"])
    wanted = {key: value for key, value in anchor.items() if key != "network"}
    assert {name: count(network, name) for name in wanted} == wanted


@pytest.mark.parametrize("anchor", TABLE["super_net"], ids=lambda anchor: anchor["space"])
def test_super_nets_hold_the_kernel_transforms_too(anchor: dict[str, Any]) -> None:
    one = space(anchor["space"])
    largest = lower_architecture(one, one.uniform(7, 6, 4)).params
    assert super_net_params(one, largest) == anchor["params"]


@pytest.mark.parametrize("anchor", TABLE["layer"], ids=lambda anchor: f"kernel {anchor['kernel']}")
def test_single_layers_of_lite_transformer(anchor: dict[str, Any]) -> None:
    encoder = Translator(496, kernels=(anchor["kernel"],), encoder_layers=1, decoder_layers=0).lower()
    both = Translator(496, kernels=(anchor["kernel"],), encoder_layers=1, decoder_layers=1).lower()
    assert encoder.params == anchor["encoder"]
    if "decoder" in anchor:
        assert both.params - encoder.params == anchor["decoder"]


def test_the_table_is_whole() -> None:
    names = [anchor["network"] for anchor in TABLE["anchor"]]
    assert len(names) == len(set(names))
    assert {name.removeprefix("ofa/released:") for name in names if name.startswith("ofa/released:")} == set(
        released_names()
    )
    checked = {key for anchor in TABLE["anchor"] for key in anchor}
    assert set(RULES) <= checked


def test_released_networks_have_the_published_blocks(shared_data: Path) -> None:
    with (shared_data / "latency" / "mac_anchors_ofa_specialized.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["net_id"] for row in rows] == released_names()
    for row in rows:
        one, arch = released(row["net_id"])
        network = lower_architecture(one, arch)
        depthwise = [op for op in network.operators if op.kind == "conv2d" and op.groups > 1]
        assert [op.kernel[0] for op in depthwise] == json.loads(row["kernel"])
        assert [op.out_channels for op in depthwise] == json.loads(row["mid"])
        assert [op.stride[0] for op in depthwise] == json.loads(row["stride"])
        assert sum(op.function == "add" for op in network.operators) == sum(json.loads(row["skip"]))
        assert (network.params, network.macs) == (int(row["params"]), int(row["macs"]))
