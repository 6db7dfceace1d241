"""Generators of the public CycleGAN / pix2pix package, and released compressed ones, from their checkpoints by name.

The shapes say what the generator is: dense or mobile, how many blocks, which channels. Keys of instance norms (kept by
old versions of torch) and the prefix of parallel training are dropped; the public package numbers the second
convolution of a block 5 or 6, without or with dropout. Files are read with ``weights_only=True``, which runs no code
of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from typing import Any

from torch import Tensor

from models.gan.generators import ResNetGenerator
from models.gan.modules import ResNet
from models.ofa import checkpoint as files
from sim.errors import InputError

_NORMS = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")
_FIRST = re.compile(r"model\.(\d+)\.conv_block\.1\.(conv\.2\.)?weight$")


def load_generator(source: str | PathLike[str] | Mapping[str, Tensor]) -> ResNet:
    """A ResNet generator with the weights of a file or a state dict.

    Raises InputError: unreadable, no ResNet generator, a key missing, unknown or of another shape.
    """
    given = source if isinstance(source, Mapping) else files._read(source)
    what = "state dict" if isinstance(source, Mapping) else repr(str(source))
    state = {_current(key): value for key, value in given.items() if not _NORMS.search(key)}
    net = ResNet(spec_of(state, what))
    files.load(net, state, "gan/resnet")
    return net


def spec_of(state: Mapping[str, Any], what: str = "state dict") -> ResNetGenerator:
    """What generator a state dict belongs to. Raises InputError where that is none of ours."""
    blocks = sorted((int(found[1]), key) for key in state if (found := _FIRST.fullmatch(key)))
    last = 10 + len(blocks)
    wanted = ("model.1.weight", "model.4.weight", "model.7.weight", f"model.{last}.weight", f"model.{last + 3}.weight")
    absent = [key for key in wanted if not isinstance(state.get(key), Tensor)]
    if absent or not blocks:
        raise InputError(
            f"{what} is no ResNet generator: it has no {(absent or ['model.10.conv_block'])[0]!r}; "
            "nearest: latest_net_G.pth of a resnet_9blocks"
        )
    stem, down, width = (int(state[key].shape[0]) for key in wanted[:3])
    up, end = (int(state[key].shape[1]) for key in wanted[3:])
    inner = [int(state[key].shape[0]) for _, key in blocks]
    separable = ".conv." in blocks[0][1]
    for name, count, divisor in (
        ("c1", down, 2),
        ("c2", width, 4),
        ("c6", up, 2),
        *(("inner", one, 4) for one in inner),
    ):
        if count % divisor:
            raise InputError(f"{what}: {count} channels at {name} do not divide by {divisor}")
    third = len(blocks) // 3
    if len(blocks) % 3:
        raise InputError(f"{what}: {len(blocks)} residual blocks; nearest: 6 or 9")
    outer = (stem, down // 2, width // 4)
    groups = tuple(inner[third * place] // 4 for place in range(3))
    spec = ResNetGenerator((*outer, *groups, up // 2, end), separable, blocks=len(blocks))
    if list(spec.inner) == inner:
        return spec
    legacy = ResNetGenerator((*outer, inner[0] // 4, up // 2, end), separable, True, len(blocks))
    if list(legacy.inner) == inner:
        return legacy
    raise InputError(f"{what}: inner widths {inner} follow neither the form of 8 numbers nor the legacy one of 6")


def _current(key: str) -> str:
    """The name that `key` has here."""
    return key.removeprefix("module.").replace(".conv_block.5.", ".conv_block.6.")
