"""Feature extractors that set distances are taken on: a small classifier of the same drawings, or random weights.

The classifier tells the ten groups of OpenMoji apart from its training drawings; its 64 pooled features are what is
compared. The random one needs no data, ranks coarsely, and is for tests. Their names stand in every record.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from models.gan.images import Array, Images, pixels
from models.ofa.train_state import load_tensors, save_tensors
from sim.cache import fingerprint
from sim.errors import InputError

FEATURES = 64
GROUPS, RANDOM = "openmoji-groups", "random"
Floats = np.ndarray[Any, np.dtype[np.float64]]


class DomainClassifier(nn.Module):
    """Images (n, 3, side, side) in [-1, 1] to logits. `features` are the means over the plane of the last layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (3, 24, 48, FEATURES, FEATURES)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.trunk = nn.Sequential(*layers, nn.Conv2d(FEATURES, FEATURES, 3, 1, 1), nn.ReLU())
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """(n, 64)."""
        return cast(Tensor, self.trunk(x)).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.features(x)))


class Extractor:
    """name, and the hash of the weights; called with bytes (n, side, side, 3), gives features (n, 64)."""

    def __init__(self, name: str, net: DomainClassifier, note: dict[str, Any] | None = None) -> None:
        self.name, self.net, self.note = name, net.eval(), note or {}

    @property
    def fingerprint(self) -> str:
        """Hash of name and weights."""
        parts = {key: one.numpy().tobytes().hex() for key, one in self.net.state_dict().items()}
        return fingerprint(self.name, parts)

    @torch.no_grad()
    def __call__(self, images: Array) -> Floats:
        parts = [self.net.features(pixels(images[place : place + 64])) for place in range(0, len(images), 64)]
        return torch.cat(parts).numpy().astype(np.float64)

    def save(self, path: Path) -> None:
        """Write weights and how they came about."""
        save_tensors(path, self.net.state_dict(), {"extractor": self.name, **self.note})


def random_extractor(seed: int = 0) -> Extractor:
    """Fixed random weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return Extractor(RANDOM, DomainClassifier(2))


def load_extractor(path: Path) -> Extractor:
    """What `save` wrote. Raises InputError for another file."""
    state, note = load_tensors(path)
    name = note.pop("extractor", None)
    if name is None or "head.bias" not in state:
        raise InputError(f"{str(path)!r} is no feature extractor; nearest: extractor.safetensors of a study")
    net = DomainClassifier(len(state["head.bias"]))
    net.load_state_dict(state)
    return Extractor(name, net, note)


def train_extractor(
    images: Images,
    labels: Callable[[tuple[str, ...]], np.ndarray[Any, np.dtype[np.int64]]],
    classes: int,
    *,
    steps: int = 900,
    batch: int = 64,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Extractor:
    """A classifier of the target images, trained on the training part alone. `labels`: from names to classes.

    Its accuracy on the test part goes into its note, so that a bad extractor is seen.
    """
    torch.manual_seed(seed)
    net = DomainClassifier(classes)
    optimizer = optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=max(steps, 2))
    part, truth = images.train, torch.from_numpy(labels(images.train.names))
    for step in range(steps):
        rng = np.random.default_rng((seed, step, 11))
        rows = rng.integers(0, len(part.targets), batch)
        x = _jitter(pixels(part.targets[rows]), rng)
        loss = functional.cross_entropy(net(x), truth[rows], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress("extractor", step + 1, steps)
    net.eval()
    note = {
        "images": len(part.targets),
        "data_sha256": images.sha256,
        "steps": steps,
        "batch": batch,
        "seed": seed,
        "test_accuracy": _accuracy(net, images.test.targets, torch.from_numpy(labels(images.test.names))),
    }
    return Extractor(GROUPS, net, note)


def _jitter(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirrored and shifted by up to 4 pixels, white coming in."""
    if rng.random() < 0.5:
        x = x.flip(3)
    left, top = rng.integers(0, 9, 2).tolist()
    side = x.shape[-1]
    return functional.pad(x, (4, 4, 4, 4), value=1.0)[:, :, top : top + side, left : left + side]


@torch.no_grad()
def _accuracy(net: DomainClassifier, images: Array, truth: Tensor) -> float:
    right = sum(
        int((net(pixels(images[place : place + 64])).argmax(1) == truth[place : place + 64]).sum())
        for place in range(0, len(images), 64)
    )
    return right / len(images)
