"""Torch modules read as operators: counts equal torch's own counter and the networks written down by hand."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from models.gan.generators import ResNetGenerator  # noqa: E402
from models.lite_transformer.translation import Translator  # noqa: E402
from models.zoo.from_torch import from_torch  # noqa: E402
from sim.errors import WorkloadError  # noqa: E402
from sim.fusion import fuse  # noqa: E402
from sim.network import Network  # noqa: E402


def torch_macs(module: nn.Module, *examples: Any) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(*examples)
    return float(counter.get_total_flops()) / 2


def kinds(network: Network) -> list[str]:
    return [op.kind for op in network.operators]


class Inverted(nn.Module):
    """A small network with everything that mobile ones have."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish(inplace=True))
        self.body = nn.Sequential(
            nn.Conv2d(8, 24, 1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU6(inplace=True),
            nn.Conv2d(24, 24, 5, 1, 2, groups=24, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU6(inplace=True),
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(24, 8, 1), nn.ReLU(), nn.Conv2d(8, 24, 1), nn.Hardsigmoid()
        )
        self.project = nn.Sequential(nn.Conv2d(24, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.head = nn.Linear(8, 10)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        y = self.body(x)
        x = x + self.project(y * self.squeeze(y))
        return self.head(x.mean((2, 3)))


def test_a_mobile_network() -> None:
    module, example = Inverted(), torch.zeros(1, 3, 32, 32)
    network = from_torch(module, example)
    assert network.macs == torch_macs(module, example)
    assert network.params == sum(one.numel() for one in module.parameters())
    assert network.idle_params == 0
    assert [len(op.parts) for op in fuse(network, ["squeeze_excite"]).operators if op.kind == "fused"] == [6]
    fused = ["conv2d", "conv2d", "conv2d", "pool", "conv2d", "conv2d", "elementwise", "conv2d", "pool", "linear"]
    assert [op.parts[0].kind for op in fuse(network).operators] == fused
    assert network.operators[2].function == "h_swish"
    assert network.operators[5].function == "relu6"


def resnet_generator(ngf: int) -> nn.Sequential:
    """The dense CycleGAN generator, without its residual sums (which have no parameters and no MACs)."""

    def normed(width: int) -> list[nn.Module]:
        return [nn.InstanceNorm2d(width), nn.ReLU(True)]

    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, ngf, 7), *normed(ngf)]
    for width in (ngf, 2 * ngf):
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), *normed(2 * width)]
    for _ in range(18):
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(4 * ngf, 4 * ngf, 3), *normed(4 * ngf)]
    for width in (4 * ngf, 2 * ngf):
        layers += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1), *normed(width // 2)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh())


def test_the_generator_written_down_by_hand_is_the_module() -> None:
    module, example = resnet_generator(8), torch.zeros(1, 3, 64, 64)
    read, written = from_torch(module, example), ResNetGenerator((8,) * 8, separable=False).lower(64, 64)
    assert read.macs == written.macs == torch_macs(module, example)
    assert read.params == written.params


def test_transformer_layers_hold_attention_as_one_operator() -> None:
    module = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(64, 4, 256, batch_first=True), 6, enable_nested_tensor=False
    )
    read = from_torch(module, torch.zeros(1, 30, 64))
    written = Translator(64, kernels=(0,) * 6, decoder_layers=0, ratio=4, heads=4).lower(30)
    assert (read.macs, read.params) == (written.macs, written.params)
    assert kinds(read).count("attention") == 6
    assert torch.backends.mha.get_fastpath_enabled()


def test_weights_used_twice_count_once_and_unused_ones_are_idle() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.layer, self.unused = nn.Embedding(50, 8), nn.Linear(8, 8), nn.Linear(3, 3)

        def forward(self, tokens: Any) -> Any:
            x = self.layer(self.layer(self.table(tokens)))
            return nn.functional.linear(x, self.table.weight)

    network = from_torch(Shared(), torch.zeros(1, 5, dtype=torch.long))
    assert kinds(network) == ["embedding", "linear", "linear", "linear"]
    assert [op.tied for op in network.operators] == [False, False, True, True]
    assert (network.params, network.idle_params) == (50 * 8 + 72 + 12, 12)
    assert network.macs == 5 * (64 + 64 + 400)


def test_control_flow_that_asks_for_values_is_run_for_real() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(4, 2), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return self.left(x) if float(x.sum()) > 0 else self.right(x)

    assert from_torch(Branching(), torch.ones(1, 4)).macs == 8
    assert from_torch(Branching(), -torch.ones(1, 4)).macs == 12


def test_sequences_and_recurrences() -> None:
    module = nn.Sequential(nn.Conv1d(3, 8, 5, padding=2), nn.GELU(), nn.AvgPool1d(2), nn.GroupNorm(2, 8))
    assert from_torch(module, torch.zeros(1, 3, 16)).macs == 16 * 8 * 15
    recurrent = from_torch(nn.LSTM(8, 8, batch_first=True), torch.zeros(1, 5, 8))
    assert recurrent.macs == 5 * 2 * 8 * 32
    assert recurrent.params == 2 * 8 * 32 + 2 * 32


class Unet(nn.Module):
    """Down, up, joined along the channels; attention of plain products over the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x: Any) -> Any:
        x = nn.functional.leaky_relu(self.down(x))
        low = nn.functional.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        flat = low.flatten(2)
        scores = torch.softmax(flat.transpose(1, 2) @ flat, -1)
        low = nn.functional.avg_pool2d((flat @ scores).view_as(low), 1)
        x = torch.cat([x, nn.functional.interpolate(self.up(low), size=x.shape[2:])], 1)
        return torch.cat([self.out(x), self.out(x)], 2).sum((2, 3)).clamp(-1, 1)


def test_products_resizing_and_joining() -> None:
    module, example = Unet(), torch.zeros(1, 3, 15, 15)
    network = from_torch(module, example)
    assert network.macs == torch_macs(module, example)
    assert network.params == sum(one.numel() for one in module.parameters())
    told = [(op.kind, op.function) for op in network.operators]
    assert told == [
        ("conv2d", ""),
        ("activation", "leaky_relu"),
        ("pool", "max_ceil"),
        ("matmul", ""),
        ("softmax", ""),
        ("matmul", ""),
        ("pool", "avg"),
        ("conv2d", ""),
        ("resize", "nearest"),
        ("concat", ""),
        ("conv2d", ""),
        ("conv2d", ""),
        ("elementwise", "copy"),
        ("pool", "sum"),
        ("activation", "hard_tanh"),
    ]
    assert network.operators[2].output_shape == (8, 8, 8)
    assert network.operators[9].output_shape == (16, 15, 15)
    assert (network.inputs[9], network.operators[11].tied) == ((1, 8), True)


def test_half_precision_is_half_the_bytes() -> None:
    wide, half = (
        from_torch(Inverted().to(dtype), torch.zeros(1, 3, 32, 32, dtype=dtype))
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert [2 * op.bytes_read for op in half.operators] == [op.bytes_read for op in wide.operators]


def test_the_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout())
    module[2].eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    from_torch(module, torch.ones(1, 3, 4, 4))
    assert [one.training for one in module] == [True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_refusals() -> None:
    class Sorting(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.cumsum(x, 1)

    with pytest.raises(WorkloadError, match="torch operation 'cumsum' has no operator"):
        from_torch(Sorting(), torch.ones(1, 3))
    with pytest.raises(WorkloadError, match=r"one sample, first axis 1; got shape \(2, 3\)"):
        from_torch(nn.Linear(3, 3), torch.ones(2, 3))
