"""One training step of a generator against a discriminator: teachers, students and supernets alike.

Where images come in pairs the discriminator sees input and image, and the reconstruction aims at the true image; where
they do not it sees the image alone, and the reconstruction aims at what the teacher makes of the input. A ResNet's two
gradients are computed before either optimizer steps; with two learning rates (SPADE) the generator goes first and the
discriminator looks at a fresh image. All that is random follows from the seed and the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn, optim

from models.gan import losses
from models.gan.discriminators import MultiScaleDiscriminator, PatchDiscriminator
from models.gan.distill import Distiller, Taps, tap_widths
from models.gan.family import Channels, Generators
from models.gan.images import Images
from models.gan.memory import TeacherMemory
from models.gan.supernet import Supernet
from models.gan.train_config import TrainConfig

Losses = dict[str, float]


def make_discriminator(config: TrainConfig, images: Images) -> nn.Module:
    """For pairs of input and image, or for images alone."""
    channels = 3 + (images.channels if images.aligned else 0)
    chosen = config.discriminator
    if chosen.scales > 1:
        return MultiScaleDiscriminator(channels, chosen.width, chosen.layers, chosen.scales)
    return PatchDiscriminator(channels, chosen.width, chosen.layers)


class Trainer:
    """Base: modules and optimizers by name, which a checkpoint holds."""

    def __init__(self, config: TrainConfig, images: Images, seed: int) -> None:
        self.config, self.images, self.seed = config, images, seed
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, optim.Adam] = {}

    def step(self, number: int) -> Losses:
        """One step; the losses."""
        raise NotImplementedError

    def optimizer(self, name: str, *modules: nn.Module, scale: float = 1.0) -> optim.Adam:
        """An Adam over the parameters of modules; `scale` of the learning rate where there are two."""
        chosen = self.config.optimizer
        rate = chosen.lr * (scale if chosen.two_rates else 1.0)
        parameters = [one for module in modules for one in module.parameters()]
        found = optim.Adam(parameters, rate, betas=(chosen.beta1, chosen.beta2))
        found.param_groups[0]["initial_lr"] = rate
        self.optimizers[name] = found
        return found

    def set_rate(self, share: float) -> None:
        """`share` of the learning rates from now on."""
        for one in self.optimizers.values():
            one.param_groups[0]["lr"] = one.param_groups[0]["initial_lr"] * share

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step."""
        return self.images.batch(self.config.batch, self.seed, number, flip=self.config.data.flip)


class Translation(Trainer):
    """A generator, with or without a teacher. sampled: the channels of a supernet at each step."""

    def __init__(
        self,
        config: TrainConfig,
        images: Images,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        teacher: nn.Module | None = None,
        family: Generators | None = None,
        sampled: Callable[[int], Channels] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(config, images, seed)
        self.generator, self.discriminator = generator, discriminator
        self._sampled = sampled
        self._net = generator.net if isinstance(generator, Supernet) else generator
        self.modules = {"generator": self._net, "discriminator": discriminator}
        self._taps: tuple[str, ...] = ()
        trained = [self._net]
        if teacher is not None and family is not None and family.taps and config.losses.distillation:
            self._taps, example = family.taps, family.example()
            widths = [tap_widths(one, self._taps, example) for one in (self._net, teacher)]
            self._distiller = Distiller(*widths)
            self.modules["distiller"] = self._distiller
            trained.append(self._distiller)
        needed = bool(self._taps) or not images.aligned or config.losses.target == "teacher"
        self.memory: TeacherMemory | None = None
        if teacher is not None and needed:
            self.memory = TeacherMemory(teacher, self._taps, config.run.teacher_memory_mb * 2**20)
        self._for_generator = self.optimizer("generator", *trained, scale=0.5)
        self._for_discriminator = self.optimizer("discriminator", discriminator, scale=2.0)

    def step(self, number: int) -> Losses:
        x, y = self.batch(number)
        if self._sampled is not None:
            cast(Supernet, self.generator).set_active(self._sampled(number))
        taught, hints = self._ask_teacher(number, x)
        with Taps(self._net, self._taps) as taps:
            fake = self.generator(x)
        parts: dict[str, Tensor] = {}
        if self.config.optimizer.two_rates:
            self._back(x, y, fake, taught, taps, hints, parts)
            self._for_generator.step()
            with torch.no_grad():
                fresh = self.generator(x)
            self._look(x, y, fresh, parts, weight=2.0)
            self._for_discriminator.step()
        else:
            self._look(x, y, fake.detach(), parts, weight=1.0)
            self._back(x, y, fake, taught, taps, hints, parts)
            self._for_discriminator.step()
            self._for_generator.step()
        return {name: float(one.detach()) for name, one in parts.items()}

    def _ask_teacher(self, number: int, x: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        """What the teacher makes of the input, and its outputs at the taps."""
        if self.memory is None:
            return None, []
        return self.memory(self.images.keys(self.config.batch, self.seed, number, flip=self.config.data.flip), x)

    def _look(self, x: Tensor, y: Tensor, fake: Tensor, parts: dict[str, Tensor], *, weight: float) -> None:
        """The discriminator's gradient."""
        self._for_discriminator.zero_grad(set_to_none=True)
        mode = self.config.losses.mode
        loss = losses.discriminator_loss(mode, self._judge(x, fake), self._judge(x, y)) * weight
        loss.backward()  # type: ignore[no-untyped-call]
        parts["discriminator"] = loss

    def _back(
        self,
        x: Tensor,
        y: Tensor,
        fake: Tensor,
        taught: Tensor | None,
        taps: Taps,
        hints: list[Tensor],
        parts: dict[str, Tensor],
    ) -> None:
        """The generator's gradient."""
        weights = self.config.losses
        self._for_generator.zero_grad(set_to_none=True)
        with frozen(self.discriminator):
            scores = self._judge(x, fake)
            parts["gan"] = losses.generator_loss(weights.mode, scores)
            if weights.features:
                parts["features"] = losses.feature_matching(scores, self._judge(x, y))
        paired = self.images.aligned and weights.target == "truth"
        target = y if paired or taught is None else taught
        if weights.reconstruction:
            parts["reconstruction"] = losses.reconstruction(weights.reconstruction_kind, fake, target)
        if self._taps:
            parts["distillation"] = self._distiller(taps.outputs, hints)
        names = ("gan", "features", "reconstruction", "distillation")
        total = torch.stack([getattr(weights, name) * parts[name] for name in names if name in parts]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        parts["loss"] = total

    def _judge(self, x: Tensor, image: Tensor) -> Any:
        return self.discriminator(torch.cat([x, image], 1) if self.images.aligned else image)


class Cycle(Trainer):
    """An unpaired teacher: two generators, each undoing the other, and a discriminator for each kind of image.

    Source: Zhu et al., ICCV 2017. NOT modelled: its pool of older images.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: Images,
        make: Callable[[], nn.Module],
        discriminator: nn.Module,
        seed: int = 0,
    ) -> None:
        super().__init__(config, images, seed)
        self.forth, self.back, self.of_target = make(), make(), discriminator
        self.of_input = make_discriminator(config, images)
        self.modules = {
            "generator": self.forth,
            "backward": self.back,
            "discriminator": self.of_target,
            "input_discriminator": self.of_input,
        }
        self._for_generators = self.optimizer("generator", self.forth, self.back)
        self._for_discriminators = self.optimizer("discriminator", self.of_target, self.of_input)

    def step(self, number: int) -> Losses:
        x, y = self.batch(number)
        weights, mode, l1 = self.config.losses, self.config.losses.mode, nn.functional.l1_loss
        to_y, to_x = self.forth(x), self.back(y)
        with frozen(self.of_target), frozen(self.of_input):
            gan = losses.generator_loss(mode, self.of_target(to_y)) + losses.generator_loss(mode, self.of_input(to_x))
        cycle = l1(self.back(to_y), x) + l1(self.forth(to_x), y)
        total = weights.gan * gan + weights.cycle * cycle
        if weights.identity:
            total = total + weights.cycle * weights.identity * (l1(self.forth(y), y) + l1(self.back(x), x))
        self._for_generators.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        look = losses.discriminator_loss(mode, self.of_target(to_y.detach()), self.of_target(y))
        look = look + losses.discriminator_loss(mode, self.of_input(to_x.detach()), self.of_input(x))
        self._for_discriminators.zero_grad(set_to_none=True)
        look.backward()  # type: ignore[no-untyped-call]
        self._for_generators.step()
        self._for_discriminators.step()
        found = {"loss": total, "gan": gan, "cycle": cycle, "discriminator": look}
        return {name: float(one.detach()) for name, one in found.items()}


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Gradients pass through but stay out of `module`."""
    wanted = [one for one in module.parameters() if one.requires_grad]
    for one in wanted:
        one.requires_grad_(False)
    yield
    for one in wanted:
        one.requires_grad_(True)
