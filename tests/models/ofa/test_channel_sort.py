"""Sorting channels keeps what the largest network computes, and what bands already trained hold."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.ofa.batch_norm import recalibrate  # noqa: E402
from models.ofa.channel_sort import order, sort_channels  # noqa: E402
from models.ofa.space import Space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from sim.errors import InputError  # noqa: E402


@pytest.fixture
def network(tiny: Space) -> Any:
    torch.manual_seed(1)
    one = Supernet(tiny)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    recalibrate(one, [torch.randn(16, 1, 28, 28)])
    return one.eval()


def importance(network: Any, slot: int) -> Any:
    return network.blocks[1 + slot].conv.point_linear.conv.conv.weight.detach().abs().sum((0, 2, 3))


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_the_largest_network_computes_what_it_did(network: Any, stage: int) -> None:
    images = torch.randn(4, 1, 28, 28)
    with torch.no_grad():
        before = network(images)
        sort_channels(network, stage)
        assert torch.allclose(network(images), before, atol=1e-5)
        for kernel in network.space.kernels:
            network.set_active(network.space.uniform(kernel, 6, 3))
            once = network(images)
            sort_channels(network, stage)
            assert torch.equal(network(images), once)  # sorted already


def test_the_most_important_channels_come_first(network: Any) -> None:
    sort_channels(network)
    for slot in range(len(network.space.stage_of_slot)):
        values = importance(network, slot)
        assert (values[:-1] >= values[1:]).all()
        gate = network.blocks[1 + slot].conv.depth_conv.se
        if gate is not None:
            inner = gate.fc["expand"].weight.detach().abs().sum((0, 2, 3))
            assert (inner[:-1] >= inner[1:]).all()


def test_channels_of_a_width_in_use_stay_ahead(network: Any) -> None:
    widths = [network.space.middle_channels(5, expansion) for expansion in (6, 4)]
    sets = importance(network, 5)[: widths[1]].sort().values
    sort_channels(network, 1)
    values = importance(network, 5)
    assert torch.allclose(values[: widths[1]].sort().values, sets)
    assert (values[: widths[1] - 1] >= values[1 : widths[1]]).all()
    assert (values[widths[1] : -1] >= values[widths[1] + 1 :]).all()


def test_order_by_hand() -> None:
    values = torch.tensor([1.0, 5.0, 2.0, 9.0, 7.0, 7.0])
    assert order(values, [6]).tolist() == [3, 4, 5, 1, 2, 0]
    assert order(values, [6, 4]).tolist() == [3, 1, 2, 0, 4, 5]
    assert order(values, [6, 4, 2]).tolist() == [1, 0, 3, 2, 4, 5]


def test_the_order_is_the_public_one(make_pair: Any) -> None:
    pair = make_pair("mbv3-w1.0")
    sort_channels(pair.ours)
    pair.public.re_organize_middle_weights(0)
    public, alike = pair.public.state_dict(), 0
    for slot, block in enumerate(pair.ours.blocks[1:]):
        if len(importance(pair.ours, slot).unique()) == block.conv.depth_conv.bn.bn.num_features:  # no ties
            alike += 1
            for name, tensor in block.state_dict().items():
                assert torch.equal(tensor, public[f"blocks.{1 + slot}.{name}"]), name
    assert alike >= 10


def test_stages_that_are_not_there_are_refused(network: Any) -> None:
    for stage in (-1, 3):
        with pytest.raises(InputError, match=f"tiny: width stage {stage} is not one of 0 to 2"):
            sort_channels(network, stage)
