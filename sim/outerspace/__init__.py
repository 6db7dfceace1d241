"""The OuterSPACE accelerator (HPCA 2018), with which SpArch is compared: an outer product in two phases.

`simulate` is the door. Everything is imported on first use, so that naming this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.outerspace.config import OuterSpaceConfig, load_config, parse_setting, setting_names
    from sim.outerspace.simulation import simulate

__all__ = ["OuterSpaceConfig", "load_config", "parse_setting", "setting_names", "simulate"]

_MODULES = dict.fromkeys(("OuterSpaceConfig", "load_config", "parse_setting", "setting_names"), "config")
_MODULES |= {"simulate": "simulation"}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
