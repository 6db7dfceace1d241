"""The supernet: one set of weights that all networks of a space are slices of.

Of every matrix the first rows and columns; of a gated layer the first rows of values and of gates; of a kernel the
middle taps in an encoder and the last ones in a decoder, which are those nearest to the token. Light and dynamic
convolutions have taps of their own. A forward pass runs the network that is active on views of the weights, so that its
gradients reach them; `export` copies the same slices.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.lite_transformer.architecture import CONV_HEADS, TextArch
from models.lite_transformer.attention import Attention
from models.lite_transformer.batches import TokenBatches
from models.lite_transformer.config import ModelTable, TrainingTable
from models.lite_transformer.convolution import DynamicConv, LightConv
from models.lite_transformer.elastic import SearchedModel, skeleton
from models.lite_transformer.model import TextModel
from models.lite_transformer.space import TextSpace
from models.lite_transformer.training import Trainer, World
from sim.errors import ConfigError


class _Stored(nn.Module):
    """Weights of the mixers of one layer: attention at full width, both convolutions at their largest."""

    def __init__(self, width: int, conv: int, kernel: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.branch = nn.Module()
        self.branch.first, self.branch.last = nn.Linear(conv, 2 * conv), nn.Linear(conv, conv)
        for linear in (self.branch.first, self.branch.last):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.branch.light = LightConv(conv, kernel, CONV_HEADS, causal=causal)
        self.branch.dynamic = DynamicConv(conv, kernel, CONV_HEADS, causal=causal)


class Supernet(TextModel):
    """Call it as a `TextModel`: it is the active network. To decode, `export` one. Raises ConfigError where the model
    settings do not fit the space."""

    def __init__(self, settings: ModelTable, space: TextSpace) -> None:
        text = space.text
        if settings.vocabulary != text.vocabulary or settings.max_tokens != text.max_tokens:
            raise ConfigError(
                f"space {space.name!r} has {text.vocabulary} words and {text.max_tokens} tokens, the model "
                f"{settings.vocabulary} and {settings.max_tokens}; nearest: model.vocabulary={text.vocabulary}"
            )
        layers = {"encoder_layers": text.layers[0], "decoder_layers": text.layers[1]}
        widths = {"width": max(text.widths), "ratio": max(text.ratios), "heads": 1, "kernels": (0,) * max(text.layers)}
        super().__init__(settings.model_copy(update={**layers, **widths}))
        self.space = space
        self.conv = max(width - round(share * width) for width in text.widths for share in text.shares)
        assert self.encoder is not None
        for side in (self.encoder, self.decoder):
            for layer in side.layers:
                layer.mixer = _Stored(max(text.widths), self.conv, max(text.kernels), 1, causal=side is self.decoder)
        self.set_active(text.largest)

    @property
    def active(self) -> TextArch:
        """The network that runs."""
        return self._skeleton.arch

    def set_active(self, arch: TextArch) -> None:
        """Run `arch` from now on. Raises InputError where it is not of the space."""
        self.space.population(arch)
        self._kept = (skeleton(self.settings, arch),)  # in a tuple, so that it is no part of this module

    @property
    def _skeleton(self) -> SearchedModel:
        return self._kept[0]

    def forward(self, source: Tensor | None, target: Tensor) -> Tensor:
        """Logits of the active network: (batch, length, vocabulary)."""
        self._skeleton.train(self.training)
        device = self.embedding.weight.device
        tensors = {**self.slices(), "positions": self._skeleton.get_buffer("positions").to(device)}
        logits: Tensor = functional_call(self._skeleton, tensors, (source, target))
        return logits

    def slices(self) -> dict[str, Tensor]:
        """Weights of the active network by their names there: views, and copies where slices do not lie together."""
        mine = dict(self.named_parameters())
        return {name: self._slice(mine, name, tuple(one.shape)) for name, one in self._skeleton.named_parameters()}

    def _slice(self, mine: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
        if ".branch.conv." in name:
            return self._kernel(mine, name, shape)
        whole = mine[name]
        if ".branch.first." in name and shape[0] != whole.shape[0]:
            gated = self._skeleton.get_submodule(name.rsplit(".first.", 1)[0]).glu
            part = shape[0] // 2 if gated else shape[0]
            whole = torch.cat((whole[:part], whole[self.conv : self.conv + part])) if gated else whole[:part]
        return whole[tuple(slice(one) for one in shape)]

    def _kernel(self, mine: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
        place, _, part = name.rpartition(".branch.conv.")
        most = max(self.space.text.kernels)
        light = part == "weight"
        taps = shape[-1] if light else shape[0] // CONV_HEADS
        first = (most - taps) // 2 if name.startswith("encoder") else most - taps
        if light:
            return mine[f"{place}.branch.light.weight"][..., first : first + taps]
        whole = mine[f"{place}.branch.dynamic.predict.weight"].view(CONV_HEADS, most, -1)
        return whole[:, first : first + taps, : shape[1]].reshape(shape)

    def export(self, arch: TextArch | None = None) -> SearchedModel:
        """A network with weights of its own, by default the active one."""
        before = self.active
        if arch is not None:
            self.set_active(arch)
        made = skeleton(self.settings, self.active)
        made.load_state_dict({name: one.detach().clone() for name, one in self.slices().items()}, assign=True)
        for one in made.parameters():
            one.requires_grad_(True)
        self.set_active(before)
        return made.train(self.training)


class SupernetTrainer(Trainer):
    """One network a step, drawn uniformly; the draw follows from the seed and the step, so a resumed run goes on with
    the same ones. Raises ConfigError under torchrun: processes would have gradients for different weights."""

    def __init__(
        self, model: Supernet, batches: TokenBatches, settings: TrainingTable, world: World | None = None
    ) -> None:
        import numpy as np

        if world is not None and world.size > 1:
            raise ConfigError(f"a supernet trains in one process, not {world.size}; nearest: without torchrun")
        super().__init__(model, batches, settings, world)
        self.supernet, self._draw = model, np.random.default_rng

    def update(self) -> float:
        """One update of the weights that the drawn network uses; its mean loss."""
        space = self.supernet.space
        drawn = space.sample(1, self._draw((self.settings.seed, self.step)))
        self.supernet.set_active(space.archs(drawn)[0])
        return super().update()
