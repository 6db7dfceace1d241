"""Channel spaces of GAN Compression, and the readings of its architecture strings."""

from __future__ import annotations

import pytest

from models.gan.generators import ResNetGenerator, SpadeGenerator
from models.gan.space import SPACES, space
from sim.errors import InputError

SIZES = {
    "resnet-channels-32": 6_561,
    "resnet-channels-48": 5_184,
    "resnet-channels-64-cyclegan": 390_625,
    "resnet-channels-64-pix2pix": 5_764_801,
    "spade-channels-48": 15_552,
    "spade-channels-64": 128_000,
    "spade-channels-64-coco": 390_625,
    "munit-channels-64": 282_475_249,
}


def test_sizes_are_those_of_the_released_spaces() -> None:
    assert {name: one.size for name, one in SPACES.items()} == SIZES


def test_published_architectures_are_in_their_spaces() -> None:
    for name, text in (
        ("resnet-channels-32", "16_16_32_16_32_32_16_16"),
        ("resnet-channels-48", "32_32_48_32_48_48_16_16"),
        ("resnet-channels-64-cyclegan", "16_16_24_16_32_64_16_24"),
        ("resnet-channels-64-pix2pix", "24_24_40_56_24_56_16_40"),
        ("spade-channels-48", "32_40_40_32_40_24_32_24"),
        ("spade-channels-64", "32_32_32_48_32_24_24_32"),
        ("spade-channels-64-coco", "40_32_32_40_32_40_24_24"),
        ("munit-channels-64", "16_16_16_24_56_16_40_40_32_24"),
    ):
        space(name).validate(tuple(int(number) for number in text.split("_")))


def test_what_is_not_in_a_space_is_named() -> None:
    with pytest.raises(InputError, match=r"c1 is 30, .*nearest: 32"):
        space("resnet-channels-32").validate((32, 30, 32, 32, 32, 32, 32, 32))
    with pytest.raises(InputError, match="8 channel numbers are needed, got 2"):
        space("resnet-channels-32").validate((32, 30))
    with pytest.raises(InputError, match="nearest: spade-channels-64"):
        space("spade-channel-64")


def test_six_numbers_have_two_readings() -> None:
    six = (32, 32, 40, 48, 16, 32)
    assert ResNetGenerator(six).inner == (192,) * 9
    assert ResNetGenerator(six, legacy=True).inner == (192, 160, 160) * 3
    assert ResNetGenerator((32, 32, 40, 48, 24, 16, 16, 32)).inner == (192,) * 3 + (96,) * 3 + (64,) * 3


def test_generators_give_images() -> None:
    for network, shape in (
        (ResNetGenerator((16,) * 8).lower(64, 96), (3, 64, 96)),
        (SpadeGenerator((8,) * 8).lower(128, 256), (3, 128, 256)),
        (SpadeGenerator((8,) * 8, semantic=184, more=False).lower(64, 64), (3, 64, 64)),
    ):
        assert network.operators[-1].output_shape == shape


def test_the_segmentation_map_stays_in_memory() -> None:
    network = SpadeGenerator((8,) * 8).lower(128, 256)
    assert network.peak_activation_bytes > 4 * 36 * 128 * 256
