"""The profile of this machine: taken where it is one, refused where another was named."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwloop.host_profile import default_profile, open_profile
from sim.errors import ConfigError, InputError
from sim.mobile_cost.devices import load_device


def test_a_profile_of_this_machine_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hwloop.profile_command import machine_words

    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    words = f"measured on this host: {machine_words()}, 1 threads, cpu, torch, eager"
    mine = load_device("note10").model_copy(update={"name": "here", "label": "measured", "description": words})
    mine.save(default_profile())
    path, found, measured_now = open_profile(None)
    assert (path, found.name, measured_now) == (tmp_path / "cache" / "profiles" / "this-machine.toml", "here", False)


def test_another_machine_is_refused_where_it_was_named(tmp_path: Path) -> None:
    load_device("note10").save(tmp_path / "phone.toml")
    with pytest.raises(ConfigError, match=r"phone.toml' is no profile of this machine; nearest: hwloop profile"):
        open_profile(str(tmp_path / "phone.toml"))
    with pytest.raises(InputError, match=r"a profile is a \.toml or \.json file"):
        open_profile(str(tmp_path / "phone.txt"))
