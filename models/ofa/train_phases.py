"""What is trained when: phases of a schedule, and what follows from a seed within them.

A phase samples its sub-networks from a space whose choices are a part of the whole space's. Everything random follows
from the seed and the place in the schedule, never from what ran before: a run that goes on after a kill does the same,
and all processes agree. The published rule for the seed of sub-network k at step i of a phase is the number with the
digits of i, then k in three digits, then 000; it is one of the words that the generator here is seeded with.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from models.ofa.architecture import Architecture
from models.ofa.space import Space
from models.ofa.train_config import LR_BATCH, Stage, TrainConfig


@dataclass(frozen=True)
class Phase:
    """One stretch of training. space: what is sampled from; sort_stage: of `sort_channels`, before it; lr: the peak."""

    name: str
    space: Space
    epochs: float
    warmup_epochs: float
    lr: float
    subnets: int = 1
    sandwich: bool = False
    distil: bool = False
    sort_stage: int | None = None

    def steps(self, per_epoch: int) -> int:
        """Steps of the whole phase."""
        return round(self.epochs * per_epoch)

    def rate(self, step: int, per_epoch: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine down to zero."""
        warmup, steps = round(self.warmup_epochs * per_epoch), self.steps(per_epoch)
        if step < warmup:
            return self.lr * (step + 1) / (warmup + 1)
        return 0.5 * self.lr * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def progressive(config: TrainConfig, space: Space) -> tuple[Phase, ...]:
    """Full network, elastic kernel, depth in two phases, width in two, `finish`. Phases of no epochs fall out."""
    full = dataclasses.replace(
        space, kernels=space.kernels[-1:], depths=space.depths[-1:], expansions=space.expansions[-1:]
    )
    kernel = dataclasses.replace(full, kernels=space.kernels)
    depth1 = dataclasses.replace(kernel, depths=space.depths[-2:])
    depth2 = dataclasses.replace(kernel, depths=space.depths)
    width1 = dataclasses.replace(depth2, expansions=space.expansions[-2:])
    trained_widths = min(1, len(space.expansions) - 1) if config.width1.epochs else 0
    made = (
        _phase("full", config, config.full, full),
        _phase("kernel", config, config.kernel, kernel, distil=True),
        _phase("depth1", config, config.depth1, depth1, distil=True),
        _phase("depth2", config, config.depth2, depth2, distil=True),
        _phase("width1", config, config.width1, width1, distil=True, sort_stage=0),
        _phase("width2", config, config.width2, space, distil=True, sort_stage=trained_widths),
        _phase("finish", config, config.finish, space, distil=True),
    )
    return tuple(phase for phase in made if phase.epochs)


def epochs_of_all(config: TrainConfig) -> float:
    """Passes over the training images of the whole progressive schedule, each batch counted once."""
    return sum(one.epochs for one in stages(config))


def stages(config: TrainConfig) -> tuple[Stage, ...]:
    """All, in order."""
    return config.full, config.kernel, config.depth1, config.depth2, config.width1, config.width2, config.finish


def sample_all(config: TrainConfig, space: Space) -> tuple[Phase, ...]:
    """The same stages, with as many images, steps, sub-networks a step and rates, but every choice open from the start.

    There is no teacher, since no full network is trained first.
    """
    names = ("full", "kernel", "depth1", "depth2", "width1", "width2", "finish")
    made = [_phase(f"all_{name}", config, one, space) for name, one in zip(names, stages(config), strict=True)]
    return tuple(phase for phase in made if phase.epochs)


def alone(config: TrainConfig, space: Space, arch: Architecture) -> tuple[Phase, ...]:
    """One architecture by itself at its resolution, with as many passes as the progressive schedule."""
    stage = config.full.model_copy(update={"epochs": epochs_of_all(config), "subnets": 1, "sandwich": False})
    return (_phase("alone", config, stage, dataclasses.replace(space, resolutions=(arch.r,))),)


def _phase(
    name: str, config: TrainConfig, stage: Stage, space: Space, *, distil: bool = False, sort_stage: int | None = None
) -> Phase:
    rate = stage.lr * config.batch / LR_BATCH
    distil = distil and config.optimizer.distillation > 0
    sandwich = stage.sandwich and stage.subnets > 1
    return Phase(name, space, stage.epochs, stage.warmup_epochs, rate, stage.subnets, sandwich, distil, sort_stage)


def derived(*words: int) -> int:
    """A 63-bit seed that follows from `words`."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


def sampled(phase: Phase, seed: int, number: int, step: int) -> list[Architecture]:
    """The sub-networks of a step of phase `number`, all at the resolution that is drawn for the step."""
    rng = np.random.default_rng([seed, number, step])
    side = int(phase.space.resolutions[rng.integers(len(phase.space.resolutions))])
    ends = (phase.space.largest, phase.space.smallest) if phase.sandwich else ()
    made = [dataclasses.replace(one, r=side) for one in ends]
    for k in range(len(made), phase.subnets):
        rng = np.random.default_rng([int(f"{step:d}{k:03d}000"), seed, number])
        made.append(phase.space.sample(1, rng, resolutions=(side,))[0])
    return made
