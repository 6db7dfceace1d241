"""The machine's settings: published values, dotted names, one line for each fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.errors import ConfigError
from sim.outerspace import OuterSpaceConfig, load_config, parse_setting, setting_names
from sim.outerspace.calibration import Timing


def leaves(tree: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of all plain values."""
    names: list[str] = []
    for key, value in tree.items():
        names += leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]
    return names


def test_published_machine() -> None:
    config = OuterSpaceConfig()
    assert (config.clock_hz, config.multiply_pes, config.merge_pes, config.dram.channels) == (1.5e9, 256, 128, 16)
    assert config.clock_hz * config.peak_bytes_per_cycle == pytest.approx(128e9)
    assert config.l0.bytes == 16384


def test_calibrated_constants_are_the_defaults() -> None:
    latency, timing = OuterSpaceConfig().latency, Timing.load()
    assert (latency.request_cycles, latency.task_cycles) == (timing.request_cycles, timing.task_cycles)


def test_every_leaf_is_a_setting_and_survives_json() -> None:
    tree = OuterSpaceConfig().model_dump(mode="json")
    assert setting_names() == leaves(tree)
    assert OuterSpaceConfig.model_validate(tree) == OuterSpaceConfig()


def test_file_and_settings(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text("clock_hz = 1000000000\n[pes]\ntiles = 4\nmerge_per_tile = 2\n")
    config = load_config(file, {"pes.tiles": 8})
    assert (config.clock_hz, config.pes.tiles, config.pes.merge_per_tile, config.merge_pes) == (1e9, 8, 2, 16)
    assert load_config(settings={"l0.bytes": 64}, base=config).pes.tiles == 8
    assert parse_setting("pes.share_outer_products = false") == ("pes.share_outer_products", False)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("pes.tile=4", "unknown setting 'pes.tile'; nearest: pes.tiles"),
        ("merge_tree.ways=4", "unknown setting 'merge_tree.ways'"),
        ("pes.tiles", "no '='"),
        ("pes.tiles=0", r"pes\.tiles = 0: "),
        ("pes.tiles=2.5", r"pes\.tiles = 2\.5: "),
        ("pes.tiles=many", r"pes\.tiles = 'many': "),
        ("pes.share_outer_products=1", r"pes\.share_outer_products = 1: "),
        ("latency.request_cycles=-1", r"latency\.request_cycles = -1: "),
        ("clock_hz=0", r"clock_hz = 0\.0: "),
        ("pes.merge_per_tile=17", r"pes\.merge_per_tile = 17 must be <= pes\.per_tile = 16"),
        ("dram.burst_bytes=60", r"dram\.page_bytes = 4096 must be whole blocks of 60 B"),
    ],
)
def test_faults(setting: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(settings=dict([parse_setting(setting)]))
    assert "\n" not in str(caught.value)
