"""Re-calibrated statistics are averages over batches, of the channels that ran, and nothing else changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.ofa.batch_norm import recalibrate  # noqa: E402
from models.ofa.space import Space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from sim.errors import InputError  # noqa: E402


@pytest.fixture
def batches() -> list[Any]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(count, 1, 24, 24, generator=generator) for count in (12, 5)]


@pytest.fixture
def network(tiny: Space) -> Any:
    torch.manual_seed(2)
    return Supernet(tiny)


def test_statistics_are_averages_weighted_by_the_images(network: Any, batches: list[Any]) -> None:
    assert recalibrate(network, batches) == 17
    found = network.first_conv.bn
    with torch.no_grad():
        outputs = [network.first_conv.conv(batch) for batch in batches]
    pairs = [torch.var_mean(output, (0, 2, 3), correction=0) for output in outputs]
    assert torch.allclose(found.running_var, (12 * pairs[0][0] + 5 * pairs[1][0]) / 17, rtol=1e-5)
    assert torch.allclose(found.running_mean, (12 * pairs[0][1] + 5 * pairs[1][1]) / 17, rtol=1e-4, atol=1e-6)


def test_only_the_channels_that_ran_are_written(network: Any, batches: list[Any]) -> None:
    before = copy.deepcopy(network.state_dict())
    network.set_active(network.space.uniform(5, 3, 2))
    recalibrate(network, batches)
    channels = network.space.middle_channels(0, 3)
    norm = network.blocks[1].conv.depth_conv.bn.bn
    assert (norm.running_mean[:channels] != 0).all()
    assert (norm.running_mean[channels:] == 0).all()
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert all(name.endswith(("running_mean", "running_var")) for name in changed)
    assert not any(name.startswith("blocks.3.") for name in changed)  # the third slot of depth 2


def test_a_supernet_and_its_export_get_the_same(network: Any, batches: list[Any]) -> None:
    arch = network.space.uniform(3, 4, 3)
    plain = network.export(arch)
    network.set_active(arch)
    for one in (network, plain):
        recalibrate(one, iter(batches))
        one.eval()
    assert torch.allclose(network(batches[0]), plain(batches[0]), atol=1e-6)
    train, frozen = network.train()(batches[0]), plain(batches[0])
    assert (train - frozen).abs().max() < 1.0  # of the same scale, which first statistics are not


def test_modes_and_momenta_return(network: Any, batches: list[Any]) -> None:
    for mode in (True, False):
        network.train(mode)
        network.first_conv.eval()
        recalibrate(network, batches)
        assert network.training == network.blocks[1].conv.depth_conv.bn.bn.training == mode
        assert not network.first_conv.bn.training
        assert {module.momentum for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {0.1}
        assert network.first_conv.bn.num_batches_tracked == 0


def test_nothing_changes_on_error(network: Any, batches: list[Any]) -> None:
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(InputError, match="need images; got none"):
        recalibrate(network, [])
    with pytest.raises(InputError, match="tiny: images of shape"):
        recalibrate(network, [batches[0], torch.zeros(2, 3, 24, 24)])
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.first_conv.bn.momentum == 0.1
    assert not network.first_conv.bn._forward_hooks
