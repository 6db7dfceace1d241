"""The training loop: token batches, accumulation, label smoothing, several processes under torchrun.

An update is the gradient of the mean loss over all target tokens of `accumulate` batches in every process. Dropout and
batches of an update follow from the seed and its number, so a run that is resumed ends with the same bytes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lite_transformer.batches import Batch, TokenBatches
from models.lite_transformer.config import TrainingTable
from models.lite_transformer.model import PAD, TextModel
from models.lite_transformer.schedule import learning_rate


class World:
    """The processes of a run: this one alone, or those of torchrun (its variables RANK and WORLD_SIZE)."""

    def __init__(self) -> None:
        self.rank, self.size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        cuda = torch.cuda.is_available()
        self.device = torch.device("cuda", local) if cuda else torch.device("cpu")
        if self.size > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if cuda else "gloo")

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model, with gradients averaged over the processes."""
        if self.size == 1:
            return model
        return nn.parallel.DistributedDataParallel(model, [self.device.index] if self.device.type == "cuda" else None)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()

    def close(self) -> None:
        """Leave the group of processes."""
        if self.size > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


class Trainer:
    """Updates of `model` on `batches`. after_step: called with the model after each update (pruning masks)."""

    def __init__(
        self,
        model: TextModel,
        batches: TokenBatches,
        settings: TrainingTable,
        world: World | None = None,
        after_step: Callable[[TextModel], None] | None = None,
    ) -> None:
        self.world = world or World()
        self.model = model.to(self.world.device)
        self.wrapped = self.world.wrap(self.model)
        self.batches, self.settings, self.after_step = batches, settings, after_step
        self.step, self.tokens = 0, 0
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-8, weight_decay=settings.weight_decay
        )

    def update(self) -> float:
        """One update; the mean loss a target token, label smoothing included, of this process."""
        settings, world = self.settings, self.world
        first = self.step * settings.accumulate * world.size
        group = [self.batches.at(first + place) for place in range(settings.accumulate * world.size)]
        total = sum(batch.tokens for batch in group)
        mine = group[world.rank :: world.size]
        torch.manual_seed(((settings.seed * 1_000_003 + self.step) * 4099 + world.rank) % 2**63)
        self.wrapped.train()
        summed = 0.0
        for place, batch in enumerate(mine):
            with self._quiet(place < len(mine) - 1):
                loss = self._loss(batch.to(world.device))
                (loss * (world.size / total)).backward()  # type: ignore[no-untyped-call]
            summed += float(loss.detach())
        for part in self.optimizer.param_groups:
            part["lr"] = learning_rate(self.step, settings)
        if settings.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.after_step is not None:
            self.after_step(self.model)
        self.step += 1
        self.tokens += total
        return summed / sum(batch.tokens for batch in mine)

    def _loss(self, batch: Batch) -> Tensor:
        bf16 = self.settings.bf16
        with torch.autocast(self.world.device.type, torch.bfloat16, enabled=bf16):
            logits = self.wrapped(batch.source, batch.inputs)
        return summed_loss(logits.float(), batch.targets, self.settings.label_smoothing)

    @contextlib.contextmanager
    def _quiet(self, more: bool) -> Iterator[None]:
        """No exchange of gradients while there is more to accumulate."""
        if more and isinstance(self.wrapped, nn.parallel.DistributedDataParallel):
            with self.wrapped.no_sync():
                yield
        else:
            yield


def summed_loss(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy summed over the tokens of `targets` that are no padding."""
    flat = logits.reshape(-1, logits.shape[-1])
    return functional.cross_entropy(
        flat, targets.reshape(-1), ignore_index=PAD, label_smoothing=smoothing, reduction="sum"
    )


@torch.no_grad()
def mean_loss(model: TextModel, batches: TokenBatches, device: torch.device | None = None) -> float:
    """Nats a target token, without smoothing or dropout."""
    model.eval()
    total, tokens = 0.0, 0
    for batch in batches.in_order():
        moved = batch if device is None else batch.to(device)
        total += float(summed_loss(model(moved.source, moved.inputs), moved.targets))
        tokens += batch.tokens
    return total / tokens
