"""Dotted settings over any configuration: named, merged, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from sim.errors import ConfigError
from sim.settings import Table, load_config, parse_setting, setting_names, validate_config, whole


class Wheel(Table):
    """A table."""

    spokes: int = whole(32, 1, 64, "spokes")


class Bicycle(Table):
    """A configuration with a table made on demand."""

    clock_hz: float = 1.0
    name: str = "bicycle"
    front: Wheel = Wheel()
    rear: Wheel = Field(default_factory=lambda: Wheel(spokes=36))


def test_names_and_order() -> None:
    assert setting_names(Bicycle) == ["clock_hz", "name", "front.spokes", "rear.spokes"]


def test_settings_win_over_the_file_and_the_base(tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    file.write_text('name = "file"\n[front]\nspokes = 20\n')
    found = load_config(Bicycle(name="base", clock_hz=3.0), file, {"front.spokes": 24})
    assert (found.name, found.front.spokes, found.rear.spokes, found.clock_hz) == ("file", 24, 36, 3.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("front.spokes=7", 7), (" name = fixie ", "fixie"), ('name="a=b"', "a=b"), ("clock_hz=2", 2), ("name=true", True)],
)
def test_values_are_typed_as_in_toml(text: str, expected: Any) -> None:
    assert parse_setting(Bicycle, text)[1] == expected


def test_whole_clock_becomes_a_float() -> None:
    assert load_config(Bicycle(), settings={"clock_hz": 2}).clock_hz == 2.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"front.spoke": 1}, "unknown setting 'front.spoke'; nearest: front.spokes"),
        ({"front": 1}, "unknown setting 'front'"),
        ({"front.spokes": 0}, r"front\.spokes = 0: "),
        ({"front.spokes": True}, r"front\.spokes = True: "),
    ],
)
def test_faults(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(Bicycle(), settings=settings)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read configuration"):
        load_config(Bicycle(), tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(Bicycle(), tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match="no '='"):
        parse_setting(Bicycle, "name")
    with pytest.raises(ConfigError, match="wheels"):
        validate_config(Bicycle, {"wheels": 3})
