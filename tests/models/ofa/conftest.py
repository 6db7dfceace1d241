"""The public package `ofa`, and each of its supernets beside ours with the same weights.

The package is a test dependency, installed without its own dependencies; what it imports of torchvision is never used
here and stands as an empty stub while it is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.ofa import resnet_space  # noqa: E402
from models.ofa.batch_norm import recalibrate  # noqa: E402
from models.ofa.resnet_space import MULTIPLIERS  # noqa: E402
from models.ofa.resnet_supernet import ResNetSupernet  # noqa: E402
from models.ofa.space import Space, space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402

FAMILIES = ("mbv3-w1.0", "mbv3-w1.2", "proxyless-w1.3", "resnet50d")
_STUBS = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.datasets")


@pytest.fixture(scope="session")
def tiny() -> Space:
    """A space that has every part of the large ones: squeeze-and-excite, h-swish, a final expansion."""
    functions = ("h_swish", "relu", "relu", "h_swish", "h_swish")
    choices: dict[str, Any] = {"depths": (1, 2, 3), "resolutions": (20, 24, 28)}
    images: dict[str, Any] = {"in_channels": 1, "classes": 10, "least_side": 16}
    return Space("tiny", 8, 8, (8, 16), (2, 2), (3, 3), (False, True), functions, 32, 48, **choices, **images)


@pytest.fixture(scope="session")
def public_networks() -> Any:
    """``ofa.imagenet_classification.elastic_nn.networks``; skips where the package is not installed."""
    if importlib.util.find_spec("ofa") is None:
        pytest.skip("the public package is not installed: pip install --no-deps -c constraints.txt ofa")
    added = {}
    if importlib.util.find_spec("torchvision") is None:
        added = {name: types.ModuleType(name) for name in _STUBS}
        for name in _STUBS[1:]:
            parent, _, child = name.rpartition(".")
            setattr(added[parent], child, added[name])
        added["torchvision.transforms"].RandomResizedCrop = object  # type: ignore[attr-defined]
        sys.modules.update(added)
    try:
        return importlib.import_module("ofa.imagenet_classification.elastic_nn.networks")
    finally:
        for name in added:
            del sys.modules[name]


@dataclass
class Pair:
    """Our supernet and the public one, with the same weights; how to choose the same network in both."""

    ours: Any
    public: Any

    def sample(self, count: int, seed: int) -> list[Any]:
        """Architectures of the space."""
        rng = np.random.default_rng(seed)
        resnet = isinstance(self.ours, ResNetSupernet)
        many = resnet_space.sample(count, rng) if resnet else self.ours.space.sample(count, rng)
        return [many[row] for row in range(count)]

    def choose(self, arch: Any) -> None:
        """Activate `arch` in both."""
        self.ours.set_active(arch)
        if isinstance(self.ours, ResNetSupernet):
            widths = [MULTIPLIERS.index(value) for value in arch.w]
            self.public.set_active_subnet(d=list(arch.d), e=list(arch.e), w=widths)
        else:
            self.public.set_active_subnet(ks=list(arch.ks), e=list(arch.e), d=list(arch.d))


@pytest.fixture(scope="session")
def make_pair(public_networks: Any) -> Callable[[str], Pair]:
    """A pair by the name of its family: random weights, random statistics near those of images."""

    def make(family: str) -> Pair:
        torch.manual_seed(3)
        ours: Any = ResNetSupernet() if family == "resnet50d" else Supernet(space(family))
        recalibrate(ours, [torch.randn(4, 3, 96, 96)])
        generator = torch.Generator().manual_seed(4)
        with torch.no_grad():
            for name, tensor in ours.state_dict().items():
                if ".bn." in name and tensor.is_floating_point():
                    tensor *= 0.8 + 0.4 * torch.rand(tensor.shape, generator=generator)
                    if name.endswith("bias"):
                        tensor += 0.1 * torch.randn(tensor.shape, generator=generator)
                elif name.endswith("_matrix"):
                    tensor += 0.03 * torch.randn(tensor.shape, generator=generator)
        public = _public(public_networks, family)
        public.load_state_dict(ours.state_dict())
        return Pair(ours, public)

    return make


def _public(networks: Any, family: str) -> Any:
    if family == "resnet50d":
        return networks.OFAResNets(
            depth_list=[0, 1, 2], expand_ratio_list=[0.2, 0.25, 0.35], width_mult_list=[0.65, 0.8, 1.0]
        )
    name, _, width = family.partition("-w")
    make = networks.OFAMobileNetV3 if name == "mbv3" else networks.OFAProxylessNASNets
    choices: dict[str, Any] = {"ks_list": [3, 5, 7], "expand_ratio_list": [3, 4, 6], "depth_list": [2, 3, 4]}
    return make(dropout_rate=0, width_mult=float(width), **choices)
