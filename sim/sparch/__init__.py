"""The SpArch accelerator (HPCA 2020): one module for each hardware unit, two timing models on one plan.

`simulate` is the door. Everything is imported on first use, so that naming this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.sparch.config import SpArchConfig, load_config, parse_setting, setting_names
    from sim.sparch.operand import Operand
    from sim.sparch.simulation import simulate

__all__ = ["Operand", "SpArchConfig", "load_config", "parse_setting", "setting_names", "simulate"]

_MODULES = dict.fromkeys(("SpArchConfig", "load_config", "parse_setting", "setting_names"), "config")
_MODULES |= {"Operand": "operand", "simulate": "simulation"}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
