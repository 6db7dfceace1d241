"""Built modules have the published MACs and parameters, and the operators of the lowered networks, to the digit."""

from __future__ import annotations

import functools
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.ofa.names import RESNET, architecture, resnet_architecture  # noqa: E402
from models.ofa.resnet_supernet import ResNetSupernet  # noqa: E402
from models.ofa.space import Space, space, super_net_params  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from models.zoo import registry  # noqa: E402
from models.zoo.from_torch import from_torch  # noqa: E402
from sim.network import Network  # noqa: E402
from sim.operator import Operator  # noqa: E402

DATA = Path(__file__).resolve().parents[2] / "data" / "count_anchors.toml"
TABLE: dict[str, list[dict[str, Any]]] = tomllib.loads(DATA.read_text(encoding="utf-8"))
ANCHORS = [anchor for anchor in TABLE["anchor"] if anchor["network"].startswith("ofa/")]
RELEASED = [anchor for anchor in ANCHORS if anchor["network"].startswith("ofa/released:")]
QUICK = [anchor for anchor in ANCHORS if anchor["network"].endswith("@224")] + RELEASED[::10]


@functools.cache
def supernet(family: str) -> Any:
    """Without values: shapes are enough."""
    with torch.device("meta"):
        return ResNetSupernet() if family == RESNET else Supernet(space(family))


def built(name: str) -> Network:
    """The operators of the exported module of a network by its full name."""
    body, at, resolution = name.removeprefix("ofa/").partition("@")
    family, _, arch = body.partition(":")
    side = int(resolution) if at else None
    if family == RESNET:
        chosen: Any = resnet_architecture(arch, side)
    else:
        one, chosen = architecture(family, arch, side)
        family = one.name
    module = supernet(family)
    with torch.device("meta"):
        plain = module.export(chosen)
        return from_torch(plain, torch.empty(1, 3 if family != "mini" else 1, chosen.r, chosen.r))


def work(network: Network) -> Counter[Operator]:
    """Convolutions and linear layers."""
    return Counter(op for op in network.operators if op.kind in ("conv2d", "linear"))


def name_of(anchor: dict[str, Any]) -> str:
    return str(anchor["network"]).removeprefix("ofa/")


def assert_counts(anchor: dict[str, Any]) -> None:
    network = built(anchor["network"])
    assert (network.macs, network.params) == (anchor["true"], anchor["params"])
    assert work(network) == work(registry.lower(anchor["network"]))


@pytest.mark.parametrize("anchor", QUICK, ids=name_of)
def test_modules_have_the_published_counts(anchor: dict[str, Any]) -> None:
    assert_counts(anchor)


@pytest.mark.slow
def test_all_modules_have_the_published_counts() -> None:
    assert len(RELEASED) == 50
    assert len(ANCHORS) >= 82
    for anchor in ANCHORS:
        assert_counts(anchor)


@pytest.mark.parametrize("text", ["max", "mid", "min", "k3e4d3", "k5e3d1"])
@pytest.mark.parametrize("side", [20, 28])
def test_mini_modules_have_the_counts_of_their_lowering(text: str, side: int) -> None:
    from models.ofa.lowering import lower

    network, lowered = built(f"ofa/mini:{text}@{side}"), lower(*architecture("mini", text, side))
    assert (network.macs, network.params) == (lowered.macs, lowered.params)
    assert work(network) == work(lowered)


def test_mini_is_as_small_as_it_has_to_be() -> None:
    most, least = built("ofa/mini:max").macs, built(f"ofa/mini:min@{space('mini').smallest.r}").macs
    assert most <= 6_000_000
    assert 6 * least <= most


@pytest.mark.parametrize(
    "anchor", [*TABLE["super_net"], {"space": RESNET, "params": 48_105_992}], ids=lambda one: one["space"]
)
def test_super_nets_have_the_published_parameters(anchor: dict[str, Any]) -> None:
    module = supernet(anchor["space"])
    assert sum(parameter.numel() for parameter in module.parameters()) == anchor["params"]


def test_super_nets_of_mini_hold_the_kernel_transforms_too() -> None:
    one: Space = space("mini")
    held = sum(parameter.numel() for parameter in supernet("mini").parameters())
    assert held == super_net_params(one, built("ofa/mini:max").params)
