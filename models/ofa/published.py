"""What published networks cost on a device: rivals beside the released Once-for-All networks of equal accuracy.

Top-1 accuracies are published ones, each with where it is from; nothing here was trained or measured. "recalled" is
what the paper is remembered to state, not checked against it. A rival is compared with the least accurate released
network for phones that is at least as accurate; the paper does not say which pairs its 1.5x and 2.6x are of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.ofa.names import released_names
from models.search.constraint import Target
from models.zoo.registry import lower_batch
from sim.errors import ConfigError

SCHEMA = "hwloop.published/1"


@dataclass(frozen=True)
class Rival:
    """A network that the paper compares with. slower: how many times slower than Once-for-All the paper says it is."""

    network: str
    top1_percent: float
    source: str
    slower: float


RIVALS = (
    Rival("zoo/mobilenet_v3_large", 75.2, "Howard et al. 2019, as third-party code quotes it", 1.5),
    Rival("zoo/efficientnet_b0", 77.1, "Tan and Le 2019, recalled", 2.6),
)
_NAMED = re.compile(r"(?:note10|flops).*top1-([\d.]+)_finetune")


def published(targets: Sequence[Target]) -> dict[str, Any]:
    """{schema, devices: [{device, networks: [...]}], notes} as plain values. Raises ConfigError without a device."""
    if not targets:
        raise ConfigError("no device named; nearest: --device note10")
    released = {f"ofa/released:{name}": float(found[1]) for name in released_names() if (found := _NAMED.match(name))}
    ordered = sorted(released, key=lambda name: released[name])
    return {
        "schema": SCHEMA,
        "devices": [_device(target, ordered, released) for target in targets],
        "notes": [
            "Latencies and how many times slower are predicted, with 90 % intervals; ImageNet accuracies are quoted.",
            *(f"{one.network}: {one.top1_percent} % ({one.source})" for one in RIVALS),
            "Released networks: the accuracy in their published names, after fine-tuning of 25 or 75 epochs.",
            "Times slower: than the released network of at least equal accuracy; the range combines both intervals.",
            "The paper claims 1.5 and 2.6 times; which networks and which phone it is of, it is not known here.",
        ],
    }


def _device(target: Target, ordered: Sequence[str], released: dict[str, float]) -> dict[str, Any]:
    names = [*(one.network for one in RIVALS), *ordered]
    table = target.oracle.cost(lower_batch(names, fusion=target.fusion, context=target.context))
    rows = {row["network"]: row for row in table.rows()}
    listed: list[dict[str, Any]] = []
    for rival in RIVALS:
        equal = next((name for name in ordered if released[name] >= rival.top1_percent), None)
        row = {**rows[rival.network], "published_top1_percent": rival.top1_percent, "source": rival.source}
        listed.append({**row, **_compared(rows, rival.network, equal), "published_slower": rival.slower})
    for name in ordered:
        row = {**rows[name], "published_top1_percent": released[name], "source": "name of the released file"}
        listed.append({**row, **_compared(rows, name, None), "published_slower": None})
    return {"device": target.name, "networks": listed}


def _compared(rows: dict[str, dict[str, Any]], name: str, equal: str | None) -> dict[str, Any]:
    """How many times slower `name` is than `equal`, and the range that both intervals leave."""
    if equal is None:
        return {"equal": None, "slower": None, "slower_low": None, "slower_high": None}
    mine, other = rows[name], rows[equal]
    pairs = (("latency_s", "latency_s"), ("latency_low_s", "latency_high_s"), ("latency_high_s", "latency_low_s"))
    ratios = [float(np.float64(mine[top]) / other[bottom]) for top, bottom in pairs]
    return {"equal": equal, **dict(zip(("slower", "slower_low", "slower_high"), ratios, strict=True))}
