"""What each tensor costs: the loss with this tensor alone pruned or quantised, and how a saving is shared out by it.

The sharing takes the cheapest steps first, on the convex hull of each tensor's curve of loss against saving, until the
saving is reached. Interactions between tensors are not modelled; fine-tuning comes after.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

Curve = list[tuple[float, float]]
"""(what is saved, loss above that of the whole model), from (0, 0) upwards."""


@torch.no_grad()
def measure(
    model: nn.Module,
    changes: Mapping[str, Sequence[tuple[float, Callable[[Tensor], Tensor]]]],
    loss: Callable[[], float],
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Curve]:
    """A curve for each named parameter: `changes` has savings and what makes the changed tensor. The model is as before
    when it is done."""
    base, found, done = loss(), {}, 0
    total = sum(len(steps) for steps in changes.values())
    for name, steps in changes.items():
        parameter = model.get_parameter(name)
        kept = parameter.clone()
        found[name] = [(0.0, 0.0)]
        for saved, change in steps:
            parameter.copy_(change(kept))
            found[name].append((saved, loss() - base))
            done += 1
            if progress is not None:
                progress("sensitivity", done, total)
        parameter.copy_(kept)
    return found


def share(curves: Mapping[str, Curve], target: float, *, whole: bool = False) -> dict[str, float]:
    """The saving of each tensor so that they add up to `target` at the least loss. whole: only savings that are points
    of a curve, so the sum may be more than `target`."""
    steps: list[tuple[float, str, float]] = []
    for name, curve in curves.items():
        hull = lower_hull(curve)
        steps += [
            ((after[1] - before[1]) / (after[0] - before[0]), name, after[0] - before[0])
            for before, after in itertools.pairwise(hull)
        ]
    saved = dict.fromkeys(curves, 0.0)
    left = target
    for _, name, size in sorted(steps, key=lambda one: one[:2]):
        if left <= 1e-9:
            break
        saved[name] += size if whole else min(size, left)
        left -= size
    return saved


def lower_hull(curve: Curve) -> Curve:
    """Points of the lower convex hull, by saving."""
    hull: Curve = []
    for point in sorted(curve):
        while len(hull) > 1 and _above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _above(one: tuple[float, float], middle: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether `middle` is on or above the line from `one` to `other`."""
    return (middle[1] - one[1]) * (other[0] - one[0]) >= (other[1] - one[1]) * (middle[0] - one[0])
