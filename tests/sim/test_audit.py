"""Each check of the audit holds on an honest result and fails when its figure is touched."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from sim.audit import Counted, audit
from sim.errors import InvariantError
from sim.result import SimulationResult
from sim.sparch import load_config, simulate


@pytest.fixture(scope="module")
def result() -> SimulationResult:
    """A run of several rounds."""
    config = load_config(settings={"merge_tree.ways": 2})
    return simulate(np.triu(np.ones((8, 8))), config=config)


def honest(result: SimulationResult) -> Counted:
    """What the run of `result` must have counted."""
    return Counted(
        bursts=result.channel_bytes // 32,
        burst_bytes=32,
        product_nnz=result.output_nnz,
        multiplications=result.multiplications,
        tree_elements=result.actions["fifo_word"] // 2,
        ledger_cycles=dict.fromkeys(result.units, float(result.cycles)),
    )


def test_honest_result_passes(result: SimulationResult) -> None:
    assert result.dram_bytes.partial_read > 0
    audit(result, honest(result))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("bursts", "bursts that the channels counted"),
        ("product_nnz", "entries of the product"),
        ("multiplications", "products of the operands' patterns"),
        ("tree_elements", "elements that entered the layers"),
    ],
)
def test_counts_of_the_run(result: SimulationResult, field: str, words: str) -> None:
    counted = honest(result)
    other = dataclasses.replace(counted, **{field: getattr(counted, field) + 1})
    with pytest.raises(InvariantError, match=words) as caught:
        audit(result, other)
    assert sum(character.isdigit() for character in str(caught.value)) >= 2


@pytest.mark.parametrize("cycles", [-1.0, 0.0, float("nan")])
def test_ledgers(result: SimulationResult, cycles: float) -> None:
    counted = dataclasses.replace(honest(result), ledger_cycles={"writer": cycles})
    with pytest.raises(InvariantError, match="ledger of writer"):
        audit(result, counted)


def tampered(result: SimulationResult, place: str, change: int) -> SimulationResult:
    """A copy with one integer changed; ``a.b`` names a field of a part."""
    outer, _, inner = place.partition(".")
    if not inner:
        return result.model_copy(update={outer: getattr(result, outer) + change})
    part: Any = getattr(result, outer)
    return result.model_copy(update={outer: part.model_copy(update={inner: getattr(part, inner) + change})})


@pytest.mark.parametrize(
    ("place", "change", "words"),
    [
        ("dram_bytes.total", 1, "dram_bytes.total"),
        ("dram_bytes.a_read", 12, "dram_bytes.total"),
        ("dram_bytes.b_read", 12, "dram_bytes.total"),
        ("dram_bytes.c_write", -12, "dram_bytes.total"),
        ("channel_bytes", -(10**6), "is more than channel_bytes"),
        ("flops", 1, "flops"),
        ("output_nnz", 1, "flops"),
        ("bounds_cycles.bandwidth", 10**6, "bounds_cycles.bandwidth"),
        ("bounds_cycles.multiply", 10**6, "bounds_cycles.multiply"),
        ("bounds_cycles.merge", 10**6, "bounds_cycles.merge"),
        ("prefetch.read_elements", 10**6, "prefetch.read_elements"),
        ("cycles", 1, "sum of the states"),
    ],
)
def test_figures_of_the_record(result: SimulationResult, place: str, change: int, words: str) -> None:
    other = tampered(result, place, change)
    counted = dataclasses.replace(honest(result), ledger_cycles={})
    with pytest.raises(InvariantError, match=words):
        audit(other, counted)


def test_partials_are_read_as_often_as_written(result: SimulationResult) -> None:
    other = tampered(tampered(result, "dram_bytes.partial_read", 16), "dram_bytes.total", 16)
    with pytest.raises(InvariantError, match=r"dram_bytes\.partial_read"):
        audit(other, honest(result))


def test_more_entries_than_multiplications(result: SimulationResult) -> None:
    surplus = result.multiplications - result.output_nnz + 1
    other = tampered(tampered(result, "output_nnz", surplus), "flops", -surplus)
    with pytest.raises(InvariantError, match="more than multiplications"):
        audit(other, honest(result))


def test_ratios(result: SimulationResult) -> None:
    with pytest.raises(InvariantError, match=r"bandwidth_utilization = 1\.25 is over 1"):
        audit(result.model_copy(update={"bandwidth_utilization": 1.25}), honest(result))
    prefetch = result.prefetch.model_copy(update={"hit_rate": -0.5})
    with pytest.raises(InvariantError, match=r"hit_rate = -0\.5 is outside"):
        audit(result.model_copy(update={"prefetch": prefetch}), honest(result))


def test_each_unit_sums_to_the_cycles(result: SimulationResult) -> None:
    for name, unit in result.units.items():
        units = {**result.units, name: unit.model_copy(update={"idle": unit.idle + 1})}
        with pytest.raises(InvariantError, match=f"states of {name} "):
            audit(result.model_copy(update={"units": units}), honest(result))


def test_figures_of_merge_rounds_are_all_there_or_all_absent(result: SimulationResult) -> None:
    absent = dict.fromkeys(("condensed_columns", "merge_rounds", "first_round_ways", "prefetch"))
    audit(result.model_copy(update=absent), honest(result))
    for name in absent:
        with pytest.raises(InvariantError, match="1 of the 4 figures of merge rounds"):
            audit(result.model_copy(update={name: None}), honest(result))
