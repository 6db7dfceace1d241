"""A stage of training as a loop that can be killed at any moment: it goes on from its checkpoint and ends the same.

A checkpoint holds all modules, all Adam states and the step; everything random follows from the seed and the step. A
finished stage leaves its weights and its curve, and is not run again. Files are safetensors: nothing is pickled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn, optim

from models.gan.train_config import TrainConfig
from models.gan.train_step import Trainer
from models.ofa.train_state import load_tensors, require_same, save_tensors
from sim.errors import InputError
from sim.settings import validate_config

Progress = Callable[[str, int, int], None]
POINTS = 60
"""Points of a curve: each is the mean over the steps since the last."""


@dataclass(frozen=True)
class Stage:
    """steps at the full learning rate, then decay_steps while it falls to zero.

    identity: what the result follows from.
    """

    name: str
    steps: int
    decay_steps: int
    identity: dict[str, Any]

    @property
    def total(self) -> int:
        """Steps in all."""
        return self.steps + self.decay_steps

    def rate(self, step: int) -> float:
        """Share of the learning rate at a step."""
        return 1.0 if step < self.steps else (self.total - step) / (self.decay_steps + 1)


def run_stage(
    stage: Stage, trainer: Trainer, folder: Path, *, every_s: float = 60.0, progress: Progress | None = None
) -> dict[str, Any]:
    """Train to the end, or take what an earlier call left. Gives {name, steps, images, wall_s, cpu_s, curve}.

    Raises InputError where the folder holds a stage of this name that follows from something else.
    """
    final, kept = folder / f"{stage.name}.safetensors", folder / f"{stage.name}.checkpoint.safetensors"
    if final.exists():
        tensors, note = load_tensors(final)
        require_identity(folder, note["identity"], stage.identity)
        _restore_modules(tensors, trainer)
        record: dict[str, Any] = note["record"]
        return record
    done, spent, curve, sums = _take_up(stage, trainer, folder, kept)
    begin, cpu, saved = time.perf_counter(), time.process_time(), time.perf_counter()

    def keep(step: int) -> None:
        passed = {"wall_s": time.perf_counter() - begin, "cpu_s": time.process_time() - cpu}
        total = {name: spent[name] + value for name, value in passed.items()}
        note = {"identity": stage.identity, "step": step, "spent": total, "curve": curve, "sums": sums}
        save_tensors(kept, _tensors(trainer), note)

    every = max(1, stage.total // POINTS)
    step = done
    while step < stage.total:
        trainer.set_rate(stage.rate(step))
        for name, value in trainer.step(step).items():
            sums[name] = sums.get(name, 0.0) + value
        step += 1
        if step % every == 0 or step == stage.total:
            count = step - (curve[-1]["step"] if curve else 0)
            curve.append({"step": step, **{name: round(value / count, 5) for name, value in sums.items()}})
            sums.clear()
        if progress is not None:
            progress(stage.name, step, stage.total)
        if time.perf_counter() - saved > every_s:
            keep(step)
            saved = time.perf_counter()
    found = {
        "name": stage.name,
        "steps": stage.total,
        "images": stage.total * trainer.config.batch,
        "wall_s": round(spent["wall_s"] + time.perf_counter() - begin, 2),
        "cpu_s": round(spent["cpu_s"] + time.process_time() - cpu, 2),
        "curve": curve,
    }
    save_tensors(final, _weights(trainer), {"identity": stage.identity, "record": found})
    kept.unlink(missing_ok=True)
    return found


def require_identity(folder: Path, kept: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise InputError where what is `kept` follows from something else. Settings that came later than it was made have
    their default there."""
    if "settings" in kept:
        settings = validate_config(TrainConfig, kept["settings"]).model_dump(include=set(kept["settings"]))
        kept = kept | {"settings": settings}
    require_same(folder, kept, wanted)


def part_state(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """The state dict of one module in a file of a stage."""
    return {name.removeprefix(f"{part}/"): one for name, one in tensors.items() if name.startswith(f"{part}/")}


def load_part(path: Path, part: str, module: nn.Module) -> nn.Module:
    """`module` with the weights of `part` in a finished stage. Raises InputError where they do not fit."""
    tensors, _ = load_tensors(path)
    state = part_state(tensors, part)
    try:
        module.load_state_dict(state)
    except RuntimeError:
        raise InputError(f"{str(path)!r} holds no {part} of this shape; nearest: the same configuration") from None
    return module


def _take_up(
    stage: Stage, trainer: Trainer, folder: Path, kept: Path
) -> tuple[int, dict[str, float], list[dict[str, Any]], dict[str, float]]:
    if not kept.exists():
        return 0, {"wall_s": 0.0, "cpu_s": 0.0}, [], {}
    tensors, note = load_tensors(kept)
    require_identity(folder, note["identity"], stage.identity)
    _restore_modules(tensors, trainer)
    for name, optimizer in trainer.optimizers.items():
        _restore_adam(tensors, name, optimizer)
    return note["step"], note["spent"], note["curve"], note["sums"]


def _weights(trainer: Trainer) -> dict[str, Tensor]:
    parts = trainer.modules.items()
    return {f"{part}/{name}": one for part, module in parts for name, one in module.state_dict().items()}


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    found = _weights(trainer)
    for name, optimizer in trainer.optimizers.items():
        for number, parameter in enumerate(optimizer.param_groups[0]["params"]):
            for key, value in optimizer.state.get(parameter, {}).items():
                found[f"adam/{name}/{number}/{key}"] = value
    return found


def _restore_modules(tensors: dict[str, Tensor], trainer: Trainer) -> None:
    for part, module in trainer.modules.items():
        module.load_state_dict(part_state(tensors, part))


def _restore_adam(tensors: dict[str, Tensor], name: str, optimizer: optim.Adam) -> None:
    for number, parameter in enumerate(optimizer.param_groups[0]["params"]):
        state = part_state(tensors, f"adam/{name}/{number}")
        if state:
            optimizer.state[parameter] = {key: value.clone() for key, value in state.items()}
