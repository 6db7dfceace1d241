"""The configuration of a SpArch machine: frozen, typed, validated; files are only its serialisation.

Published values are the defaults (SpArch, HPCA 2020, section II and table of the architectural set-up).
Fields whose value the paper does not give are marked *choice*; README lists what each of them changes.
Keys are dotted in ``--set`` and on the command line (``merge_tree.ways``), tables in TOML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sim import settings as _settings
from sim.settings import Table as _Table
from sim.settings import whole as _int


class Schedule(_Table):
    """Order in which condensed columns and partial matrices are merged."""

    policy: Literal["huffman", "random", "fifo", "sequential"] = "huffman"
    leaf_weight: Literal["estimate", "exact"] = Field(
        default="estimate", description="estimate: column size x mean row of B; exact: size of its product"
    )
    seed: int = _int(0, 0, 2**31 - 1, "seed of the random policy")


class MergeTree(_Table):
    """Binary tree of `ways` inputs; each layer has one merger, shared in time by its nodes."""

    ways: int = _int(64, 2, 128, "inputs of the tree, a power of two")
    width: int = _int(16, 1, 64, "elements that one merger passes in a cycle")
    fifo_depth: int = _int(48, 2, 65536, "elements of each node FIFO (choice: 3 x width)")

    @field_validator("ways")
    @classmethod
    def _power_of_two(cls, ways: int) -> int:
        if ways & (ways - 1):
            raise ValueError(f"must be a power of two; nearest: {2 ** round(math.log2(ways))}")
        return ways


class Multipliers(_Table):
    """`groups` groups, each multiplying one element of A by up to `lanes` elements of B in a cycle."""

    groups: int = _int(2, 1, 64, "elements of A in work at once")
    lanes: int = _int(8, 1, 64, "elements of B for each of them")


class Lookahead(_Table):
    """FIFO of elements of A between the column fetchers and the multipliers."""

    elements: int = _int(8192, 4, 2**24, "capacity; also the window in which next uses are known")


class Prefetch(_Table):
    """The buffer of B rows, in lines, and its fetchers."""

    policy: Literal["lookahead", "lru", "none"] = "lookahead"
    lines: int = _int(1024, 16, 2**20, "lines in the buffer")
    line_elements: int = _int(48, 1, 4096, "elements of B in one line")
    fetchers: int = _int(16, 1, 1024, "line look-ups in a cycle")
    keep_between_rounds: bool = Field(default=False, description="keep the buffer warm across merge rounds")


class Partials(_Table):
    """Partial matrices in DRAM, their fetcher and their writer."""

    element_bytes: int = _int(16, 12, 32, "bytes of an element of a partial matrix (choice: row, column, value)")
    fifo_depth: int = _int(1024, 8, 2**20, "elements in the fetcher's pool and in the writer's FIFO (choice)")


class Dram(_Table):
    """HBM: channels x bytes a cycle, fixed latency, bursts, bounded request queues.

    `gap_cycles` stands for what keeps HBM below its peak: two bursts in one bank group are twice as far apart as in two
    (1 Gb/s parts), refresh takes 260 of 3900 ns, and pages miss. Makers count on 50 to 90 % of the peak, by how often
    pages hit (AMD UG1556 on HBM); one cycle after a burst of four leaves 80 %.
    """

    channels: int = _int(16, 1, 1024, "independent channels")
    bytes_per_cycle: int = _int(8, 1, 1024, "peak of one channel")
    latency_cycles: int = _int(100, 0, 100_000, "from the end of a read burst to its data (choice)")
    gap_cycles: int = _int(1, 0, 1000, "cycles between two bursts of a channel (choice)")
    burst_bytes: int = _int(32, 4, 4096, "unit of transfer and of interleaving (choice)")
    queue_bursts: int = _int(32, 1, 65536, "bursts that one unit may have waiting in one channel (choice)")
    count_row_pointers: bool = Field(default=False, description="charge 8 B with the first part of each B row read")


class Event(_Table):
    """Settings of the event model only; they change its resolution, never the machine."""

    block_elements: int = _int(16384, 16, 2**24, "products in one block, at most (a block holds whole output rows)")


class SpArchConfig(_Table):
    """A complete SpArch machine. Build it with `load_config` from files and ``key=value`` settings."""

    version: Literal[1] = 1
    clock_hz: Annotated[float, Field(gt=0, le=1e12)] = 1e9
    condensing: bool = True
    schedule: Schedule = Schedule()
    merge_tree: MergeTree = MergeTree()
    multipliers: Multipliers = Multipliers()
    column_fetchers: int = _int(64, 1, 65536, "elements of A requested in a cycle, at most")
    lookahead: Lookahead = Lookahead()
    prefetch: Prefetch = Prefetch()
    partials: Partials = Partials()
    dram: Dram = Dram()
    event: Event = Event()

    @model_validator(mode="after")
    def _fits_together(self) -> SpArchConfig:
        ways = self.merge_tree.ways
        if self.lookahead.elements < ways:
            raise ValueError(f"lookahead.elements = {self.lookahead.elements} must hold one row of A: >= ways = {ways}")
        if self.partials.fifo_depth < 2 * ways:
            raise ValueError(f"partials.fifo_depth = {self.partials.fifo_depth} must be >= 2 x ways = {2 * ways}")
        return self

    @property
    def layers(self) -> int:
        """Layers of the merge tree: log2(ways)."""
        return self.merge_tree.ways.bit_length() - 1

    @property
    def burst_cycles(self) -> int:
        """Cycles that one burst holds its channel, with the gap to the next."""
        return self._transfer_cycles + self.dram.gap_cycles

    @property
    def _transfer_cycles(self) -> int:
        return -(-self.dram.burst_bytes // self.dram.bytes_per_cycle)

    @property
    def fetch_queue_bursts(self) -> int:
        """Queue of the column fetchers in a channel while they are far ahead of the look-ups: an eighth."""
        return max(1, self.dram.queue_bursts // 8)

    @property
    def fetch_watermark(self) -> int:
        """Elements of A that wait for look-up from which on the column fetchers leave DRAM to the others."""
        return max(self.merge_tree.ways, self.lookahead.elements // 16)

    @property
    def peak_bytes_per_cycle(self) -> float:
        """Peak of all channels together, in bytes a cycle, for whole bursts."""
        return self.dram.channels * self.dram.burst_bytes / self._transfer_cycles

    @property
    def chunk_elements(self) -> int:
        """Elements of a partial matrix fetched at once: 16, fewer where the pool would not hold two for each input."""
        return min(16, max(1, self.partials.fifo_depth // (2 * self.merge_tree.ways)))

    @property
    def shallow_fifos(self) -> bool:
        """True where a node FIFO holds less than two merger widths: results deserve the cycle model."""
        return self.merge_tree.fifo_depth < 2 * self.merge_tree.width


def setting_names() -> list[str]:
    """All dotted setting names, in the order of the configuration."""
    return _settings.setting_names(SpArchConfig)


def parse_setting(text: str) -> tuple[str, Any]:
    """``"merge_tree.ways=32"`` -> name and typed value. Raises ConfigError for an unknown name or no ``=``."""
    return _settings.parse_setting(SpArchConfig, text)


def load_config(
    file: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    base: SpArchConfig | None = None,
) -> SpArchConfig:
    """Configuration from a TOML file and dotted settings (which win), over `base` or the published defaults.

    Raises ConfigError: unknown key (with the nearest one), wrong type, value out of range, unreadable file.
    """
    return _settings.load_config(base or SpArchConfig(), file, settings)


def validate_config(tree: Mapping[str, Any]) -> SpArchConfig:
    """Check a nested mapping. Raises ConfigError with one line for the first fault."""
    return _settings.validate_config(SpArchConfig, tree)
