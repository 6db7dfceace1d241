"""Networks by name: ``FAMILY/NAME[:ARCH][@RES]`` to operators.

One table for all families; each family reads its own ARCH. RES is a side, or width x height (``512x256``). A name that
ends in ``.onnx`` is a file. Nothing of a family is imported before one of its networks is asked for.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.errors import InputError, nearest

if TYPE_CHECKING:
    from sim.network import Network
    from sim.workload import Context, WorkloadBatch

Size = tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """A name that can be asked for. place: ``module:function`` of ``(name, arch, size) -> Network``; arch is empty if
    not given. resolution: the default. archs: examples of ARCH, the default first; empty where there is none."""

    name: str
    about: str
    place: str
    resolution: str
    archs: tuple[str, ...] = ()


def _standard(name: str, about: str, resolution: int = 224) -> Entry:
    return Entry(f"zoo/{name}", about, "models.zoo.standard:lower", str(resolution))


_OFA = ("max", "mid", "min", "k5e4d3", "ARCH.json")
_OFA_PLACE, _GAN_PLACE, _MT_PLACE = (
    "models.ofa.names:lower",
    "models.gan.names:lower",
    "models.lite_transformer.names:lower",
)
ENTRIES = (
    _standard("mobilenet_v2", "MobileNetV2"),
    _standard("mobilenet_v3_large", "MobileNetV3-Large"),
    _standard("mobilenet_v3_small", "MobileNetV3-Small"),
    _standard("mobilenet_v3_large_ofa", "MobileNetV3-Large of the Once-for-All repository"),
    _standard("mnasnet1_0", "MnasNet"),
    _standard("proxyless_mobile", "ProxylessNAS for phones"),
    _standard("proxyless_mobile14", "ProxylessNAS for phones, 1.4 times as wide"),
    _standard("proxyless_cpu", "ProxylessNAS for CPUs"),
    _standard("proxyless_gpu", "ProxylessNAS for GPUs"),
    _standard("efficientnet_b0", "EfficientNet-B0"),
    _standard("efficientnet_b1", "EfficientNet-B1", 240),
    _standard("shufflenet_v2_x1_0", "ShuffleNetV2"),
    _standard("squeezenet1_1", "SqueezeNet 1.1"),
    _standard("resnet18", "ResNet-18"),
    _standard("resnet50", "ResNet-50"),
    _standard("resnet50d", "ResNet-50-D of the Once-for-All repository"),
    _standard("resnext50_32x4d", "ResNeXt-50"),
    _standard("regnet_x_400mf", "RegNetX of 400 MFLOP"),
    _standard("densenet121", "DenseNet-121"),
    _standard("inception_v3", "Inception v3", 299),
    _standard("alexnet", "AlexNet"),
    _standard("vgg16", "VGG-16"),
    Entry("ofa/mbv3-w1.0", "Once-for-All MobileNetV3", _OFA_PLACE, "224", _OFA),
    Entry("ofa/mbv3-w1.2", "Once-for-All MobileNetV3, 1.2 times as wide", _OFA_PLACE, "224", _OFA),
    Entry("ofa/proxyless-w1.3", "Once-for-All ProxylessNAS", _OFA_PLACE, "224", _OFA),
    Entry("ofa/mini", "Once-for-All for 28-pixel images", _OFA_PLACE, "28", _OFA),
    Entry("ofa/resnet50d", "Once-for-All ResNet-50-D", _OFA_PLACE, "224", ("max", "mid", "min", "ARCH.json")),
    Entry(
        "ofa/released",
        "the published specialised networks, by their names",
        _OFA_PLACE,
        "its own",
        ("flops-389M_top1-79.1_finetune-75", "note10_lat-30ms_top1-78.4_finetune-75"),
    ),
    Entry("gan/resnet_9blocks", "CycleGAN generator", _GAN_PLACE, "256", ("ngf64",)),
    Entry(
        "gan/mobile_resnet",
        "its mobile form: width, or 8 channel numbers",
        _GAN_PLACE,
        "256",
        ("ngf64", "32_32_48_32_48_48_16_16", "legacy:32_32_40_48_16_32"),
    ),
    Entry("gan/spade", "GauGAN, Cityscapes", _GAN_PLACE, "512x256", ("full", "ngf64", "32_32_48_32_32_32_32_24")),
    Entry("gan/spade-coco", "GauGAN, COCO", _GAN_PLACE, "256", ("full", "ngf64", "40_32_32_40_32_40_24_24")),
    Entry("gan/munit", "MUNIT generator", _GAN_PLACE, "256", ("full", "16_16_16_24_56_16_40_40_32_24")),
    Entry("lite-transformer/wmt", "Lite Transformer, 30 tokens", _MT_PLACE, "", ("c496", "c200", "c408", "c496-steps")),
    Entry("lite-transformer/iwslt", "with light convolution, 30 tokens", _MT_PLACE, "", ("c160", "c240", "c320")),
    Entry("lite-transformer/cnndm", "30 tokens in, 60 out", _MT_PLACE, "", ("c496", "c496-steps")),
    Entry("lite-transformer/wikitext", "language model, 30 tokens", _MT_PLACE, "", ("c896",)),
    Entry("transformer", "plain Transformer, 30 tokens", _MT_PLACE, "", ("d512", "d128", "d256", "d320", "d512-steps")),
)
"""Every family, in the order in which it is listed. ``transformer`` takes its ARCH after a slash."""


def names() -> list[str]:
    """A full name for every entry and each of its examples, files left out."""
    listed = []
    for entry in ENTRIES:
        if not entry.archs:
            listed.append(entry.name)
        mark = "/" if entry.name == "transformer" else ":"
        listed += [f"{entry.name}{mark}{arch}" for arch in entry.archs if not arch.endswith(".json")]
    return listed


def lower(name: str) -> Network:
    """The operators of a network by its name, or of the ONNX file of that name.

    Raises InputError naming the nearest valid name, or what is wrong with the file.
    """
    if name.endswith(".onnx"):
        from models.zoo.from_onnx import from_onnx

        return from_onnx(name)
    body, at, resolution = name.rpartition("@")
    if not at or name.endswith(".json"):  # a path may hold an @
        body, at, resolution = name, "", ""
    size = parse_size(resolution, name) if at else None
    if body.startswith("transformer/"):
        body = body.replace("/", ":", 1)
    head, _, arch = body.partition(":")
    entry = next((one for one in ENTRIES if one.name == head), None)
    if entry is None:
        raise InputError(f"no network {name!r}{nearest(name, [*names(), *(one.name for one in ENTRIES)])}")
    if arch and not entry.archs:
        raise InputError(f"{head} has no variants, got {arch!r}; nearest: {head}")
    if size is not None and not entry.resolution:
        raise InputError(f"{head} has no resolution, got {resolution!r}; nearest: {body}")
    module, _, function = entry.place.partition(":")
    if size is None and entry.resolution[:1].isdigit():
        size = None if arch.endswith(".json") else parse_size(entry.resolution, name)
    network: Network = getattr(importlib.import_module(module), function)(head, arch, size)
    return network


def lower_batch(wanted: Iterable[str], *, fusion: Iterable[str] = (), context: Context | None = None) -> WorkloadBatch:
    """A batch of networks by their names. fusion: names of rules of `sim.fusion`. Raises InputError."""
    from sim.fusion import fuse
    from sim.workload import WorkloadBatch

    listed, rules = list(wanted), list(fusion)
    batch = WorkloadBatch.of([fuse(lower(name), rules) for name in listed], names=listed)
    return batch.with_context(context) if context is not None else batch


def parse_size(text: str, name: str) -> Size:
    """Height and width from a side or width x height. Raises InputError."""
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if found is None or not int(found[1]) or found[2] == "0":
        raise InputError(f"{name!r}: {text!r} is no resolution; nearest: 224, or width x height such as 512x256")
    return int(found[2] or found[1]), int(found[1])


def square(size: Size, name: str) -> int:
    """The side of a square image. Raises InputError."""
    if size[0] != size[1]:
        raise InputError(f"{name} takes square images, got {size[1]}x{size[0]}; nearest: {max(size)}")
    return size[0]
