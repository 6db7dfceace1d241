"""A generator of one's own as a space: name the convolutions that may become narrower, get what the search needs.

    adapter = Adapter(my_generator, ["encoder.0", ("block1.conv2", "block2.conv2")], example)

Convolutions whose outputs are added to each other share a width, hence stand together in a tuple. The first
channels of each layer are kept, so sort them by magnitude before (`models.gan.prune`) or train a supernet. The module
is run twice when the adapter is made, once at full and once at the least width: what does not fit is found then.
NOT possible: widths that are joined by concatenation, since leading channels of the parts are not those of the whole.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from models.gan.elastic import cut_to_active, make_elastic, set_widths, wide_layers
from models.gan.space import ChannelSpace
from models.zoo.from_torch import from_torch
from sim.errors import InputError, nearest
from sim.network import Network

Channels = tuple[int, ...]
RATIOS = (1.0, 0.75, 0.5, 0.25)


def prunable(module: nn.Module) -> list[str]:
    """Names of the convolutions that can be marked: neither depthwise nor in groups."""
    return [name for name, layer in wide_layers(module).items() if layer.groups == 1]


class Adapter:
    """`Generators` of a module: positions of the space are `marks`, choices are widths in channels."""

    def __init__(
        self,
        module: nn.Module,
        marks: Sequence[str | Sequence[str]],
        example: Tensor,
        *,
        ratios: Sequence[float] = RATIOS,
        divisor: int = 1,
        taps: Sequence[str] = (),
        name: str = "adapter",
    ) -> None:
        """divisor: every width must be a multiple of it. taps: names of modules whose outputs are distilled.

        Raises InputError: nothing marked or markable, an unknown name, widths that do not divide or do not fit.
        """
        self._module, self._example, self.taps = module, example, tuple(taps)
        self._groups = [(mark,) if isinstance(mark, str) else tuple(mark) for mark in marks]
        able = prunable(module)
        if not able:
            raise InputError(f"{name}: nothing prunable; a generator needs a convolution without groups")
        if not self._groups:
            raise InputError(f"{name}: nothing is marked as prunable; nearest: {', '.join(able[:4])}")
        for one in (name for group in self._groups for name in group):
            if one not in able:
                raise InputError(f"{name}: no prunable convolution {one!r}{nearest(one, able)}")
        for one in self.taps:
            if one not in dict(module.named_modules()):
                raise InputError(f"{name}: no module {one!r} to tap{nearest(one, dict(module.named_modules()))}")
        choices = tuple(self._choices(group, ratios, divisor) for group in self._groups)
        self.space = ChannelSpace(name, "adapter", choices)
        self._elastic = make_elastic(module)
        self._check()

    def _choices(self, group: tuple[str, ...], ratios: Sequence[float], divisor: int) -> tuple[int, ...]:
        layers = wide_layers(self._module)
        full = layers[group[0]].out_channels
        for one in group[1:]:
            if layers[one].out_channels != full:
                raise InputError(
                    f"{group[0]!r} has {full} channels, {one!r} {layers[one].out_channels}: no shared width"
                )
        found = []
        for ratio in sorted(ratios, reverse=True):
            width = Fraction(ratio).limit_denominator(1000) * full
            if width.denominator != 1 or width < 1 or width > full or width % divisor:
                close = max(divisor, round(float(width) / divisor) * divisor)
                raise InputError(
                    f"{group[0]!r}: {ratio:g} of {full} channels is {float(width):g}, not a multiple of {divisor}; "
                    f"nearest: {close}"
                )
            found.append(int(width))
        return tuple(found)

    @torch.no_grad()
    def _check(self) -> None:
        full = tuple(max(one) for one in self.space.choices)
        shape = self._run(full)
        for position, choices in enumerate(self.space.choices):
            narrow = (*full[:position], min(choices), *full[position + 1 :])
            try:
                found = self._run(narrow)
            except (RuntimeError, ValueError) as error:
                reason = str(error).strip().splitlines()[0]
                hint = "mark what is added to it together with it, or leave it out"
                raise InputError(f"{self._groups[position][0]!r} cannot be narrower: {hint} ({reason[:90]})") from None
            if found != shape:
                name = self._groups[position][0]
                raise InputError(f"{name!r} gives the output of the generator: its width cannot change")

    def _run(self, channels: Channels) -> tuple[int, ...]:
        """Shape of the output; refuses concatenations whose parts are narrower than at full width."""
        set_widths(self._elastic, self.widths(channels))
        mode = self._elastic.training
        self._elastic.eval()
        with _Concatenations(self):
            result = self._elastic(self._example)
        self._elastic.train(mode)
        return tuple(result.shape)

    def widths(self, channels: Channels) -> dict[str, int]:
        """Output channels of each marked convolution."""
        self.space.validate(tuple(channels))
        return {name: width for group, width in zip(self._groups, channels, strict=True) for name in group}

    def build(self, channels: Channels) -> nn.Module:
        """A plain copy of the module at these widths, with its leading weights."""
        net = copy.deepcopy(self._elastic)
        set_widths(net, self.widths(channels))
        return cut_to_active(net, self._example)

    @functools.lru_cache(maxsize=4096)  # noqa: B019
    def lower(self, channels: Channels) -> Network:
        """Operators of one sample."""
        return from_torch(self.build(channels), self._example)

    def example(self) -> Tensor:
        return self._example


class _Concatenations(TorchFunctionMode):
    """Notes the widths of what is concatenated; raises InputError where they change between runs of an adapter."""

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self._owner, self._found = owner, []  # type: ignore[var-annotated]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        axis = kwargs.get("dim", args[1] if len(args) > 1 else 0)
        if func in (torch.cat, torch.concat, torch.concatenate) and axis in (1, -3):
            self._found.append(tuple(part.shape[1] for part in args[0]))
        return func(*args, **kwargs)

    def __exit__(self, *what: Any) -> None:
        super().__exit__(*what)  # type: ignore[no-untyped-call]
        if what[0] is not None:
            return
        first = self._owner.__dict__.setdefault("_joined", self._found)
        if first != self._found:
            raise InputError("widths that are concatenated cannot change: leave those convolutions out of the marks")
