"""What the SpArch paper publishes, read from `published.toml`: each figure with its source, never shown as ours."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """One published figure. source: where it stands, or how it was recalled."""

    value: float
    source: str


@functools.cache
def published() -> dict[str, dict[str, Published]]:
    """All published figures by section and name."""
    import tomllib

    text = Path(__file__).with_name("published.toml").read_text(encoding="utf-8")
    return {
        section: {name: Published(**entry) for name, entry in entries.items()}
        for section, entries in tomllib.loads(text).items()
    }
