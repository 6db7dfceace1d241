"""Why an OuterSPACE run took its time: what the processing elements did in each of its two phases, in words.

In each phase they work, wait for memory, or have finished before the slowest of them; these six shares make up the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analysis.record import Record, setting

PHASES = {"multiply": "multiply_pes", "merge": "merge_pes"}
STATES = {"memory": "memory", "arithmetic": "busy", "imbalance": "starved"}
CAUSE_NAMES = {
    "multiply_memory": "multiply phase: waiting for memory",
    "multiply_arithmetic": "multiply phase: multiplications",
    "multiply_imbalance": "multiply phase: the slowest element",
    "merge_memory": "merge phase: waiting for memory",
    "merge_arithmetic": "merge phase: insertion",
    "merge_imbalance": "merge phase: the slowest element",
}
RESOURCES = {
    "bandwidth": "DRAM bandwidth",
    "multiply": "the arithmetic of the multiplying elements",
    "merge": "the insertion of the merging elements",
}
FORMULAS = {
    name: f"units.{PHASES[name.partition('_')[0]]}.{STATES[name.partition('_')[2]]}, the mean processing element"
    for name in CAUSE_NAMES
}


def has_phases(record: Record) -> bool:
    """Whether the machine works in a multiply and a merge phase, as OuterSPACE does."""
    return all(unit in record["units"] for unit in PHASES.values())


def phase_cycles(record: Record, phase: str) -> int:
    """Length of a phase."""
    return int(record["cycles"] - record["units"][PHASES[phase]]["idle"])


def cause_cycles(record: Record) -> dict[str, float]:
    """Cycles of each cause; they add up to the cycles of the run."""
    states = {
        f"{phase}_{what}": float(record["units"][unit][state])
        for phase, unit in PHASES.items()
        for what, state in STATES.items()
    }
    total = sum(states.values())  # off by the rounding of both units
    return {name: states[name] * record["cycles"] / total if total else 0.0 for name in CAUSE_NAMES}


def _share(record: Record, phase: str, state: str) -> str:
    length = phase_cycles(record, phase)
    return f"{100 * record['units'][PHASES[phase]][state] / length:.0f} %" if length else "0 %"


def _elements(record: Record, phase: str) -> int:
    active = setting(record, "pes.per_tile" if phase == "multiply" else "pes.merge_per_tile", 0)
    return int(setting(record, "pes.tiles", 0) * active)


def _memory(record: Record, phase: str) -> str:
    peak = record["bounds_cycles"]["bandwidth"] / record["cycles"] if record["cycles"] else 0.0
    return (
        f"{phase.capitalize()} phase: its {_elements(record, phase)} processing elements wait for memory in "
        f"{_share(record, phase, 'memory')} of it. Each block of {setting(record, 'dram.burst_bytes', 0)} B holds one "
        f"for {setting(record, 'latency.request_cycles', 0):,} cycles and each task for "
        f"{setting(record, 'latency.task_cycles', 0):,} more (calibrated), while the channels are in use for "
        f"{peak:.0%} of the run. More pes.tiles or a lower latency.request_cycles would help."
    )


def _arithmetic(record: Record, phase: str) -> str:
    if phase == "multiply":
        return (
            f"Multiply phase: {record['multiplications']:,} multiplications on {_elements(record, phase)} processing "
            f"elements, {_share(record, phase, 'busy')} of the phase. Only more pes.tiles would shorten it."
        )
    steps = record["actions"].get("insert_step", 0)
    each = steps / record["multiplications"] if record["multiplications"] else 0.0
    return (
        f"Merge phase: inserting into sorted lists, {each:,.0f} steps for each partial product, "
        f"{_share(record, phase, 'busy')} of the phase. Rows of A with many entries make long lists; a smaller "
        "pes.merge_heads would merge them in more, shorter passes."
    )


def _imbalance(record: Record, phase: str) -> str:
    advice = {
        "multiply": "Columns of A with many entries, times long rows of B, are the cause",
        "merge": "One processing element merges all of an output row: long rows of A are the cause",
    }
    return (
        f"{phase.capitalize()} phase: tasks are dealt in turn whatever their size, so that for "
        f"{_share(record, phase, 'starved')} of it the mean element has nothing left to do while the slowest works on. "
        f"{advice[phase]}."
    )


_WORDS: Mapping[str, Callable[[Record, str], str]] = {
    "memory": _memory,
    "arithmetic": _arithmetic,
    "imbalance": _imbalance,
}


def text(name: str, record: Record) -> str:
    """A cause in words."""
    phase, _, what = name.partition("_")
    return _WORDS[what](record, phase)


def summary_line(record: Record, seconds: Callable[[Any], str]) -> str:
    """How long each phase took; `seconds` writes a time."""
    clock = float(setting(record, "clock_hz", 1.0))
    parts = (f"{phase} phase {seconds(phase_cycles(record, phase) / clock)}" for phase in PHASES)
    return ", ".join(parts)
