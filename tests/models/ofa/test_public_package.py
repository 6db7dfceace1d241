"""Our supernets are those of the public package: names, outputs, loss, gradients; and are no slower."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

FAMILIES = ("mbv3-w1.0", "mbv3-w1.2", "proxyless-w1.3", "resnet50d")
COUNTS = [pytest.param(3, id="few"), pytest.param(50, id="fifty", marks=pytest.mark.slow)]


@pytest.mark.parametrize("family", FAMILIES)
def test_names_and_shapes_are_the_public_ones(family: str, make_pair: Callable[[str], Any]) -> None:
    pair = make_pair(family)
    ours, public = (
        {name: tuple(tensor.shape) for name, tensor in one.state_dict().items()} for one in (pair.ours, pair.public)
    )
    assert ours == public


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_are_the_public_ones(family: str, count: int, make_pair: Callable[[str], Any]) -> None:
    pair = make_pair(family)
    pair.ours.eval()
    pair.public.eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    for arch in pair.sample(count, 6):
        pair.choose(arch)
        with torch.no_grad():
            expected = pair.public(images)
            exported = pair.public.get_active_subnet().eval()(images)
            assert 0.01 < expected.std() < 100
            assert (pair.ours(images) - expected).abs().max() < 1e-5
            assert (pair.ours.export()(images) - exported).abs().max() < 1e-5


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-4), (torch.float64, 1e-7)], ids=["float32", "float64"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_has_the_public_loss_and_gradients(
    family: str, dtype: Any, limit: float, make_pair: Callable[[str], Any]
) -> None:
    """Both channels last: another layout rounds differently, which flips ReLUs near zero and thus some gradients."""
    pair = make_pair(family)
    generator = torch.Generator().manual_seed(7)
    images, labels = torch.randn(8, 3, 64, 64, generator=generator), torch.arange(8) * 100
    images = images.to(dtype, memory_format=torch.channels_last)
    pair.choose(pair.sample(1, 8)[0])
    losses = []
    for one in (pair.ours, pair.public):
        one.to(dtype=dtype, memory_format=torch.channels_last).train()
        loss = torch.nn.functional.cross_entropy(one(images), labels)
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=limit)
    public = dict(pair.public.named_parameters())
    for name, parameter in pair.ours.named_parameters():
        expected = public[name].grad
        assert (parameter.grad is None) == (expected is None)
        if expected is not None:
            assert (parameter.grad - expected).abs().max() <= limit * max(1.0, float(expected.abs().max()))
    buffers = dict(pair.public.named_buffers())
    assert all(torch.allclose(buffer, buffers[name], atol=1e-5) for name, buffer in pair.ours.named_buffers())


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_is_no_slower_than_the_public_one(family: str, make_pair: Callable[[str], Any]) -> None:
    pair = make_pair(family)
    images, labels = torch.randn(8, 3, 64, 64), torch.arange(8)
    ratios = []
    for arch in pair.sample(7, 9):
        pair.choose(arch)
        seconds = [_step_s(one, images, labels) for one in (pair.ours.train(), pair.public.train())]
        ratios.append(seconds[0] / seconds[1])
    assert sorted(ratios)[len(ratios) // 2] <= 1.0, ratios  # of CPU time; the median


def _step_s(network: Any, images: Any, labels: Any) -> float:
    found = []
    for _ in range(4):
        network.zero_grad()
        start = time.process_time()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        found.append(time.process_time() - start)
    return min(found)
