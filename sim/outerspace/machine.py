"""The two phases of OuterSPACE on SimPy: every tile is a process that works through its blocks of tasks.

The processing elements of a tile run on their own: each adds up the cycles of its tasks. What they share are the memory
channels. A tile asks for the bytes of a block when those that work on it begin it, on average; if the channels are
later with them than the work takes, they wait. The merge phase begins when the slowest processing element has finished
the multiply phase. Fixed latencies are in the tasks (`work`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

from sim.events import BUSY, IDLE, MEMORY, STARVED, STATES, Wait
from sim.hbm import Hbm
from sim.outerspace.config import OuterSpaceConfig
from sim.outerspace.work import PhaseWork

PHASES = ("multiply_pes", "merge_pes")
CHANNELS = "dram_channels"
COUNTER = "DRAM blocks asked for"
TURN_BURSTS = 128
"""Most that a tile queues in a channel at once (resolution only)."""
Slices = dict[str, list[tuple[str, float, float]]]


@dataclass
class OuterSpaceRun:
    """Outcome. ledgers: cycles by state of the mean processing element of each phase, and of the mean channel.

    phase_ends: cycle at which each phase ended. slices: time line of each tile. counters: (cycle, blocks asked for).
    """

    cycles: int = 0
    bursts: int = 0
    events: int = 0
    phase_ends: list[int] = field(default_factory=list)
    ledgers: dict[str, dict[str, float]] = field(default_factory=dict)
    slices: Slices = field(default_factory=dict)
    counters: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def run_events(
    phases: tuple[PhaseWork, PhaseWork],
    config: OuterSpaceConfig,
    *,
    keep_slices: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> OuterSpaceRun:
    """Simulate the multiply phase and then the merge phase."""
    env, dram = simpy.Environment(), config.dram
    hbm = Hbm(dram.channels, dram.burst_cycles, config.pes.tiles, dram.latency_cycles)
    hbm.turn_bursts = TURN_BURSTS
    run = OuterSpaceRun()
    for index, (name, work) in enumerate(zip(PHASES, phases, strict=True)):
        begin = float(env.now)
        tiles = [_Tile(env, hbm, work, tile, run, config, keep_slices) for tile in range(config.pes.tiles)]
        env.run(until=env.all_of([env.process(tile.work()) for tile in tiles]))
        end = float(math.ceil(max(env.now, hbm.free.max(initial=0.0))))
        if end > env.now:
            env.run(until=end)
        run.phase_ends.append(int(end))
        run.ledgers[name] = _phase_ledger(tiles, begin, end)
        if keep_slices:
            for tile in tiles:
                tile.slice(STARVED, tile.last, end)
        progress(index + 1, len(PHASES))
    run.cycles, run.bursts, run.events = int(env.now), hbm.bursts, next(env._eid)  # SimPy numbers its events
    for name in PHASES:
        run.ledgers[name][IDLE] = run.cycles - math.fsum(run.ledgers[name].values())
    busy = hbm.bursts * dram.burst_cycles / dram.channels
    run.ledgers[CHANNELS] = {**dict.fromkeys(STATES, 0.0), BUSY: busy, STARVED: run.cycles - busy}
    return run


class _Tile:
    """One tile in one phase. clocks: when each of its processing elements ends what it has begun."""

    def __init__(
        self,
        env: simpy.Environment,
        hbm: Hbm,
        work: PhaseWork,
        tile: int,
        run: OuterSpaceRun,
        config: OuterSpaceConfig,
        keep_slices: bool,
    ) -> None:
        self.env, self.hbm, self.tile, self.last = env, hbm, tile, float(env.now)
        self.cycles, self.arithmetic = work.cycles[:, tile], work.arithmetic[:, tile]
        self.loads: npt.NDArray[np.int32] = work.loads[:, tile]
        self.clocks = np.full(work.cycles.shape[2], float(env.now))
        self._queue_cycles = float(config.dram.queue_bursts * config.dram.burst_cycles)
        self._run, self._keep = run, keep_slices

    def work(self) -> Wait:
        """Every block in turn, then until the slowest processing element is done."""
        for block in range(len(self.cycles)):
            begin = self.env.now
            last = yield from self._transfer(block)
            if self._keep:
                self._run.counters.setdefault(COUNTER, []).append((begin, float(self.hbm.bursts)))
            self.clocks += self.cycles[block]
            at_work = self.cycles[block] > 0
            if not at_work.any():
                at_work[:] = True
            end = float(self.clocks[at_work].mean())
            if last > begin and last + self.hbm.latency > end:
                self.clocks[at_work] += last + self.hbm.latency - end
                end = last + self.hbm.latency
            if end > self.env.now:
                yield self.env.timeout(end - self.env.now)
            if self._keep:
                worked = begin + float(self.arithmetic[block].mean())
                self.slice(BUSY, begin, worked)
                self.slice(MEMORY, worked, end)
        self.last = self.env.now
        slowest = float(self.clocks.max())
        if slowest > self.env.now:
            yield self.env.timeout(slowest - self.env.now)

    def _transfer(self, block: int) -> Generator[simpy.Event, Any, float]:
        """Queue the bursts of a block, in turns with the other tiles; when the last has passed its channel."""
        loads = self.loads[block].copy()
        while True:
            _, last, again = self.hbm.queue(self.tile, self.env.now, loads, self._queue_cycles)
            if again < 0:
                return last
            if again > self.env.now:
                yield self.env.timeout(again - self.env.now)

    def slice(self, state: str, begin: float, end: float) -> None:
        """Put a piece of time on the time line."""
        if end > begin:
            self._run.slices.setdefault(f"tile_{self.tile}", []).append((state, begin, end))


def _phase_ledger(tiles: list[_Tile], begin: float, end: float) -> dict[str, float]:
    """States of the mean processing element within the phase: those that are done early have nothing to work on."""
    count = sum(tile.clocks.size for tile in tiles)
    busy = sum(float(tile.arithmetic.sum()) for tile in tiles) / count
    occupied = sum(float((tile.clocks - begin).sum()) for tile in tiles) / count
    starved = max(end - begin - occupied, 0.0)
    return {**dict.fromkeys(STATES, 0.0), BUSY: busy, MEMORY: max(end - begin - starved - busy, 0.0), STARVED: starved}
