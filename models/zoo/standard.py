"""The standard networks by name, and the smallest image that each one takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from models.ofa.resnet_space import resnet50d
from models.zoo import classic, mobile
from models.zoo.registry import Size, square
from sim.errors import InputError, WorkloadError
from sim.network import Network

NETWORKS: dict[str, Callable[[int], Network]] = {
    **{
        function.__name__: function
        for function in (
            mobile.mobilenet_v2,
            mobile.mobilenet_v3_large,
            mobile.mobilenet_v3_small,
            mobile.mobilenet_v3_large_ofa,
            mobile.mnasnet1_0,
            mobile.efficientnet_b0,
            mobile.efficientnet_b1,
            mobile.shufflenet_v2_x1_0,
            classic.squeezenet1_1,
            classic.resnet18,
            classic.resnet50,
            classic.resnext50_32x4d,
            classic.regnet_x_400mf,
            classic.densenet121,
            classic.inception_v3,
            classic.alexnet,
            classic.vgg16,
            resnet50d,
        )
    },
    **{f"proxyless_{variant}": partial(mobile.proxyless, variant) for variant in mobile.PROXYLESS},
}


def lower(name: str, arch: str, size: Size) -> Network:
    """A standard network at a resolution. Raises InputError where the image is too small for it."""
    side = square(size, name)
    try:
        return NETWORKS[name.removeprefix("zoo/")](side)
    except WorkloadError as error:
        raise InputError(f"{name} cannot take an image of side {side}: {error}; nearest: 224") from None
