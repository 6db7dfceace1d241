"""Generators as torch modules: exact counts, names of the public package, bad input."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from models.gan.discriminators import MultiScaleDiscriminator, PatchDiscriminator  # noqa: E402
from models.gan.generators import ResNetGenerator, SpadeGenerator  # noqa: E402
from models.gan.modules import ResNet, count_parameters  # noqa: E402
from models.gan.spade_modules import Spade  # noqa: E402
from models.zoo.from_torch import from_torch  # noqa: E402
from models.zoo.mac_rules import count  # noqa: E402
from sim.errors import InputError  # noqa: E402

DATA = Path(__file__).resolve().parents[2] / "data" / "count_anchors.toml"
ANCHORS = [
    one
    for one in tomllib.loads(DATA.read_text(encoding="utf-8"))["anchor"]
    if one["network"].startswith(("gan/resnet", "gan/mobile", "gan/spade"))
]


def on_meta(network: str) -> tuple[Any, Any]:
    """The module that a network name stands for, and an input."""
    name, _, size = network.removeprefix("gan/").partition("@")
    what, _, arch = name.partition(":")
    width, _, height = size.partition("x")
    legacy, arch = arch.startswith("legacy:"), arch.removeprefix("legacy:") or "ngf64"
    full = arch == "full"
    numbers = (
        (64,) * 8 if full else (int(arch[3:]),) * 8 if arch.startswith("ngf") else tuple(map(int, arch.split("_")))
    )
    with torch.device("meta"):
        if "resnet" in what:
            module: Any = ResNet(ResNetGenerator(numbers, what == "mobile_resnet", legacy))
            channels = 3
        else:
            channels = 36 if what == "spade" else 184
            module = Spade(SpadeGenerator(numbers, not full, channels, what == "spade"))
        return module, torch.zeros(1, channels, int(height or width), int(width))


@pytest.mark.parametrize("anchor", ANCHORS, ids=lambda anchor: anchor["network"])
def test_built_modules_equal_the_anchors(anchor: dict[str, Any]) -> None:
    module, example = on_meta(anchor["network"])
    network = from_torch(module, example)
    rules = [key for key in anchor if key not in ("network", "params")]
    assert {rule: count(network, rule) for rule in rules} == {rule: anchor[rule] for rule in rules}
    if "params" in anchor:
        assert count_parameters(module) == anchor["params"]


@pytest.mark.parametrize(
    "spec", [ResNetGenerator((16, 8, 24, 8, 16, 24, 8, 16), blocks=6), ResNetGenerator((8,) * 8, False)]
)
def test_modules_and_descriptions_count_alike(spec: ResNetGenerator) -> None:
    built = from_torch(ResNet(spec), torch.zeros(1, 3, 64, 64))
    described = spec.lower(64, 64)
    assert (built.macs, built.params) == (described.macs, described.params)


def test_a_shortcut_is_projected_even_where_the_width_stays() -> None:
    spec = SpadeGenerator((8, 8, 8, 8, 4, 8, 4, 4), semantic=5, more=False)  # 8 * 4 == 4 * 8
    built = from_torch(Spade(spec), torch.zeros(1, 5, 64, 64))
    described = spec.lower(64, 64)
    assert (built.macs, built.params) == (described.macs, described.params)


def test_parameters_have_the_names_of_the_public_package() -> None:
    names = set(ResNet(ResNetGenerator((8,) * 8, False)).state_dict())
    assert {"model.1.weight", "model.10.conv_block.1.weight", "model.19.bias", "model.26.weight"} <= names
    names = set(ResNet(ResNetGenerator((8,) * 8)).state_dict())
    assert "model.10.conv_block.1.conv.2.weight" in names


@pytest.mark.parametrize("shape", [(1, 3, 30, 32), (1, 1, 32, 32), (3, 32, 32)])
def test_images_that_do_not_fit_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="multiples of 4"):
        ResNet(ResNetGenerator((4,) * 8, blocks=3))(torch.zeros(shape))


def test_labels_that_do_not_fit_are_named() -> None:
    spade = Spade(SpadeGenerator((4,) * 8, semantic=5, more=False))
    with pytest.raises(InputError, match="multiples of 32"):
        spade(torch.zeros(1, 5, 48, 64))
    with pytest.raises(InputError, match="two pixels"):
        spade(torch.zeros(1, 5, 32, 32))


def test_blocks_come_in_thirds() -> None:
    with pytest.raises(InputError, match="got 4"):
        ResNetGenerator((8,) * 8, blocks=4)


def test_a_patch_of_70_pixels() -> None:
    net = PatchDiscriminator(6, 8)
    image = torch.zeros(1, 6, 256, 256, requires_grad=True)
    score = net(image)[-1]
    assert score.shape == (1, 1, 30, 30)
    only = PatchDiscriminator(6, 8)
    for stage in only.stages:  # norms look at the whole plane; without them a score sees its patch only
        if len(stage) == 3:
            stage[1] = torch.nn.Identity()
    torch.nn.init.constant_(only.stages[0][0].weight, 0.01)
    only(image)[-1][0, 0, 15, 15].backward()
    seen = image.grad.abs().sum((0, 1))
    assert (seen.sum(0) > 0).sum() == 70
    assert (seen.sum(1) > 0).sum() == 70


def test_scales_halve_the_image() -> None:
    features = MultiScaleDiscriminator(4, 8)(torch.zeros(2, 4, 64, 64))
    assert [scale[0].shape[-1] for scale in features] == [32, 16]
    assert [len(scale) for scale in features] == [5, 5]
