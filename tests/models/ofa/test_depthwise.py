"""The depthwise convolution with a gradient of our own against torch's."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

from models.ofa import depthwise as module  # noqa: E402
from models.ofa.depthwise import depthwise, weight_gradient  # noqa: E402
from models.ofa.layers import ConvNorm  # noqa: E402

SHAPES = [
    # images, channels, height, width, kernel, stride
    (4, 16, 14, 14, 5, 1),
    (3, 8, 28, 26, 5, 2),
    (2, 24, 7, 9, 7, 1),
    (2, 5, 13, 11, 7, 2),
    (1, 3, 4, 3, 5, 1),  # the kernel is larger than the plane
    (3, 2, 2, 2, 7, 1),
    (2, 3, 1, 1, 5, 1),
    (2, 4, 3, 2, 7, 2),
    (2, 6, 9, 9, 3, 3),
]


def tensors(images: int, channels: int, height: int, width: int, kernel: int) -> tuple[Any, Any]:
    rng = torch.Generator().manual_seed(height * width + kernel)
    x = torch.randn(images, channels, height, width, generator=rng)
    weight = torch.randn(channels, 1, kernel, kernel, generator=rng)
    return x.to(memory_format=torch.channels_last), weight


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_by_the_weight_is_that_of_float64(shape: tuple[int, ...]) -> None:
    *sizes, kernel, stride = shape
    x, weight = tensors(*sizes, kernel)
    exact = weight.double().requires_grad_()
    y = torch.nn.functional.conv2d(x.double(), exact, None, stride, kernel // 2, groups=x.shape[1])
    outer = torch.randn(y.shape, generator=torch.Generator().manual_seed(5))
    y.backward(outer.double())
    found = weight_gradient(x, outer.to(memory_format=torch.channels_last), kernel, stride)
    assert found.shape == weight.shape
    assert (found - exact.grad).abs().max() <= 1e-5 * exact.grad.abs().max()


@pytest.mark.usefixtures("one_thread")
def test_a_step_is_that_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = tensors(16, 12, 15, 15, 5)
    gradients = []
    for least in (module.FEWEST, 100):  # with the product here, and with torch's alone
        monkeypatch.setattr(module, "FEWEST", least)
        torch.manual_seed(1)
        layer = ConvNorm(12, 12, 5, 2, function="relu", groups=12).to(memory_format=torch.channels_last)
        mine = x.clone().requires_grad_()
        layer(mine).square().sum().backward()
        gradients.append([mine.grad, layer.conv.weight.grad])
    for here, theirs in zip(*gradients, strict=True):
        assert (here - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.usefixtures("one_thread")
def test_who_is_served() -> None:
    x, weight = tensors(16, 4, 9, 9, 5)
    name = "_DepthwiseBackward"
    assert depthwise(x, weight.requires_grad_(), 1).grad_fn.name() == name
    assert depthwise(x[:8], weight, 1).grad_fn.name() != name
    assert depthwise(x.contiguous(), weight, 1).grad_fn.name() != name
    assert depthwise(x, weight[:, :, 1:4, 1:4], 1).grad_fn.name() != name
    with torch.no_grad():
        assert depthwise(x, weight, 1).grad_fn is None
    with torch.autocast("cpu", torch.bfloat16):
        assert depthwise(x, weight, 1).grad_fn.name() != name
    torch.set_num_threads(2)
    assert depthwise(x, weight, 1).grad_fn.name() != name


def test_a_depthwise_layer_is_a_convolution_to_whoever_reads_the_network() -> None:
    conv = ConvNorm(6, 6, 5, groups=6).conv
    assert isinstance(conv, nn.Conv2d)
    assert conv.groups == conv.in_channels == 6
    assert conv.padding == (2, 2)
    assert conv.bias is None
