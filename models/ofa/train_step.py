"""One step: the summed gradients of some sub-networks on one batch, and what several processes do about them.

loss of a sub-network = CE(label, smoothed) + w * CE(student, softmax(teacher)); the teacher is the full network as it
was after its own phase, run in training mode (batch statistics) without gradient. A batch may be cut into parts, each
with its own batch statistics and augmentation; gradients are averaged over parts. P processes with B / P images each
thus do what one process does with P parts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from models.ofa.architecture import Architecture
from models.ofa.supernet import Supernet
from sim.errors import ConfigError


@dataclass(frozen=True)
class Losses:
    """Label smoothing, weight of the distillation loss, and the type that products are made in."""

    label_smoothing: float = 0.1
    distillation: float = 1.0
    precision: torch.dtype = torch.float32


def add_gradients(
    net: nn.Module,
    teacher: nn.Module | None,
    images: Tensor,
    labels: Tensor,
    archs: Sequence[Architecture | None],
    how: Losses,
    share: float = 1.0,
) -> float:
    """Add to the gradients of `net`: for each of `archs`, of its loss times `share`. Gives the mean loss."""
    total = 0.0
    with torch.autocast(images.device.type, how.precision, enabled=how.precision != torch.float32):
        soft = _soft_labels(teacher, images) if teacher is not None else None
        for arch in archs:
            if arch is not None and isinstance(net, Supernet):
                net.set_active(arch)
            logits = net(images).float()
            loss = functional.cross_entropy(logits, labels, label_smoothing=how.label_smoothing)
            if soft is not None:
                loss = loss + how.distillation * functional.cross_entropy(logits, soft)
            (loss * share).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
    return total / len(archs)


@torch.no_grad()
def _soft_labels(teacher: nn.Module, images: Tensor) -> Tensor:
    teacher.train()
    return functional.softmax(teacher(images).float(), 1)


class Group:
    """The processes that train together: this one alone, or those that torchrun started."""

    def __init__(self, device: str = "auto") -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device = _device(device)
        if self.size > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def parts(self, count: int) -> range:
        """Which of `count` parts of a batch are this process's. Raises ConfigError where they cannot be dealt."""
        if count % self.size:
            raise ConfigError(f"run.micro_batches = {count}: not a multiple of the {self.size} processes")
        return range(self.rank, count, self.size)

    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Sum each tensor over all processes, in place."""
        if self.size == 1:
            return
        many = list(tensors)
        flat = torch.cat([one.reshape(-1) for one in many])
        distributed.all_reduce(flat)
        for one, values in zip(many, torch.split(flat, [one.numel() for one in many]), strict=True):
            one.copy_(values.view(one.shape))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("run.device = 'cuda': torch sees no such device; nearest: cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device
