"""Distillation of intermediate features through learned 1 x 1 convolutions.

    Distill = sum over taps t of mean squared error( f_t(student's output at t), teacher's output at t )

f_t maps the student's channels to the teacher's and is trained with the student; in a supernet its input is cut to the
width that is active. Source: Li et al., CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.gan.elastic import ElasticConv2d
from sim.errors import InputError


class Taps:
    """A context in which the outputs of named modules are kept: `outputs`, in the order of the names."""

    def __init__(self, module: nn.Module, names: Iterable[str]) -> None:
        self._module, self._names = module, tuple(names)
        self._found: dict[str, Tensor] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> Taps:
        for name in self._names:
            hook = self._keep(name)
            self._handles.append(self._module.get_submodule(name).register_forward_hook(hook))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def outputs(self) -> list[Tensor]:
        """Of the last call."""
        return [self._found[name] for name in self._names]

    def _keep(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self._found[name] = output

        return hook


class Distiller(nn.Module):
    """The maps f_t and the loss. widths: channels of the student, at its widest, and of the teacher at each tap."""

    def __init__(self, student: Sequence[int], teacher: Sequence[int]) -> None:
        super().__init__()
        if len(student) != len(teacher):
            raise InputError(f"{len(student)} taps of the student and {len(teacher)} of the teacher")
        self.maps = nn.ModuleList()
        for before, after in zip(student, teacher, strict=True):
            one = ElasticConv2d(before, after, 1)
            one.active = after
            self.maps.append(one)

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        parts = [
            functional.mse_loss(one(mine), theirs.detach())
            for one, mine, theirs in zip(self.maps, student, teacher, strict=True)
        ]
        return torch.stack(parts).sum()


@torch.no_grad()
def tap_widths(module: nn.Module, names: Sequence[str], example: Tensor) -> list[int]:
    """Channels of the outputs of named modules."""
    mode = module.training
    module.eval()
    with Taps(module, names) as taps:
        module(example)
    module.train(mode)
    return [output.shape[1] for output in taps.outputs]
