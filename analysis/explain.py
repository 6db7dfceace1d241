"""A result in words: the three causes that cost most, each with its numbers, its formula and what would change it.

The cycles of each cause come from `causes.split_cycles`, which charges every cycle of the run exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analysis import phases
from analysis.causes import Split, busiest_layer, dram_parts, split_cycles, sustained_bytes_per_cycle
from analysis.record import Record, ideal_by_operand, setting


@dataclass(frozen=True)
class Cause:
    """One cause. cycles: its cost; share: of all cycles of the run; formula: how the cost was estimated."""

    name: str
    cycles: float
    share: float
    text: str
    formula: str


def explain_result(record: Record) -> list[Cause]:
    """The three causes with the highest cost, the highest first."""
    return all_causes(record)[:3]


def all_causes(record: Record) -> list[Cause]:
    """Every cause, the dearest first; their cycles add up to the cycles of the run."""
    split = split_cycles(record)
    total = float(record["cycles"])
    causes = [
        Cause(name, cycles, cycles / total if total else 0.0, _text(name, record, split), _FORMULAS[name])
        for name, cycles in split.cycles.items()
    ]
    return sorted(causes, key=lambda cause: -cause.cycles)


def render_explanation(record: Record) -> str:
    """The three causes as numbered paragraphs, below one line on what limits the run."""
    split, total = split_cycles(record), record["cycles"]
    names = phases.RESOURCES if phases.has_phases(record) else _RESOURCES
    lines = [
        f"{record['matrix']['name']}: {total:,} cycles; the busiest resource is {names[split.limit]}, in use for "
        f"{split.limit_cycles:,.0f} of them ({_percent(split.limit_cycles, total)}); {_next(split, total, names)}."
    ]
    for place, cause in enumerate(explain_result(record), 1):
        lines.append(f"{place}. {cause.cycles:,.0f} cycles ({cause.share:.0%}): {cause.text}")
        lines.append(f"   estimate: {cause.formula}")
    lines += [f"   note: {flag}" for flag in record.get("flags") or []]
    return "\n".join(lines)


def _text(name: str, record: Record, split: Split) -> str:
    return _TEXTS[name](record, split) if name in _TEXTS else phases.text(name, record)


def _next(split: Split, total: float, names: Mapping[str, str]) -> str:
    """How near the second resource is: what becomes the limit once the first is relieved."""
    second = max((name for name in split.used if name != split.limit), key=lambda name: split.used[name])
    return f"next comes {names[second]} ({_percent(split.used[second], total)})"


_RESOURCES = {"bandwidth": "DRAM bandwidth", "multiply": "the multiplier array", "merge": "the merge tree"}
_REST = "plus its part of the remaining cycles, by the stalls of the unit at the busiest resource"
_FORMULAS = {
    "compulsory": f"bytes of A, B and C moved once / peak bytes a cycle if DRAM is busiest, {_REST}",
    "b_rereads": f"(b_read - 12 B x entries of B) / peak bytes a cycle if DRAM is busiest, {_REST}",
    "partials": f"(partial_read + partial_write) / peak bytes a cycle if DRAM is busiest, {_REST}",
    "padding": f"(channel_bytes - dram_bytes.total) / peak bytes a cycle if DRAM is busiest, {_REST}",
    "arithmetic": f"multiplications / (groups x lanes) if the multipliers are busiest, {_REST}",
    "lost_slots": f"multiply bound - multiplications / (groups x lanes) if the multipliers are busiest, {_REST}",
    "merge_tree": f"merge bound if the tree is busiest, {_REST}",
    "rounds": "cycles - the largest bound, by the starved and idle cycles of the unit at the busiest resource",
    **phases.FORMULAS,
}


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.{3 if value < 1e6 else 1 if value < 1e8 else 0}f} MB"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def _moved(record: Record, cause: str) -> tuple[str, str]:
    """Bytes of a DRAM cause in words, and their part of everything that crossed the channels."""
    parts = dram_parts(record)
    whole = sum(parts.values())
    return _percent(parts[cause], whole), f"{_megabytes(parts[cause])} of {_megabytes(whole)}"


def _compulsory(record: Record, split: Split) -> str:
    share, moved = _moved(record, "compulsory")
    intensity = record["flops"] / record["ideal_dram_bytes"] if record["ideal_dram_bytes"] else 0.0
    rate = sustained_bytes_per_cycle(record)
    return (
        f"DRAM: {share} of the bytes are A, B and C moved once ({moved}); no schedule avoids them. "
        f"At {intensity:.3f} FLOP/B and {rate:,.0f} B a cycle the ceiling is {intensity * rate:,.1f} FLOP a cycle; "
        "only more dram.channels, dram.bytes_per_cycle or a smaller dram.gap_cycles would raise it."
    )


def _b_rereads(record: Record, split: Split) -> str:
    share, moved = _moved(record, "b_rereads")
    prefetch = record["prefetch"]
    times = record["dram_bytes"]["b_read"] / max(ideal_by_operand(record)["b_read"], 1.0)
    lines, elements = setting(record, "prefetch.lines", 0), setting(record, "prefetch.line_elements", 0)
    policy = setting(record, "prefetch.policy", "lookahead")
    advice = (
        "prefetch.policy=lookahead would keep rows in the buffer."
        if policy == "none"
        else "a larger prefetch.lines, or rows of A in an order that repeats columns, would lower it."
    )
    return (
        f"DRAM: {share} of the bytes are re-reads of B rows ({moved}): B is read {times:.1f} times over. "
        f"The row buffer ({lines:,} lines x {elements:,} elements, {policy}) answers {prefetch['hit_rate']:.1%} "
        f"of {prefetch['requested_elements']:,} requested elements; {advice}"
    )


def _partials(record: Record, split: Split) -> str:
    share, moved = _moved(record, "partials")
    ways = setting(record, "merge_tree.ways", 0)
    return (
        f"DRAM: {share} of the bytes are partial matrices written and read back ({moved}). "
        f"{record['condensed_columns']:,} condensed columns through {ways} ways take {record['merge_rounds']:,} "
        "rounds; more merge_tree.ways would need fewer rounds, a smaller partials.element_bytes fewer bytes."
    )


def _padding(record: Record, split: Split) -> str:
    share, moved = _moved(record, "padding")
    burst = setting(record, "dram.burst_bytes", 0)
    return (
        f"DRAM: {share} of the bytes are padding of reads to whole bursts of {burst} B ({moved}); "
        f"short B rows rarely fill one. A smaller dram.burst_bytes would waste less."
    )


def _slots(record: Record) -> tuple[int, float]:
    slots = setting(record, "multipliers.groups", 1) * setting(record, "multipliers.lanes", 1)
    offered = record["bounds_cycles"]["multiply"] * slots
    return slots, record["multiplications"] / offered if offered else 0.0


def _arithmetic(record: Record, split: Split) -> str:
    slots, filled = _slots(record)
    return (
        f"Arithmetic: {record['multiplications']:,} multiplications on {slots} multipliers; a slot that is offered is "
        f"filled in {filled:.0%} of the cases. Only more multipliers.groups or multipliers.lanes would shorten it."
    )


def _lost_slots(record: Record, split: Split) -> str:
    slots, filled = _slots(record)
    lost = record["bounds_cycles"]["multiply"] * slots - record["multiplications"]
    lanes = setting(record, "multipliers.lanes", 1)
    return (
        f"Arithmetic: {1 - filled:.0%} of the multiplier slots ({max(lost, 0):,.0f}) stay empty because B rows do not "
        f"fill {lanes} lanes, or are empty. More multipliers.groups with fewer multipliers.lanes would fill more."
    )


def _merge_tree(record: Record, split: Split) -> str:
    layer = busiest_layer(record)
    busy = record["units"][layer]["busy"] if layer else 0
    width = setting(record, "merge_tree.width", 0)
    return (
        f"Merging: the busiest layer of the tree ({layer or 'none'}) worked in {_percent(busy, record['cycles'])} of "
        f"the cycles at {width} elements a cycle, and held up the multipliers in "
        f"{record['units'].get('multipliers', {}).get('blocked', 0):,.0f}. "
        "A wider merge_tree.width or deeper merge_tree.fifo_depth would help."
    )


def _rounds(record: Record, split: Split) -> str:
    rounds = max(int(record["merge_rounds"]), 1)
    each = split.cycles["rounds"] / rounds
    latency = setting(record, "dram.latency_cycles", 0)
    return (
        f"Latency: filling the pipeline at the start and draining it at the end of {record['merge_rounds']:,} "
        f"rounds, about {each:,.0f} cycles a round, and waits inside them that no resource explains "
        f"(one DRAM read takes {latency} cycles). "
        "Fewer rounds (merge_tree.ways) or a lower dram.latency_cycles would help."
    )


_TEXTS: dict[str, Callable[[Record, Split], str]] = {
    "compulsory": _compulsory,
    "b_rereads": _b_rereads,
    "partials": _partials,
    "padding": _padding,
    "arithmetic": _arithmetic,
    "lost_slots": _lost_slots,
    "merge_tree": _merge_tree,
    "rounds": _rounds,
}
