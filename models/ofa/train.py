"""Training by phases, from any step on: the loop that the supernet, its rival and networks by themselves share.

Everything random follows from the seed and the step, and the checkpoint holds weights and momenta, so a run that was
killed at any moment ends with the same bytes on the same machine (and the same number of threads) as one that was not.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim

from models.data.augment import training_batch
from models.data.images import DataPair, hold_out
from models.ofa import train_state
from models.ofa.architecture import Architecture
from models.ofa.batch_norm import recalibrate
from models.ofa.channel_sort import sort_channels
from models.ofa.evaluate import Batches, Evaluator, grid_record, validation_grid
from models.ofa.space import Space
from models.ofa.supernet import Supernet
from models.ofa.train_config import TrainConfig
from models.ofa.train_phases import Phase, derived, sampled
from models.ofa.train_state import Place
from models.ofa.train_step import Group, Losses, add_gradients
from sim.errors import InputError

Progress = Callable[[str, int, int], None]
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Task:
    """What is trained: `phases` of `space` on `data`; `arch` alone where it is given."""

    config: TrainConfig
    space: Space
    phases: tuple[Phase, ...]
    data: DataPair
    seed: int = 0
    arch: Architecture | None = None

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        settings = self.config.model_dump(exclude={"study": True, "run": {"checkpoint_every_s"}, "data": {"source"}})
        made = {"space": self.space.name, "seed": self.seed, "data": self.data.sha256, "settings": settings}
        alone = self.arch.record() if self.arch else None
        return made | {"phases": [phase.name for phase in self.phases], "architecture": alone}


class Trainer:
    """A run in a folder. Raises InputError where the data do not fit the space, or the folder holds another run."""

    def __init__(self, task: Task, folder: Path, *, resume: bool = False, group: Group | None = None) -> None:
        self.task, self.folder = task, folder
        self.config, self.space = task.config, task.space
        require_fit(task.space, task.data)
        self.group = group or Group(self.config.run.device)
        self.parts = self.config.run.micro_batches or self.group.size
        if self.config.run.threads:
            torch.set_num_threads(self.config.run.threads)
        self.rows, self.held = hold_out(task.data.train.labels, self.config.data.held_out, task.seed)
        self.per_epoch = len(self.rows) // self.config.batch
        if not self.per_epoch or self.config.batch // self.parts < 2:
            raise InputError(f"a batch of {self.config.batch} in {self.parts} parts from {len(self.rows):,} images")
        self.place, tensors = Place(), None
        if (folder / train_state.FILE).exists():
            if not resume:
                raise InputError(f"{str(folder)!r} holds a run; add --resume to go on with it, or give another --out")
            tensors, self.place = train_state.read(folder, task.identity())
        elif resume and (folder / train_state.WEIGHTS).exists():
            raise InputError(f"{str(folder)!r} holds weights but no checkpoint to go on from")
        self.net = self._placed(build(task))
        self.teacher: nn.Module | None = None
        self._saved = time.monotonic()
        if tensors is not None:
            train_state.restore(tensors, self.net)
        self.optimizer = self._optimizer()
        if tensors is not None:
            train_state.restore_momenta(tensors, self.optimizer)
        self._row_cache: tuple[tuple[int, int], Tensor] | None = None
        if self.group.leads:
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def total_steps(self) -> int:
        """Of all phases."""
        return sum(phase.steps(self.per_epoch) for phase in self.task.phases)

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """Train to the end, write the weights, and give the record. A KeyboardInterrupt leaves the last checkpoint."""
        torch.set_flush_denormal(True)  # weights near zero are slow to compute with
        try:
            while self.place.phase < len(self.task.phases):
                self._run_phase(self.task.phases[self.place.phase], progress)
        finally:
            torch.set_flush_denormal(False)  # it holds for the whole process, NumPy's arithmetic too
        return self._finish()

    def _run_phase(self, phase: Phase, progress: Progress | None) -> None:
        number, steps = self.place.phase, phase.steps(self.per_epoch)
        before = sum(one.steps(self.per_epoch) for one in self.task.phases[:number])
        if self.place.step == 0:
            self._enter(phase)
        self._find_teacher(phase)
        while self.place.step < steps:
            begin = time.monotonic()
            self.place.loss_sum += self.step(phase, number, self.place.step)
            self.place.step += 1
            self._add_time(phase.name, begin)
            if self.place.step % self.per_epoch == 0 or self.place.step == steps:
                self._end_epoch(phase, last=self.place.step == steps)
            if self.place.step < steps:
                self._save()
            if progress is not None:
                progress(phase.name, before + self.place.step, self.total_steps)
        if number == 0 and any(one.distil for one in self.task.phases) and self.group.leads:
            train_state.save_tensors(self.folder / train_state.TEACHER, self.net.state_dict(), {"after": phase.name})
        self.place.phase, self.place.step, self.place.loss_sum = number + 1, 0, 0.0
        self._save(now=True)

    def step(self, phase: Phase, number: int, step: int) -> float:
        """One step of the optimizer; gives the mean loss of its sub-networks over the batch."""
        seed, config = self.task.seed, self.config
        for group in self.optimizer.param_groups:
            group["lr"] = phase.rate(step, self.per_epoch)
        self._zero_gradients()
        alone = self.task.arch is not None
        archs: list[Architecture | None] = [None] if alone else [*sampled(phase, seed, number, step)]
        side = phase.space.resolutions[0] if archs[0] is None else archs[0].r
        rows = self._rows_of(number, step)
        losses = torch.zeros(1, device=self.group.device)
        how = Losses(config.optimizer.label_smoothing, config.optimizer.distillation, _PRECISIONS[config.run.precision])
        self.net.train()
        for part in self.group.parts(self.parts):
            rng = torch.Generator().manual_seed(derived(seed, number, step, part, 1))
            mine = rows[part :: self.parts]
            images = training_batch(self.task.data.train, mine, side, config.augment.settings(), rng)
            labels = self.task.data.train.labels[mine].to(self.group.device)
            torch.manual_seed(derived(seed, number, step, part, 2))
            images = images.to(self.group.device, memory_format=torch.channels_last)
            teacher = self.teacher if phase.distil else None
            losses += add_gradients(self.net, teacher, images, labels, archs, how, 1 / self.parts) / self.parts
        self.group.sum([losses, *(one.grad for one in self.net.parameters() if one.grad is not None)])
        self.optimizer.step()
        return float(losses)

    def _enter(self, phase: Phase) -> None:
        """Begin a phase: channels in order of importance before widths shrink, and a new optimizer."""
        if phase.sort_stage is not None and isinstance(self.net, Supernet):
            sort_channels(self.net, phase.sort_stage)
        self.optimizer = self._optimizer()

    def _find_teacher(self, phase: Phase) -> None:
        if phase.distil and self.teacher is None:
            state, _ = train_state.load_tensors(self.folder / train_state.TEACHER)
            self.group.wait()
            teacher = copy.deepcopy(self.net)
            teacher.load_state_dict(state)
            if isinstance(teacher, Supernet):
                teacher.set_active(self.space.largest)
            self.teacher = teacher.requires_grad_(False)

    def _rows_of(self, number: int, step: int) -> Tensor:
        epoch, place = divmod(step, self.per_epoch)
        if self._row_cache is None or self._row_cache[0] != (number, epoch):
            rng = torch.Generator().manual_seed(derived(self.task.seed, number, epoch, 0))
            self._row_cache = ((number, epoch), self.rows[torch.randperm(len(self.rows), generator=rng)])
        return self._row_cache[1][place * self.config.batch : (place + 1) * self.config.batch]

    def _zero_gradients(self) -> None:
        """All gradients are there and zero, also of what no sub-network of the step uses: its momentum goes on."""
        for one in self.net.parameters():
            if one.grad is None:
                one.grad = torch.zeros_like(one)
            else:
                one.grad.zero_()

    def _end_epoch(self, phase: Phase, *, last: bool) -> None:
        inside = self.place.step % self.per_epoch or self.per_epoch
        record: dict[str, Any] = {"phase": phase.name, "step": self.place.step, "loss": self.place.loss_sum / inside}
        self.place.loss_sum = 0.0
        size = self.config.evaluation.curve_images
        if size and self.group.leads:
            ends = {"alone": self.task.arch} if self.task.arch else dict(_ends(phase.space))
            scored = self._evaluator(size)
            record["accuracy"] = {name: scored.accuracy(arch) for name, arch in ends.items()}
        if last and self.config.evaluation.grid_images and self.task.arch is None and self.group.leads:
            grid = validation_grid(self.space)
            found = self._evaluator(self.config.evaluation.grid_images).accuracies(grid)
            record["grid"] = grid_record(grid, found)
        self.place.history.append(record)

    def _evaluator(self, images: int) -> Evaluator:
        """On the first held-out images (they are in no order of classes)."""
        held = Batches(self.task.data.train, self.held[:images], self.config.evaluation.batch, self.group.device)
        return Evaluator(self.net, self.space, self._calibration(), held)

    def _calibration(self) -> Batches:
        return calibration(self.task.data, self.config, self.task.seed, self.group.device)

    def _optimizer(self) -> optim.Optimizer:
        settings = self.config.optimizer
        groups = self.net.parameter_groups(settings.weight_decay)
        return optim.SGD(groups, lr=0.1, momentum=settings.momentum, nesterov=settings.momentum > 0)

    def _placed(self, net: Any) -> Any:
        layout = torch.channels_last if self.config.run.channels_last else torch.contiguous_format
        return net.to(self.group.device, memory_format=layout)

    def _add_time(self, name: str, begin: float) -> None:
        self.place.wall_s[name] = self.place.wall_s.get(name, 0.0) + time.monotonic() - begin

    def _save(self, *, now: bool = False) -> None:
        due = now or time.monotonic() - self._saved >= self.config.run.checkpoint_every_s
        if due and self.group.leads:
            train_state.save_checkpoint(self.folder, self.task.identity(), self.place, self.net, self.optimizer)
            self._saved = time.monotonic()
        if now:
            self.group.wait()

    def _finish(self) -> dict[str, Any]:
        if isinstance(self.net, Supernet):
            self.net.set_active(self.space.largest)
        recalibrate(self.net, self._calibration().at((self.task.arch or self.space.largest).r))
        record = {"schema": "hwloop.ofa-training/1", **self.task.identity(), "history": self.place.history}
        if self.group.leads:
            note = {key: value for key, value in record.items() if key != "history"}
            train_state.save_tensors(self.folder / train_state.WEIGHTS, self.net.state_dict(), note)
        return record | {"wall_s": self.place.wall_s, "images_per_epoch": self.per_epoch * self.config.batch}


def build(task: Task) -> Any:
    """A fresh network of the task, its weights drawn from the seed."""
    torch.manual_seed(derived(task.seed, 0xB01D))
    net = Supernet(task.space, dropout=task.config.optimizer.dropout)
    if task.arch is None:
        return net
    from models.ofa import layers

    plain = net.export(task.arch)
    layers.initialise(plain)
    return plain


def calibration(data: DataPair, config: TrainConfig, seed: int, device: torch.device | None = None) -> Batches:
    """The training images that batch norms are re-calibrated with; never held-out ones."""
    rows, _ = hold_out(data.train.labels, config.data.held_out, seed)
    rng = torch.Generator().manual_seed(derived(seed, 0xCA11B))
    chosen = rows[torch.randperm(len(rows), generator=rng)[: config.evaluation.calibration_images]]
    return Batches(data.train, chosen, config.evaluation.calibration_batch, device)


def require_fit(space: Space, data: DataPair) -> None:
    """Raise InputError unless the images are of the channels and classes of the space."""
    if data.train.channels != space.in_channels:
        raise InputError(
            f"{data.name}: images of {data.train.channels} channels; {space.name} takes {space.in_channels}"
        )
    if len(data.train.classes) > space.classes:
        raise InputError(f"{data.name}: {len(data.train.classes)} classes; {space.name} has {space.classes}")


def _ends(space: Space) -> dict[str, Architecture]:
    return {"largest": space.largest, "smallest": space.smallest}
