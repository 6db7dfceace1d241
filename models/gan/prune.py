"""Pre-distillation: a narrower generator from the channels of largest weight.

A channel weighs the sum of absolute weights of the filter that gives it. Channels are put in order of weight, in all
layers that share them (a residual stream takes the order of the convolution that begins it; a depthwise convolution
follows its input), which changes nothing that the network computes; then the first ones are kept.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.gan.elastic import copy_leading, is_depthwise
from models.gan.family import Channels, Generators
from models.gan.modules import ResNet
from models.gan.spade_modules import STAGES, Spade
from sim.errors import InputError


@dataclass(frozen=True)
class Stream:
    """Channels that one convolution begins. outputs: the modules that give them, the deciding one first; inputs: those
    that take them; norms: batch norms in between. A module is a convolution or holds one that is separable."""

    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    norms: tuple[str, ...] = ()


def streams(module: nn.Module) -> list[Stream]:
    """All streams of a generator of this package. Raises InputError for another module."""
    if isinstance(module, ResNet):
        return _resnet_streams(module)
    if isinstance(module, Spade):
        return _spade_streams()
    raise InputError(f"no order of channels is known for {type(module).__name__}; nearest: ResNet, Spade")


def sort_channels(module: nn.Module) -> nn.Module:
    """A copy that computes the same, every stream in order of falling weight."""
    module = copy.deepcopy(module)
    for stream in streams(module):
        leader = _last_conv(module.get_submodule(stream.outputs[0]))
        order = torch.argsort(_weights_of_outputs(leader), descending=True, stable=True)
        for name in stream.outputs:
            _permute_outputs(_last_conv(module.get_submodule(name)), order)
        for name in stream.inputs:
            for conv in _first_convs(module.get_submodule(name)):
                _permute_inputs(conv, order)
        for name in stream.norms:
            norm = module.get_submodule(name)
            for buffer in ("running_mean", "running_var"):
                setattr(norm, buffer, getattr(norm, buffer)[order])
    return module


def prune(wide: nn.Module, generators: Generators, channels: Channels) -> nn.Module:
    """The generator of these channels with the largest channels of `wide`, which must be of the same form."""
    narrow = generators.build(channels)
    wide_shapes = {name: tensor.shape for name, tensor in wide.state_dict().items()}
    for name, tensor in narrow.state_dict().items():
        if name not in wide_shapes or any(a > b for a, b in zip(tensor.shape, wide_shapes[name], strict=True)):
            raise InputError(f"a generator of channels {channels} is no part of the given one: see {name!r}")
    return copy_leading(sort_channels(wide), narrow)


def _weights_of_outputs(conv: nn.Module) -> Tensor:
    assert isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)
    weight = conv.weight.detach().abs()
    return weight.sum((0, 2, 3) if isinstance(conv, nn.ConvTranspose2d) else (1, 2, 3))


def _convs(module: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    return [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)]


def _last_conv(module: nn.Module) -> nn.Conv2d | nn.ConvTranspose2d:
    return _convs(module)[-1]


def _first_convs(module: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    """What takes the input: the first convolution, and the one behind it where the first is depthwise."""
    convs = _convs(module)
    return convs[:2] if is_depthwise(convs[0]) else convs[:1]


@torch.no_grad()
def _permute_outputs(conv: nn.Conv2d | nn.ConvTranspose2d, order: Tensor) -> None:
    weight = conv.weight
    weight.copy_(weight[:, order] if isinstance(conv, nn.ConvTranspose2d) else weight[order])
    if conv.bias is not None:
        conv.bias.copy_(conv.bias[order])


@torch.no_grad()
def _permute_inputs(conv: nn.Conv2d | nn.ConvTranspose2d, order: Tensor) -> None:
    if is_depthwise(conv):
        _permute_outputs(conv, order)
    elif isinstance(conv, nn.ConvTranspose2d):
        conv.weight.copy_(conv.weight[order])
    else:
        conv.weight.copy_(conv.weight[:, order])


def _resnet_streams(module: ResNet) -> list[Stream]:
    blocks = [f"model.{10 + block}.conv_block" for block in range(module.spec.blocks)]
    up = 10 + len(blocks)
    residual = Stream(("model.7", *(f"{one}.6" for one in blocks)), (*(f"{one}.1" for one in blocks), f"model.{up}"))
    inner = [Stream((f"{one}.1",), (f"{one}.6",)) for one in blocks]
    return [
        Stream(("model.1",), ("model.4",)),
        Stream(("model.4",), ("model.7",)),
        residual,
        *inner,
        Stream((f"model.{up}",), (f"model.{up + 3}",)),
        Stream((f"model.{up + 3}",), (f"model.{up + 7}",)),
    ]


def _spade_streams() -> list[Stream]:
    """The first three blocks add to what `fc` begins; each later one begins a stream with its second convolution."""
    found = []
    starts: list[tuple[list[str], list[str], list[str]]] = [(["fc"], [], [])]
    for name in STAGES:
        outputs, inputs, norms = starts[-1]
        projected = name.startswith("up_")
        for norm in ("norm_0", "norm_s") if projected else ("norm_0",):
            outputs += [f"{name}.{norm}.gamma", f"{name}.{norm}.beta"]
            norms.append(f"{name}.{norm}.norm")
        inputs += [f"{name}.conv_0", f"{name}.conv_s"] if projected else [f"{name}.conv_0"]
        if projected:
            starts.append(([f"{name}.conv_1", f"{name}.conv_s"], [], []))
        else:
            outputs.append(f"{name}.conv_1")
        inner = (f"{name}.conv_0", f"{name}.norm_1.gamma", f"{name}.norm_1.beta")
        found.append(Stream(inner, (f"{name}.conv_1",), (f"{name}.norm_1.norm",)))
        for norm in ("norm_0", "norm_1", "norm_s") if projected else ("norm_0", "norm_1"):
            whole = f"{name}.{norm}"
            found.append(Stream((f"{whole}.shared",), (f"{whole}.gamma", f"{whole}.beta")))
    starts[-1][1].append("conv_img")
    return found + [Stream(tuple(outputs), tuple(inputs), tuple(norms)) for outputs, inputs, norms in starts]
