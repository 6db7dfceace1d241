"""Prune by sensitivity, fine-tune, quantise by sensitivity, fine-tune the levels, pack: a module's weights in, packed
tensors and sizes out.

Matrices (and higher) are compressed; vectors (biases, norms) stay float32. Embeddings (named by the caller) are
quantised but never pruned. Fine-tuning is the caller's: after each update it calls what it is given, which keeps pruned
weights zero and, once quantised, gives all weights of one code their mean again (the trained quantisation of Deep
Compression, section 3.3). Codes stay as k-means made them; levels at equal distance are no longer so once tuned, so
linear ones are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from models.compress.packing import Packed, pack, raw
from models.compress.prune import Granularity, block_of, keep_mask
from models.compress.quantise import levels
from models.compress.sensitivity import measure, share
from sim.settings import Table

Array = NDArray[Any]
Masks = dict[str, Tensor]
Restore = Callable[[nn.Module], None]
"""Makes the parameters of the module that is being compressed admissible again, after an update."""
Loss = Callable[[], float]
Progress = Callable[[str, int, int], None]
_CUTS = (0.3, 0.5, 0.7, 0.85, 0.95)


class Settings(Table):
    """keep: share of the matrices' weights that stays. mean_bits: between 4 and 8; 8 or 4 everywhere, or mixed by
    sensitivity. block: rows and columns of a block, for granularity ``block``."""

    keep: float = Field(default=1.0, gt=0, le=1)
    granularity: Granularity = "weight"
    block: Annotated[tuple[int, int], Field(strict=False)] = (4, 4)
    method: Literal["kmeans", "linear"] = "kmeans"
    mean_bits: float = Field(default=8.0, ge=4, le=8)


@dataclass(frozen=True)
class Compressed:
    """tensors: as packed. keeps and bits: what each matrix was given."""

    tensors: dict[str, Packed]
    keeps: dict[str, float]
    bits: dict[str, int]

    def state(self) -> dict[str, Tensor]:
        """All tensors as float32, for `load_state_dict`."""
        return {name: torch.from_numpy(one.unpack().copy()) for name, one in self.tensors.items()}


def compress(
    model: nn.Module,
    settings: Settings,
    loss: Loss | None = None,
    fine_tune: Callable[[Restore], None] | None = None,
    embeddings: Sequence[str] = (),
    progress: Progress | None = None,
) -> Compressed:
    """Compress the parameters of `model`, which is left with what the packed tensors hold.

    loss: of the model on some data, to measure sensitivities; without it all matrices are treated alike. fine_tune:
    trains `model` and calls its argument with it after each update; once after pruning, once after k-means.
    """
    names = [name for name, one in model.named_parameters() if one.ndim > 1]
    prunable = [name for name in names if name not in embeddings]
    keeps = _keeps(model, prunable, settings, loss, progress)
    masks: Masks = {}
    if settings.keep < 1:
        masks = {name: _mask(model.get_parameter(name), keep, settings) for name, keep in keeps.items()}
        apply_masks(model, masks)
        if fine_tune is not None:
            fine_tune(lambda one: apply_masks(one, masks))
            apply_masks(model, masks)
    bits = _bits(model, names, masks, settings, loss, progress)
    tied = TiedLevels(model, bits, masks, settings.method)
    if fine_tune is not None and settings.method == "kmeans":
        tied.restore(model)
        fine_tune(tied.restore)
        tied.restore(model)
    tensors: dict[str, Packed] = {}
    for name, parameter in model.named_parameters():
        values = parameter.detach().cpu().numpy()
        if name not in bits:
            tensors[name] = raw(values)
            continue
        group = block_of(values.shape, settings.granularity, settings.block) if name in masks else (1, 1)
        tensors[name] = pack(tied.codes[name], tied.books[name], bits[name], pruned=name in masks, group=group)
    made = Compressed(tensors, keeps, bits)
    with torch.no_grad():
        for name, tensor in made.state().items():
            model.get_parameter(name).copy_(tensor)
    return made


class TiedLevels:
    """Weights that share a code share a value. books: float32 levels by parameter; codes: as the parameter in shape."""

    def __init__(self, model: nn.Module, bits: Mapping[str, int], masks: Mapping[str, Tensor], method: str) -> None:
        self.books: dict[str, Array] = {}
        self.codes: dict[str, Array] = {}
        self._pruned = set(masks)
        for name, count in bits.items():
            values = model.get_parameter(name).detach().cpu().numpy()
            self.books[name], self.codes[name] = levels(values, count, method, zero=name in masks)

    @torch.no_grad()
    def restore(self, model: nn.Module) -> None:
        """Each level becomes the mean of its weights, and they become it; zeros that were pruned stay zero."""
        for name, codes in self.codes.items():
            parameter, book, flat = model.get_parameter(name), self.books[name], codes.ravel()
            sums = np.bincount(flat, parameter.detach().cpu().double().numpy().ravel(), len(book))
            counts = np.bincount(flat, minlength=len(book))
            book = np.where(counts > 0, sums / np.maximum(counts, 1), book).astype(np.float32)
            if name in self._pruned:
                book[0] = 0.0
            self.books[name] = book
            parameter.copy_(torch.from_numpy(book[codes]))


@torch.no_grad()
def apply_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Zero what the masks leave out."""
    for name, mask in masks.items():
        model.get_parameter(name).mul_(mask)


def _mask(tensor: Tensor, keep: float, settings: Settings) -> Tensor:
    values = tensor.detach().cpu().numpy()
    group = block_of(values.shape, settings.granularity, settings.block)
    return torch.from_numpy(keep_mask(values, keep, group).astype(np.float32)).to(tensor)


def _keeps(
    model: nn.Module, names: Sequence[str], settings: Settings, loss: Loss | None, progress: Progress | None
) -> dict[str, float]:
    """The share that stays of each matrix."""
    if loss is None or settings.keep == 1:
        return dict.fromkeys(names, settings.keep)
    sizes = {name: model.get_parameter(name).numel() for name in names}
    changes = {
        name: [(cut * size, lambda x, cut=cut: x * _mask(x, 1 - cut, settings)) for cut in _CUTS]
        for name, size in sizes.items()
    }
    saved = share(measure(model, changes, loss, progress), (1 - settings.keep) * sum(sizes.values()))
    return {name: 1 - saved[name] / sizes[name] for name in names}


def _bits(
    model: nn.Module,
    names: Sequence[str],
    masks: Mapping[str, Tensor],
    settings: Settings,
    loss: Loss | None,
    progress: Progress | None,
) -> dict[str, int]:
    """4 or 8 bits for each matrix, so that a weight that stays has at most `mean_bits` on average."""
    if settings.mean_bits in (4, 8):
        return dict.fromkeys(names, int(settings.mean_bits))
    counts = {name: int(masks[name].sum()) if name in masks else model.get_parameter(name).numel() for name in names}

    def four(x: Tensor, zero: bool) -> Tensor:
        book, codes = levels(x.detach().cpu().numpy(), 4, settings.method, zero=zero)
        return torch.from_numpy(book[codes]).to(x)

    target = (8 - settings.mean_bits) * sum(counts.values())
    if loss is None:
        curves = {name: [(0.0, 0.0), (4.0 * count, 1.0 / (1 + count))] for name, count in counts.items() if count}
    else:
        changes = {
            name: [(4.0 * count, lambda x, zero=name in masks: four(x, zero))]
            for name, count in counts.items()
            if count
        }
        curves = measure(model, changes, loss, progress)
    saved = share(curves, target, whole=True)
    return {name: 4 if saved.get(name, 0.0) > 0 else 8 for name in names}
