"""SpArch asked as an oracle: sparse layers lowered to sparse products, simulated or estimated, kept by content.

Beside `sim.sparch` and not in it, so that a change here leaves the results of simulations valid.
Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.sparch_oracle.oracle import SparchOracle
    from sim.sparch_oracle.pricing import LayerCost, price_layer, price_operator

__all__ = ["LayerCost", "SparchOracle", "price_layer", "price_operator"]

_MODULES = {"LayerCost": "pricing", "SparchOracle": "oracle", "price_layer": "pricing", "price_operator": "pricing"}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` when it is first asked for."""
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
