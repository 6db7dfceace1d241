"""Where the cycles of a run went, split into causes that add up to all of them.

The busiest resource (DRAM channels, multipliers, or the merge tree) is in use for as long as its bound says; those
cycles are split by what it was used for. The rest of the run, cycles minus that bound, is split in proportion to the
stalls of the unit that works at that resource:

    multipliers busiest   memory stalls -> DRAM causes by bytes, blocked -> merge tree, starved and idle -> rounds
    DRAM busiest          prefetcher blocked -> multipliers, starved and idle -> rounds
    merge tree busiest    starved -> what the multipliers did meanwhile, blocked -> DRAM, idle -> rounds

For a machine of two phases, OuterSPACE, the causes are what its processing elements did in each (`phases`).

So each cycle is charged once. Where a run is near two bounds the smaller one does not show: the split says what to
change first, not what follows. Numbers come from the record alone; nothing is simulated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis import phases
from analysis.record import STATES, Record, ideal_by_operand, merge_layers, setting

DRAM_CAUSES = ("compulsory", "b_rereads", "partials", "padding")
CAUSES = (*DRAM_CAUSES, "arithmetic", "lost_slots", "merge_tree", "rounds")


@dataclass(frozen=True)
class Split:
    """Cycles by cause; they add up to the cycles of the run. used: cycles that each resource was in use for.

    limit, limit_cycles: the busiest resource and its share in `used`, at most the cycles of the run.
    """

    cycles: dict[str, float]
    used: dict[str, float]
    limit: str
    limit_cycles: float


def peak_bytes_per_cycle(record: Record) -> float:
    """Peak of all DRAM channels for whole bursts, in bytes a cycle."""
    return _bytes_per_cycle(record, gap_cycles=0)


def sustained_bytes_per_cycle(record: Record) -> float:
    """What all DRAM channels can keep up, with the gap after each burst, in bytes a cycle."""
    return _bytes_per_cycle(record, setting(record, "dram.gap_cycles", 0))


def _bytes_per_cycle(record: Record, gap_cycles: int) -> float:
    burst = setting(record, "dram.burst_bytes", 32)
    cycles = setting(record, "dram.burst_cycles") or -(-burst // setting(record, "dram.bytes_per_cycle", 8))
    return float(setting(record, "dram.channels", 16) * burst / (cycles + gap_cycles))


def dram_parts(record: Record) -> dict[str, float]:
    """Bytes that crossed the channels, by cause; they add up to ``channel_bytes`` (or the useful bytes if more)."""
    useful = record["dram_bytes"]
    rereads = max(0.0, float(useful["b_read"] - ideal_by_operand(record)["b_read"]))
    partials = float(useful["partial_read"] + useful["partial_write"])
    return {
        "compulsory": max(0.0, useful["total"] - rereads - partials),
        "b_rereads": rereads,
        "partials": partials,
        "padding": max(0.0, float(record["channel_bytes"] - useful["total"])),
    }


def split_cycles(record: Record) -> Split:
    """Charge every cycle of the run to one cause."""
    cycles = float(record["cycles"])
    bounds = record["bounds_cycles"]
    used = {
        "bandwidth": max(bounds["bandwidth"], sum(dram_parts(record).values()) / sustained_bytes_per_cycle(record)),
        "multiply": float(bounds["multiply"]),
        "merge": float(bounds["merge"]),
    }
    limit = max(used, key=lambda name: used[name])
    limit_cycles = min(used[limit], cycles)
    if phases.has_phases(record):
        return Split(phases.cause_cycles(record), used, limit, limit_cycles)
    charged = dict.fromkeys(CAUSES, 0.0)
    _charge(charged, _use(record, limit), limit_cycles)
    _charge(charged, _stalls(record, limit), cycles - limit_cycles)
    return Split(charged, used, limit, limit_cycles)


def _charge(charged: dict[str, float], weights: Mapping[str, float], cycles: float) -> None:
    """Add `cycles` in proportion to `weights`; to the rounds where there are none."""
    total = sum(weights.values())
    if total <= 0:
        charged["rounds"] += cycles
        return
    for cause, weight in weights.items():
        charged[cause] += cycles * weight / total


def _use(record: Record, resource: str) -> dict[str, float]:
    """What a resource was used for, as weights."""
    if resource == "bandwidth":
        return dram_parts(record)
    if resource == "merge":
        return {"merge_tree": 1.0}
    slots = setting(record, "multipliers.groups", 1) * setting(record, "multipliers.lanes", 1)
    full = record["multiplications"] / slots
    return {"arithmetic": full, "lost_slots": max(0.0, record["bounds_cycles"]["multiply"] - full)}


def _stalls(record: Record, resource: str) -> dict[str, float]:
    """What the unit at a resource waited for, as weights."""
    weights = dict.fromkeys(CAUSES, 0.0)
    if resource == "multiply":
        unit = _unit(record, "multipliers")
        _charge(weights, dram_parts(record), unit["memory"])
        weights["merge_tree"] += unit["blocked"]
        weights["rounds"] += unit["starved"] + unit["idle"]
    elif resource == "bandwidth":
        unit = _unit(record, "prefetcher")
        _charge(weights, _use(record, "multiply"), unit["blocked"])
        weights["rounds"] += unit["starved"] + unit["idle"]
    else:
        unit = _unit(record, busiest_layer(record))
        above = _unit(record, "multipliers")
        late = above["starved"] + above["idle"]
        _charge(weights, {"rounds": late, "arithmetic": above["busy"], "compulsory": above["memory"]}, unit["starved"])
        _charge(weights, dram_parts(record), unit["blocked"] + unit["memory"])
        weights["rounds"] += unit["idle"]
    return weights


def busiest_layer(record: Record) -> str:
    """The layer of the merge tree that worked most, or an empty name without a tree."""
    return max(merge_layers(record), key=lambda name: record["units"][name]["busy"], default="")


def _unit(record: Record, name: str) -> Mapping[str, Any]:
    states: Mapping[str, Any] = record["units"].get(name, dict.fromkeys(STATES, 0.0))
    return states
