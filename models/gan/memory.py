"""What a frozen teacher makes of training images, computed once for each image and its mirror image.

A teacher costs several times its student, and a training set is seen many times. Each image is given to the teacher by
itself, so that what is kept does not depend on the images beside it: a run that was killed, whose memory is empty, ends
with the same bytes. What does not fit is computed anew each time. Only for teachers whose output for an image does not
depend on the others (instance norm, or batch norm in evaluation mode).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.gan.distill import Taps

Taught = tuple[Tensor, ...]


class TeacherMemory:
    """The teacher's image and its outputs at the taps. limit_bytes: the most that is kept."""

    def __init__(self, teacher: nn.Module, taps: Sequence[str], limit_bytes: int) -> None:
        self.teacher = teacher.eval().requires_grad_(False)
        self.taps, self.limit_bytes = tuple(taps), limit_bytes
        self.kept: dict[int, Taught] = {}
        self.bytes = 0

    def __call__(self, keys: Sequence[int], inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """For inputs (n, …) that are named by n keys: images (n, 3, side, side), and what is at each tap."""
        each = [self._one(key, inputs[place : place + 1]) for place, key in enumerate(keys)]
        image, *hints = (torch.cat(parts) for parts in zip(*each, strict=True))
        return image, hints

    @torch.no_grad()
    def _one(self, key: int, alone: Tensor) -> Taught:
        if key in self.kept:
            return self.kept[key]
        with Taps(self.teacher, self.taps) as taps:
            found = (self.teacher(alone), *taps.outputs)
        size = sum(one.nbytes for one in found)
        if self.bytes + size <= self.limit_bytes:
            self.kept[key] = found
            self.bytes += size
        return found
