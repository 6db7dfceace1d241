"""The configuration: published defaults, types, ranges, files, and errors that name the nearest key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sim.errors import ConfigError
from sim.sparch.config import SpArchConfig, load_config, parse_setting, setting_names, validate_config

PUBLISHED = {
    "clock_hz": 1e9,
    "condensing": True,
    "schedule.policy": "huffman",
    "schedule.leaf_weight": "estimate",
    "merge_tree.ways": 64,
    "merge_tree.width": 16,
    "merge_tree.fifo_depth": 48,
    "multipliers.groups": 2,
    "multipliers.lanes": 8,
    "column_fetchers": 64,
    "lookahead.elements": 8192,
    "prefetch.policy": "lookahead",
    "prefetch.lines": 1024,
    "prefetch.line_elements": 48,
    "prefetch.fetchers": 16,
    "prefetch.keep_between_rounds": False,
    "partials.element_bytes": 16,
    "dram.channels": 16,
    "dram.bytes_per_cycle": 8,
    "dram.count_row_pointers": False,
}


def value(config: SpArchConfig, name: str) -> Any:
    """A setting by its dotted name."""
    found: Any = config
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_are_the_published_values(name: str) -> None:
    assert value(SpArchConfig(), name) == PUBLISHED[name]
    assert type(value(SpArchConfig(), name)) is type(PUBLISHED[name])


def test_derived_values() -> None:
    config = SpArchConfig()
    assert config.layers == 6
    assert config.burst_cycles == 4 + 1
    assert config.peak_bytes_per_cycle == 128
    assert config.peak_bytes_per_cycle * config.clock_hz == 128e9
    assert config.prefetch.lines * config.prefetch.line_elements * 12 == 589_824
    assert config.chunk_elements == 8
    assert config.fetch_queue_bursts == 4
    assert config.fetch_watermark == 512
    assert not config.shallow_fifos


@pytest.mark.parametrize(
    ("settings", "name", "derived"),
    [
        ({"merge_tree.ways": 2}, "layers", 1),
        ({"merge_tree.ways": 128}, "layers", 7),
        ({"dram.burst_bytes": 33}, "burst_cycles", 6),
        ({"dram.gap_cycles": 0}, "burst_cycles", 4),
        ({"dram.burst_bytes": 4}, "burst_cycles", 2),
        ({"dram.burst_bytes": 33, "dram.channels": 10}, "peak_bytes_per_cycle", 66.0),
        ({"dram.queue_bursts": 7}, "fetch_queue_bursts", 1),
        ({"lookahead.elements": 64}, "fetch_watermark", 64),
        ({"merge_tree.fifo_depth": 32}, "shallow_fifos", False),
        ({"merge_tree.fifo_depth": 31}, "shallow_fifos", True),
        ({"merge_tree.width": 25}, "shallow_fifos", True),
        ({"partials.fifo_depth": 128}, "chunk_elements", 1),
    ],
)
def test_derived_values_follow(settings: dict[str, Any], name: str, derived: Any) -> None:
    assert getattr(load_config(settings=settings), name) == derived


def test_names_are_all_the_leaves() -> None:
    def leaves(tree: dict[str, Any], prefix: str = "") -> list[str]:
        return [
            name
            for key, of in tree.items()
            for name in (leaves(of, f"{prefix}{key}.") if isinstance(of, dict) else [prefix + key])
        ]

    assert setting_names() == leaves(SpArchConfig().model_dump())
    assert len(set(setting_names())) == len(setting_names())


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("merge_tree.way", "merge_tree.ways"),
        ("mergetree.ways", "merge_tree.ways"),
        ("prefetch.line", "prefetch.lines"),
        ("dram.latency", "dram.latency_cycles"),
        ("clock", "clock_hz"),
        ("lookahead.element", "lookahead.elements"),
    ],
)
def test_unknown_key_names_the_nearest(wrong: str, right: str, tmp_path: Path) -> None:
    message = rf"^unknown setting '{wrong}'; nearest: {right}$"
    with pytest.raises(ConfigError, match=message):
        load_config(settings={wrong: 4})
    with pytest.raises(ConfigError, match=message):
        parse_setting(f"{wrong}=4")
    file = tmp_path / "machine.toml"
    file.write_text(f"{wrong} = 4\n")
    with pytest.raises(ConfigError, match=message):
        load_config(file)


def test_unknown_key_like_nothing_known() -> None:
    with pytest.raises(ConfigError, match=r"^unknown setting '###'$"):
        load_config(settings={"###": 4})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("merge_tree.ways", "64"),
        ("merge_tree.ways", 64.0),
        ("merge_tree.ways", True),
        ("merge_tree.ways", None),
        ("prefetch.policy", "belady"),
        ("schedule.policy", 1),
        ("condensing", 1),
        ("condensing", "true"),
        ("dram.count_row_pointers", "no"),
        ("clock_hz", "fast"),
        ("version", 2),
    ],
)
def test_wrong_type(name: str, wrong: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(settings={name: wrong})
    assert str(raised.value).startswith(f"{name} = {wrong!r}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("merge_tree.width", 1, 64),
        ("merge_tree.fifo_depth", 2, 65536),
        ("multipliers.groups", 1, 64),
        ("multipliers.lanes", 1, 64),
        ("column_fetchers", 1, 65536),
        ("prefetch.lines", 16, 2**20),
        ("prefetch.line_elements", 1, 4096),
        ("prefetch.fetchers", 1, 1024),
        ("partials.element_bytes", 12, 32),
        ("dram.channels", 1, 1024),
        ("dram.bytes_per_cycle", 1, 1024),
        ("dram.latency_cycles", 0, 100_000),
        ("dram.gap_cycles", 0, 1000),
        ("dram.burst_bytes", 4, 4096),
        ("dram.queue_bursts", 1, 65536),
        ("event.block_elements", 16, 2**24),
        ("schedule.seed", 0, 2**31 - 1),
    ],
)
def test_ranges(name: str, lowest: int, highest: int) -> None:
    for good in (lowest, highest):
        assert value(load_config(settings={name: good}), name) == good
    for bad in (lowest - 1, highest + 1):
        with pytest.raises(ConfigError, match=rf"^{name} = {bad}: .*(greater|less) than"):
            load_config(settings={name: bad})


@pytest.mark.parametrize("hertz", [0, -1, 2e12, float("nan")])
def test_clock_range(hertz: float) -> None:
    with pytest.raises(ConfigError, match=r"^clock_hz = "):
        load_config(settings={"clock_hz": hertz})


def test_whole_clock_is_a_number_too() -> None:
    assert load_config(settings={"clock_hz": 2_000_000_000}).clock_hz == 2e9


@pytest.mark.parametrize(
    ("ways", "near"), [(3, (2, 4)), (5, (4,)), (7, (8,)), (33, (32,)), (63, (64,)), (100, (128,)), (90, (64,))]
)
def test_ways_are_a_power_of_two(ways: int, near: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="power of two") as raised:
        load_config(settings={"merge_tree.ways": ways})
    assert int(str(raised.value).rsplit("nearest: ")[1]) in near
    for exponent in range(1, 8):
        assert load_config(settings={"merge_tree.ways": 2**exponent}).layers == exponent


def test_what_has_to_fit_together() -> None:
    with pytest.raises(ConfigError, match=r"^lookahead.elements = 63 .*>= ways = 64$"):
        load_config(settings={"lookahead.elements": 63})
    with pytest.raises(ConfigError, match=r"^partials.fifo_depth = 127 must be >= 2 x ways = 128$"):
        load_config(settings={"partials.fifo_depth": 127})
    assert load_config(settings={"partials.fifo_depth": 8, "merge_tree.ways": 4}).chunk_elements == 1


def test_file_and_settings(tmp_path: Path) -> None:
    file = tmp_path / "machine.toml"
    file.write_text(
        'column_fetchers = 8\nclock_hz = 500000000\n[merge_tree]\nways = 16\nwidth = 4\n[schedule]\npolicy = "fifo"\n'
    )
    config = load_config(file, {"merge_tree.width": 8})
    assert (config.column_fetchers, config.clock_hz, config.merge_tree.ways) == (8, 5e8, 16)
    assert config.merge_tree.width == 8  # the setting wins
    assert config.merge_tree.fifo_depth == 48  # and the rest stays
    assert config.schedule.policy == "fifo"
    again = load_config(None, {"multipliers.groups": 1}, base=config)
    assert again.merge_tree == config.merge_tree
    assert again.multipliers.groups == 1
    assert config.multipliers.groups == 2


@pytest.mark.parametrize("text", ["merge_tree = 4", "ways = [", "\xff\xfe", "[merge_tree.ways]\nx = 1"])
def test_bad_files(tmp_path: Path, text: str) -> None:
    file = tmp_path / "machine.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert "\n" not in str(raised.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read configuration .*absent\.toml: No such file"):
        load_config(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="cannot read configuration"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("merge_tree.ways=32", ("merge_tree.ways", 32)),
        (" merge_tree.ways = 32 ", ("merge_tree.ways", 32)),
        ("clock_hz=1e9", ("clock_hz", 1e9)),
        ("condensing=false", ("condensing", False)),
        ("prefetch.policy=lru", ("prefetch.policy", "lru")),
        ('prefetch.policy="lru"', ("prefetch.policy", "lru")),
        ("dram.channels=0x10", ("dram.channels", 16)),
    ],
)
def test_parse_setting(text: str, parsed: tuple[str, Any]) -> None:
    assert parse_setting(text) == parsed


def test_setting_without_a_value() -> None:
    with pytest.raises(ConfigError, match="has no '='"):
        parse_setting("merge_tree.ways")


def test_dump_round_trips() -> None:
    changed = {"merge_tree.ways": 8, "prefetch.policy": "none", "clock_hz": 3e8, "condensing": False}
    for config in (SpArchConfig(), load_config(settings=changed)):
        assert validate_config(config.model_dump()) == config
        assert SpArchConfig.model_validate_json(config.model_dump_json()) == config


def test_frozen() -> None:
    config = SpArchConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.column_fetchers = 3
    with pytest.raises(ValidationError, match="frozen"):
        config.merge_tree.ways = 3


def test_unknown_key_in_a_tree() -> None:
    tree = SpArchConfig().model_dump()
    tree["merge_tree"]["colour"] = "red"
    with pytest.raises(ConfigError, match=r"^merge_tree.colour = 'red'"):
        validate_config(tree)
