"""The configuration of an OuterSPACE machine: frozen, typed, validated; files are only its serialisation.

Published values are the defaults (OuterSPACE, HPCA 2018, and its description in TeAAL). Two numbers are not published:
how long a processing element is held by a request to memory and by the start of a task. They are calibrated
(`sim.outerspace.calibration`, ``timing.toml``). Fields marked *choice* rest on no source.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sim import settings as _settings
from sim.settings import Table, whole


def _calibrated(name: str, what: str) -> Any:
    def constant() -> int:
        from sim.outerspace.calibration import Timing

        return int(getattr(Timing.load(), name))

    return Field(default_factory=constant, ge=0, le=1_000_000, description=what)


class Pes(Table):
    """Processing elements, in tiles that share an L0 cache; in the merge phase only some of each tile work."""

    tiles: int = whole(16, 1, 1024, "tiles")
    per_tile: int = whole(16, 1, 1024, "processing elements of a tile, all active in the multiply phase")
    merge_per_tile: int = whole(8, 1, 1024, "of them active in the merge phase")
    share_outer_products: bool = Field(
        default=True, description="whether a tile works on an outer product together; else one element does all of it"
    )
    merge_heads: int = whole(128, 2, 2**20, "list heads that the 2 KB scratchpad of one holds (choice: 16 B each)")


class L0(Table):
    """The cache of a tile in the multiply phase."""

    bytes: int = whole(16384, 64, 2**30, "capacity; a longer row of B is asked for again for each element of A")


class Latency(Table):
    """What holds a processing element: requests to memory, of which it hides little, and starting a task."""

    request_cycles: int = _calibrated("request_cycles", "for each block of 64 B that is read or written (calibrated)")
    task_cycles: int = _calibrated("task_cycles", "for each outer product and each merged row (calibrated)")


class Dram(Table):
    """HBM: 16 channels of 8 GB/s, which are 64 B in 12 cycles of 1.5 GHz."""

    channels: int = whole(16, 1, 1024, "independent channels")
    burst_bytes: int = whole(64, 12, 4096, "block of a request; everything is rounded up to it")
    burst_cycles: int = whole(12, 1, 100_000, "cycles that one block holds its channel")
    page_bytes: int = whole(4096, 64, 2**24, "unit of interleaving over the channels")
    latency_cycles: int = whole(180, 0, 100_000, "from the end of a block to its data: 120 ns, where DRAM is the limit")
    queue_bursts: int = whole(8, 1, 65536, "blocks that one tile may have waiting in one channel: 128 / 16 tiles")


class Event(Table):
    """Settings of the event model only; they change its resolution, never the machine."""

    blocks: int = whole(128, 1, 2**20, "blocks of work into which the tasks of a phase are cut")


class OuterSpaceConfig(Table):
    """A complete OuterSPACE machine. Build it with `load_config` from files and ``key=value`` settings."""

    version: Literal[1] = 1
    clock_hz: Annotated[float, Field(gt=0, le=1e12)] = 1.5e9
    pes: Pes = Pes()
    l0: L0 = L0()
    latency: Latency = Field(default_factory=Latency)
    dram: Dram = Dram()
    event: Event = Event()

    @model_validator(mode="after")
    def _fits_together(self) -> OuterSpaceConfig:
        pes, dram = self.pes, self.dram
        if pes.merge_per_tile > pes.per_tile:
            raise ValueError(f"pes.merge_per_tile = {pes.merge_per_tile} must be <= pes.per_tile = {pes.per_tile}")
        if dram.page_bytes % dram.burst_bytes:
            raise ValueError(f"dram.page_bytes = {dram.page_bytes} must be whole blocks of {dram.burst_bytes} B")
        return self

    @property
    def multiply_pes(self) -> int:
        """Processing elements that work in the multiply phase."""
        return self.pes.tiles * self.pes.per_tile

    @property
    def merge_pes(self) -> int:
        """Processing elements that work in the merge phase."""
        return self.pes.tiles * self.pes.merge_per_tile

    @property
    def peak_bytes_per_cycle(self) -> float:
        """Peak of all channels together, in bytes a cycle, for whole blocks."""
        return self.dram.channels * self.dram.burst_bytes / self.dram.burst_cycles


def setting_names() -> list[str]:
    """All dotted setting names, in the order of the configuration."""
    return _settings.setting_names(OuterSpaceConfig)


def parse_setting(text: str) -> tuple[str, Any]:
    """``"dram.channels=32"`` -> name and typed value. Raises ConfigError for an unknown name or no ``=``."""
    return _settings.parse_setting(OuterSpaceConfig, text)


def load_config(
    file: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    base: OuterSpaceConfig | None = None,
) -> OuterSpaceConfig:
    """Configuration from a TOML file and dotted settings (which win), over `base` or the defaults.

    Raises ConfigError: unknown key (with the nearest one), wrong type, value out of range, unreadable file.
    """
    return _settings.load_config(base or OuterSpaceConfig(), file, settings)
