"""Layers whose width is chosen at each call, made from plain ones: a sub-network uses the first channels of each layer.

`make_elastic` turns any network of convolutions, transposed convolutions and norms into one; names and shapes of its
parameters stay. Convolutions take as many channels as come in and give as many as are set; depthwise ones and norms
follow their input. NOT possible: groups other than 1 and depthwise in what is made narrower.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


def is_depthwise(conv: nn.Module) -> bool:
    """Whether every channel is filtered by itself."""
    return isinstance(conv, nn.Conv2d) and 1 < conv.groups == conv.in_channels == conv.out_channels


def _cut(tensor: Tensor | None, *counts: int) -> Tensor | None:
    if tensor is None:
        return None
    for axis, count in enumerate(counts):
        if tensor.shape[axis] != count:
            tensor = tensor.narrow(axis, 0, count)
    return tensor


class ElasticConv2d(nn.Conv2d):
    """A convolution that gives its first `active` channels."""

    active = 0

    def forward(self, x: Tensor) -> Tensor:
        before = x.shape[1]
        if is_depthwise(self):
            active, groups, weight = before, before, _cut(self.weight, before)
        elif self.groups > 1:
            active, groups, weight = self.out_channels, self.groups, self.weight
        else:
            active, groups, weight = self.active, 1, _cut(self.weight, self.active, before)
        padding = cast(tuple[int, int] | str, self.padding)
        if self.padding_mode != "zeros":
            x = functional.pad(x, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0, 0)
        bias = _cut(self.bias, active)
        return functional.conv2d(x, cast(Tensor, weight), bias, self.stride, padding, self.dilation, groups)


class ElasticConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that gives its first `active` channels. Its groups must be 1."""

    active = 0

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        weight = cast(Tensor, _cut(self.weight, x.shape[1], self.active))
        bias = _cut(self.bias, self.active)
        return functional.conv_transpose2d(
            x,
            weight,
            bias,
            cast(tuple[int, int], self.stride),
            cast(tuple[int, int], self.padding),
            cast(tuple[int, int], self.output_padding),
            1,
            cast(tuple[int, int], self.dilation),
        )


class ElasticBatchNorm2d(nn.BatchNorm2d):
    """As wide as its input. Statistics are shared by all widths, so they must be taken anew for a sub-network."""

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[1]
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return functional.batch_norm(
            x,
            _cut(self.running_mean, count),
            _cut(self.running_var, count),
            _cut(self.weight, count),
            _cut(self.bias, count),
            self.training or self.running_mean is None,
            0.1 if self.momentum is None else self.momentum,
            self.eps,
        )


class ElasticInstanceNorm2d(nn.InstanceNorm2d):
    """As wide as its input; no running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[1]
        return functional.instance_norm(x, None, None, _cut(self.weight, count), _cut(self.bias, count), eps=self.eps)


Elastic = ElasticConv2d | ElasticConvTranspose2d
_KINDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: ElasticConv2d,
    nn.ConvTranspose2d: ElasticConvTranspose2d,
    nn.BatchNorm2d: ElasticBatchNorm2d,
    nn.InstanceNorm2d: ElasticInstanceNorm2d,
}


def make_elastic(module: nn.Module) -> nn.Module:
    """A copy of `module` with elastic layers, all of full width."""
    module = copy.deepcopy(module)
    for one in module.modules():
        if type(one) in _KINDS:
            one.__class__ = _KINDS[type(one)]
        if isinstance(one, Elastic):
            one.active = one.out_channels
    return module


def wide_layers(module: nn.Module) -> dict[str, nn.Conv2d | nn.ConvTranspose2d]:
    """Convolutions whose number of outputs is their own, by name: all but depthwise ones."""
    return {
        name: one
        for name, one in module.named_modules()
        if isinstance(one, nn.Conv2d | nn.ConvTranspose2d) and not is_depthwise(one)
    }


def set_widths(module: nn.Module, widths: Mapping[str, int]) -> None:
    """Output channels of elastic convolutions, by name."""
    for name, width in widths.items():
        layer = module.get_submodule(name)
        assert isinstance(layer, Elastic)
        layer.active = width


@torch.no_grad()
def copy_leading(source: nn.Module, target: nn.Module) -> nn.Module:
    """Every parameter and buffer of `target` becomes the leading part of that of the same name. Gives `target`."""
    state = source.state_dict()
    for name, tensor in target.state_dict().items():
        wide = state[name]
        tensor.copy_(wide[tuple(slice(0, count) for count in tensor.shape)])
    return target


@torch.no_grad()
def cut_to_active(module: nn.Module, *examples: Tensor) -> nn.Module:
    """A plain network that does what the elastic one does at its active widths; `examples` are run through it once."""
    seen: dict[str, tuple[int, int]] = {}
    handles = [
        layer.register_forward_hook(
            lambda _, inputs, output, name=name: seen.update({name: (inputs[0].shape[1], output.shape[1])})
        )
        for name, layer in module.named_modules()
        if type(layer) in _KINDS.values()
    ]
    mode = module.training
    module.eval()
    module(*examples)
    module.train(mode)
    for handle in handles:
        handle.remove()
    plain = copy.deepcopy(module)
    for name, layer in plain.named_modules():
        if type(layer) in _KINDS.values():
            before, after = seen.get(name, (None, None))
            _narrow(layer, before, after)
    return plain


def _narrow(layer: nn.Module, before: int | None, after: int | None) -> None:
    """Make an elastic layer a plain one of these widths (of its own where it did not run)."""
    layer.__class__ = next(plain for plain, elastic in _KINDS.items() if type(layer) is elastic)
    if before is None or after is None:
        return
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        if is_depthwise(layer):
            layer.groups, shape = before, (before, 1)
        elif layer.groups > 1:
            shape = (layer.weight.shape[0], layer.weight.shape[1])
        else:
            shape = (before, after) if isinstance(layer, nn.ConvTranspose2d) else (after, before)
        layer.in_channels, layer.out_channels = before, after
        layer.weight = nn.Parameter(cast(Tensor, _cut(layer.weight.detach(), *shape)).clone())
        if layer.bias is not None:
            layer.bias = nn.Parameter(cast(Tensor, _cut(layer.bias.detach(), after)).clone())
    elif isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d):
        layer.num_features = after
        for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
            if tensor.ndim:
                part = cast(Tensor, _cut(tensor.detach(), after)).clone()
                setattr(layer, name, nn.Parameter(part) if name in ("weight", "bias") else part)
