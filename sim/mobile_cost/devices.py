"""The profiles that ship with the package, by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from sim.mobile_cost.oracle import DeviceOracle
    from sim.mobile_cost.profile import DeviceProfile


def folder() -> Path:
    """Where the shipped profiles lie."""
    return Path(str(resources.files("sim.mobile_cost") / "profile_data"))


def names() -> list[str]:
    """Names of the shipped devices."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def load_device(name: str) -> DeviceProfile:
    """A shipped profile by its name, or a profile file by its path. Raises ConfigError with the nearest name."""
    from sim.mobile_cost.profile import load_profile

    if name.endswith((".toml", ".json")):
        return load_profile(name)
    if name not in names():
        raise ConfigError(f"no device {name!r}{nearest(name, names())}")
    return load_profile(folder() / f"{name}.toml")


def oracle(name: str) -> DeviceOracle:
    """The oracle of a shipped device, or of a profile file."""
    from sim.mobile_cost.oracle import DeviceOracle

    return DeviceOracle(load_device(name))
