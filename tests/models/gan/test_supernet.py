"""Supernets, exact export, magnitude order, adapters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from models.gan.adapter import Adapter, prunable  # noqa: E402
from models.gan.elastic import copy_leading, wide_layers  # noqa: E402
from models.gan.family import ResNetFamily, SpadeFamily, wrong_length  # noqa: E402
from models.gan.prune import prune, sort_channels  # noqa: E402
from models.gan.space import ChannelSpace  # noqa: E402
from models.gan.supernet import Supernet, recalibrate, sample  # noqa: E402
from sim.errors import InputError  # noqa: E402

RESNET = ResNetFamily(ChannelSpace("small", "resnet", ((8, 6, 4),) * 8), (32, 32), blocks=3)
DENSE = ResNetFamily(ChannelSpace("dense", "resnet", ((8, 6, 4),) * 8), (32, 32), separable=False, blocks=3)
SPADE = SpadeFamily(ChannelSpace("labels", "spade", ((8, 4),) * 8), (64, 64), semantic=5)
FAMILIES = (RESNET, DENSE, SPADE)


def image_for(family: Any, count: int = 2) -> Any:
    generator = torch.Generator().manual_seed(1)
    return torch.rand((count, *family.example().shape[1:]), generator=generator) * 2 - 1


@pytest.mark.parametrize("family", FAMILIES, ids=("mobile", "dense", "spade"))
def test_export_gives_what_the_supernet_gives(family: Any) -> None:
    torch.manual_seed(0)
    net = Supernet(family).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    for step in range(3):
        channels = sample(family, 1, step)
        net.set_active(channels)
        plain = net.export()
        assert sum(one.numel() for one in plain.parameters()) == family.lower(channels).params
        with torch.no_grad():
            assert torch.equal(net(image_for(family)), plain(image_for(family)))


@pytest.mark.parametrize("family", FAMILIES, ids=("mobile", "dense", "spade"))
def test_widths_by_the_rule_are_those_of_the_network_that_is_built(family: Any) -> None:
    rng = np.random.default_rng(4)
    for _ in range(5):
        channels = tuple(rng.integers(1, 70, 8).tolist())
        built = {name: layer.out_channels for name, layer in wide_layers(family.build(channels)).items()}
        assert family.widths(channels) == built


def test_the_state_of_a_supernet_is_that_of_its_widest() -> None:
    net = Supernet(RESNET)
    plain = net.export(net.widest)
    assert {f"net.{name}" for name in plain.state_dict()} == set(net.state_dict())


def test_channels_outside_the_space_are_named() -> None:
    with pytest.raises(InputError, match=r"c0 is 7.*nearest"):
        Supernet(RESNET).set_active((7, *(8,) * 7))


def test_six_numbers_offer_both_readings() -> None:
    with pytest.raises(InputError, match=r"two readings: 8_8_8_4_4_4_8_8 .*legacy:8_8_8_4_8_8"):
        RESNET.spec((8, 8, 8, 4, 8, 8))
    assert "got 3" in wrong_length((1, 2, 3))


def test_samples_follow_from_seed_and_step() -> None:
    assert sample(RESNET, 3, 5) == sample(RESNET, 3, 5)
    assert len({sample(RESNET, 3, step) for step in range(20)}) > 15


@pytest.mark.parametrize("family", FAMILIES, ids=("mobile", "dense", "spade"))
def test_sorting_channels_changes_nothing(family: Any) -> None:
    torch.manual_seed(0)
    wide = family.build((8,) * 8).eval()
    for name, parameter in wide.named_parameters():
        nn.init.normal_(parameter, 0, 0.3 if "weight" in name else 0.05)
    for name, buffer in wide.named_buffers():
        if name.endswith(("mean", "var")):
            nn.init.uniform_(buffer, 0.5, 1.5)
    with torch.no_grad():
        before, after = wide(image_for(family)), sort_channels(wide)(image_for(family))
    assert torch.allclose(before, after, atol=2e-5)
    assert not torch.equal(
        wide.state_dict()[next(iter(wide.state_dict()))], next(iter(sort_channels(wide).parameters()))
    )


def test_pruning_keeps_the_heaviest_filters() -> None:
    torch.manual_seed(0)
    wide = RESNET.build((8,) * 8)
    for parameter in wide.parameters():
        nn.init.normal_(parameter, 0, 0.3)
    narrow = prune(wide, RESNET, (4,) * 8)
    kept = narrow.get_parameter("model.1.weight").abs().sum((1, 2, 3))
    every = wide.get_parameter("model.1.weight").abs().sum((1, 2, 3))
    assert torch.allclose(kept, every.sort(descending=True).values[:4])
    with pytest.raises(InputError, match="no part"):
        prune(narrow, RESNET, (8,) * 8)


def test_statistics_are_taken_anew() -> None:
    torch.manual_seed(0)
    net = Supernet(SPADE)
    net.set_active((4,) * 8)
    plain = net.export()
    batches = [image_for(SPADE, 4)]
    recalibrate(plain, batches)
    norm = plain.get_submodule("head_0.norm_0.norm")
    seen: list[Any] = []
    handle = norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    plain(batches[0])
    handle.remove()
    assert torch.allclose(norm.running_mean, seen[0].mean((0, 2, 3)), atol=1e-6)
    assert norm.momentum == 0.1
    with pytest.raises(InputError, match="at least one batch"):
        recalibrate(plain, [])


class Own(nn.Module):
    """A user's generator: a strided pair, a residual sum, batch norms."""

    def __init__(self, *, join: bool = False) -> None:
        super().__init__()
        self.a, self.na = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.d = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.b = nn.Conv2d(16, 16, 1)
        self.out = nn.Conv2d(32 if join else 16, 3, 3, padding=1, padding_mode="reflect")
        self.join = join

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.na(self.a(x)))
        z = self.b(self.d(y))
        return torch.tanh(self.out(torch.cat([y, z], 1) if self.join else y + z))


EXAMPLE = torch.zeros(1, 3, 16, 16)


def test_an_own_generator_becomes_a_space() -> None:
    torch.manual_seed(0)
    own = Own().eval()
    adapter = Adapter(own, [("a", "b")], EXAMPLE, ratios=(1, 0.5, 0.25), divisor=4)
    assert adapter.space.choices == ((16, 8, 4),)
    assert prunable(own) == ["a", "b", "out"]
    net = Supernet(adapter).eval()
    net.set_active((8,))
    plain = net.export()
    image = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(net(image), plain(image))
        assert torch.equal(adapter.build((16,))(image), own(image))
    assert adapter.lower((8,)).params == sum(one.numel() for one in plain.parameters())
    assert adapter.lower((8,)).macs < adapter.lower((16,)).macs / 1.9
    assert type(plain.a) is nn.Conv2d
    assert plain.d.groups == 8


@pytest.mark.parametrize(
    ("module", "marks", "options", "message"),
    [
        (nn.Sequential(nn.Flatten()), ["0"], {}, "nothing prunable"),
        (Own(), [], {}, "nothing is marked as prunable; nearest: a, b"),
        (Own(), ["aa"], {}, "no prunable convolution 'aa'; nearest: a"),
        (Own(), ["d"], {}, "no prunable convolution 'd'"),
        (Own(), ["a"], {}, "cannot be narrower: mark what is added"),
        (Own(), ["out"], {"ratios": (1, 1 / 3)}, "gives the output"),
        (Own(), [("a", "out")], {}, "no shared width"),
        (Own(), [("a", "b")], {"ratios": (1, 0.7)}, "0.7 of 16 channels is 11.2, not a multiple of 1; nearest: 11"),
        (Own(), [("a", "b")], {"ratios": (1, 0.75), "divisor": 8}, "not a multiple of 8; nearest: 16"),
        (Own(join=True), [("a", "b")], {}, "concatenated"),
        (Own(), [("a", "b")], {"taps": ["c"]}, "no module 'c' to tap"),
    ],
)
def test_what_cannot_be_compressed_is_named(module: Any, marks: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Adapter(module, marks, EXAMPLE, **options)


def test_leading_weights_are_copied() -> None:
    wide, narrow = nn.Conv2d(4, 6, 1), nn.Conv2d(2, 3, 1)
    copy_leading(wide, narrow)
    assert torch.equal(narrow.weight, wide.weight[:3, :2])
