"""A figure with what the page writes around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Panel:
    """name: for ids; caption: what to see, one or two sentences from the data; alt: what the figure is, for who cannot
    see it; kinds: of the numbers in it (measured, simulated, published, calibrated, stand-in)."""

    name: str
    title: str
    figure: Figure
    caption: str
    alt: str
    kinds: tuple[str, ...]
