"""Results to read: one made by hand, whose every figure can be checked on paper."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STATES = ("busy", "starved", "blocked", "memory", "idle")


def unit(*cycles: int) -> dict[str, int]:
    """States of a unit in their order."""
    return dict(zip(STATES, cycles, strict=True))


def hand_made() -> dict[str, Any]:
    """1000 elements times themselves: 12,000 multiplications; 1000 cycles, DRAM the busiest resource with 900."""
    from sim.sparch.config import load_config

    return {
        "schema": "hwloop.simulation/1",
        "version": "0.1.0",
        "seed": None,
        "wall_s": {"load": 0.1, "simulate": 0.2, "scipy": 0.1, "verify": 0.1},
        "matrix": {"name": "toy", "rows": 100, "cols": 100, "nnz": 1000, "sha256": None},
        "config": load_config(settings={"dram.gap_cycles": 0}).model_dump(),
        "accelerator": "sparch",
        "model": "event",
        "cycles": 1000,
        "seconds": 1e-6,
        "multiplications": 12_000,
        "output_nnz": 4000,
        "flops": 20_000,
        "gflops": 20.0,
        "condensed_columns": 80,
        "merge_rounds": 2,
        "first_round_ways": 17,
        "dram_bytes": {
            "a_read": 12_000,
            "b_read": 30_000,
            "partial_read": 8000,
            "partial_write": 8000,
            "c_write": 48_000,
            "total": 106_000,
        },
        "channel_bytes": 115_200,
        "ideal_dram_bytes": 72_000,
        "bandwidth_utilization": 106_000 / 128_000,
        "prefetch": {"requested_elements": 12_000, "read_elements": 2500, "hit_rate": 1 - 2500 / 12_000},
        "bounds_cycles": {"bandwidth": 829, "multiply": 800, "merge": 300},
        "units": {
            "column_fetchers": unit(100, 0, 500, 300, 100),
            "prefetcher": unit(200, 50, 30, 700, 20),
            "multipliers": unit(800, 40, 10, 100, 50),
            "partial_fetcher": unit(100, 100, 100, 100, 600),
            "writer": unit(500, 400, 0, 60, 40),
            "merge_layer_1": unit(200, 700, 50, 0, 50),
            "merge_layer_2": unit(300, 600, 50, 0, 50),
        },
        "actions": {"multiply": 12_000, "dram_byte": 106_000},
        "energy_j": {"compute": 5e-6, "sram": 6e-6, "dram": 4e-6, "crossbar": None, "total": 1.5e-5},
        "power_w": 15.0,
        "area_mm2": {"tree": 17.27, "total": 17.27, "basis": "hand made"},
        "events": 10,
        "verified": True,
        "max_relative_error": 2e-16,
        "flags": [],
    }


@pytest.fixture
def record() -> dict[str, Any]:
    """The hand-made result, to be changed at will."""
    return copy.deepcopy(hand_made())


@pytest.fixture
def other() -> dict[str, Any]:
    """The same product with a smaller buffer: more of B is read again, and the run is longer."""
    changed = copy.deepcopy(hand_made())
    changed["config"]["prefetch"]["lines"] = 128
    changed["dram_bytes"] |= {"b_read": 60_000, "total": 136_000}
    changed |= {"channel_bytes": 150_000, "cycles": 1300, "seconds": 1.3e-6, "gflops": 20 / 1.3, "power_w": 16.2 / 1.3}
    changed["bandwidth_utilization"] = 136_000 / (1300 * 128)
    changed["prefetch"] |= {"read_elements": 5000, "hit_rate": 1 - 5000 / 12_000}
    changed["bounds_cycles"]["bandwidth"] = 1063
    changed["energy_j"] |= {"dram": 5.2e-6, "total": 1.62e-5}
    for states in changed["units"].values():
        states["memory"] += 300
    return changed


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write a record to a file and give its path."""

    def write(content: Any, name: str = "result.json") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write
