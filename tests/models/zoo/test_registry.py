"""Networks by name: every listed one exists, defaults and resolutions do what they say, refusals name the nearest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.ofa.space import space
from models.zoo import registry
from models.zoo.mac_rules import count
from sim.errors import InputError
from sim.fusion import INFERENCE
from sim.workload import Context


def test_every_listed_name_can_be_lowered_at_once() -> None:
    names = registry.names()
    batch = registry.lower_batch(names, fusion=INFERENCE)
    assert list(batch.names) == names
    assert (batch.macs > 0).all()
    assert (batch.params > 0).all()


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("ofa/mbv3-w1.0", "ofa/mbv3-w1.0:max@224"),
        ("ofa/mbv3-w1.2:mid", "ofa/mbv3-w1.2:k5e4d3@224"),
        ("zoo/efficientnet_b1", "zoo/efficientnet_b1@240"),
        ("gan/spade", "gan/spade:full@512x256"),
        ("gan/resnet_9blocks", "gan/resnet_9blocks:ngf64@256"),
        ("gan/mobile_resnet@256x256", "gan/mobile_resnet:64_64_64_64_64_64_64_64@256"),
        ("lite-transformer/wmt", "lite-transformer/wmt:c496"),
        ("transformer", "transformer/d512"),
    ],
)
def test_defaults(short: str, full: str) -> None:
    assert registry.lower(short) == registry.lower(full)


def test_an_architecture_file_with_its_own_resolution(tmp_path: Path) -> None:
    path = tmp_path / "a.b@c" / "arch.json"
    path.parent.mkdir()
    arch = space("mbv3-w1.0").uniform(5, 4, 3, 160)
    path.write_text(json.dumps(arch.record()))
    assert registry.lower(f"ofa/mbv3-w1.0:{path}") == registry.lower("ofa/mbv3-w1.0:k5e4d3@160")
    assert registry.lower(f"ofa/mbv3-w1.0:{path}@192") == registry.lower("ofa/mbv3-w1.0:k5e4d3@192")
    path.write_text(json.dumps({"d": [0] * 5, "e": [0.2] * 18, "w": [0] * 6, "r": 224}))
    assert registry.lower(f"ofa/resnet50d:{path}") == registry.lower("ofa/resnet50d:min")


def test_released_networks_keep_their_own_resolution() -> None:
    name = "ofa/released:flops-595M_top1-80.0_finetune-75"
    assert registry.lower(name) == registry.lower(f"{name}@236") != registry.lower(f"{name}@224")


def test_generators_scale_with_the_image() -> None:
    small, large = (count(registry.lower(f"gan/mobile_resnet:ngf32@{size}")) for size in ("256", "512x256"))
    assert large == 2 * small


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zoo/mobilenet_v4", "no network 'zoo/mobilenet_v4'; nearest: zoo/mobilenet_v"),
        ("ofa/mbv3-w1.1", "nearest: ofa/mbv3-w1"),
        ("zoo/resnet50:wide", "has no variants, got 'wide'"),
        ("zoo/resnet50@abc", "'abc' is no resolution; nearest: 224"),
        ("zoo/resnet50@", "is no resolution"),
        ("zoo/resnet50@0", "'0' is no resolution"),
        ("zoo/resnet50@224x256", "takes square images, got 224x256; nearest: 256"),
        ("zoo/vgg16@9", "cannot take an image of side 9"),
        ("ofa/mbv3-w1.0:k4e4d3", r"ks\[0\] is 4"),
        ("ofa/mbv3-w1.0:big", "no architecture 'big'"),
        ("ofa/mbv3-w1.0:max@24", "resolution 24 is below 32"),
        ("ofa/resnet50d:k5e4d3", "no architecture 'k5e4d3'"),
        ("ofa/released:flops-389M", "no published network 'flops-389M'; nearest: flops-389M_top1-79.1_finetune-75"),
        ("ofa/mbv3-w1.0:none.json", "cannot read 'none.json'"),
        ("gan/mobile_resnet:32_32", "8 channel numbers"),
        ("gan/mobile_resnet:legacy:32_32_32_32_32_32_32_32", "legacy form has 6"),
        ("gan/mobile_resnet:wide", "no architecture 'wide'; nearest: ngf64"),
        ("gan/mobile_resnet:ngf64@255", "multiples of 4"),
        ("gan/spade:full@256", None),
        ("gan/spade:full@100", "multiples of 64"),
        ("gan/munit:32_32", "10 channel numbers"),
        ("lite-transformer/wmt:d496", "no architecture 'd496'; nearest: c496"),
        ("lite-transformer/wmt:c495", "multiple of 8, got 495; nearest: 496"),
        ("lite-transformer/wmt:c496@224", "has no resolution, got '224'"),
        ("", "no network ''"),
    ],
)
def test_refusals(name: str, words: str | None) -> None:
    if words is None:
        assert registry.lower(name).macs > 0
        return
    with pytest.raises(InputError, match=words):
        registry.lower(name)


@pytest.mark.parametrize("content", ["{", "[]", "3", '{"ks": 3}', '{"ks": [3], "e": [3], "d": [2]}', '{"ks": ["x"]}'])
def test_a_file_that_is_no_architecture(tmp_path: Path, content: str) -> None:
    path = tmp_path / "arch.json"
    path.write_text(content)
    for family in ("mbv3-w1.0", "resnet50d"):
        with pytest.raises(InputError, match=r"arch\.json"):
            registry.lower(f"ofa/{family}:{path}")


def test_a_batch_takes_a_context() -> None:
    batch = registry.lower_batch(["zoo/resnet18"], context=Context(dtype="int8", batch_size=4))
    assert batch.macs.tolist() == [4 * 1_814_073_344]
    assert batch.weight_bytes.tolist() == [11_689_512]
