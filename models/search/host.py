"""A network timed on this machine as the machine's own profile was measured, so that prediction and time compare."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

MEASURE_S = 3.0


@dataclass(frozen=True)
class Host:
    """How the host's own profile was measured, and so how a network is measured beside its prediction."""

    threads: int = 1
    dtype: str = "float32"
    batch_size: int = 1
    target: str = "cpu"


def timed(module: nn.Module, shape: tuple[int, ...], host: Host | None, budget_s: float = MEASURE_S) -> dict[str, Any]:
    """{latency_s, latency}: seconds of one call on an input of `shape`, and how it was measured; None without `host`.

    shape: of one sample, without the batch.
    """
    if host is None:
        return {"latency_s": None, "latency": None}
    import torch

    from sim.mobile_cost.host_measure import measure_module

    kind = getattr(torch, host.dtype)
    example = torch.rand(host.batch_size, *shape, dtype=kind, device=host.target)
    if (host.dtype, host.target) != ("float32", "cpu"):
        module = copy.deepcopy(module).to(device=host.target, dtype=kind)
    found = measure_module(module, example, threads=host.threads, budget_s=budget_s)
    how = {"runs": found.runs, "spread": found.spread, "hindered": found.hindered, "fastest_s": found.fastest_s}
    return {"latency_s": found.latency_s, "latency": how | dataclasses.asdict(host)}
