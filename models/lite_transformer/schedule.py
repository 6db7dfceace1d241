"""Learning rate by step: linear warm-up, then half a cosine down to the final rate, or the inverse square root."""

from __future__ import annotations

import math

from models.lite_transformer.config import TrainingTable

_START = 1e-7


def learning_rate(step: int, settings: TrainingTable) -> float:
    """The rate of update `step`, counted from 0. Source: the released training scripts."""
    top = settings.learning_rate
    if step < settings.warm_up:
        return _START + (top - _START) * (step + 1) / settings.warm_up
    if settings.schedule == "inverse_sqrt":
        return top * math.sqrt(max(1, settings.warm_up) / max(1, step + 1))
    span = max(1, settings.steps - settings.warm_up)
    way = min(1.0, (step - settings.warm_up) / span)
    low = settings.final_learning_rate
    return low + (top - low) * (1 + math.cos(math.pi * way)) / 2
