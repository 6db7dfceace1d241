"""How long a torch module takes on this machine: wall time of single runs, without what other programs did to them.

The module runs in inference mode with a given number of threads. After a warm-up, single runs are timed until the
budget is spent. A run during which this process was put aside (an involuntary context switch, or on one thread CPU
time below wall time) is disturbed. The latency is the median of the undisturbed runs; where more than half of all runs
were disturbed, or the runs spread widely, the measurement is repeated, and if that does not help it is marked
`hindered`. On CUDA every run is waited for. The C library is told to keep freed memory (`keep_memory`), as runtimes
with an arena of their own do; without it some networks take half as long again.

NOT seen: other programs on other cores that take memory bandwidth, or turbo clocks that they lower.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sim.errors import ConfigError

Clock = Callable[[], float]

FEWEST_RUNS = 3
_MOST_RUNS = 200
_WARM_UP_SHARE = 0.2
_ATTEMPTS = 3
_WIDE = 0.10
_LOST = 0.03
_FEW_HINDERED = 0.2

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's numbers of the two parameters of mallopt
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # more is not accepted


@dataclass(frozen=True)
class Measurement:
    """latency_s: median of undisturbed runs. fastest_s: the quickest run. runs: how many were timed. spread: median
    distance of runs from the median, relative. hindered: other programs were in the way, and a repeat did not help.
    parts_s: medians of what each part took, where the call says it; they add up to latency_s.
    """

    latency_s: float
    fastest_s: float
    runs: int
    spread: float
    hindered: bool
    parts_s: Sequence[float] = ()


class _Run(NamedTuple):
    """One timed run."""

    wall_s: float
    disturbed: bool
    parts_s: list[float]


def measure_module(
    module: Any,
    example_input: Any,
    *,
    threads: int | None = None,
    budget_s: float = 1.0,
    clock: Clock = time.perf_counter,
) -> Measurement:
    """Latency of one call of `module`, a torch.nn.Module, on the tensor `example_input`, where they are (CPU or CUDA).

    threads: CPU threads of torch, restored afterwards (default: as they are). budget_s: about how long this may take;
    at least `FEWEST_RUNS` runs and a warm-up are made whatever it says. Raises ConfigError: threads below 1.
    """
    import torch

    training = module.training
    module.eval()
    try:
        with limited_threads(threads), torch.inference_mode():
            keep_memory()
            return measure_calls(
                _call(module, example_input), threads=torch.get_num_threads(), budget_s=budget_s, clock=clock
            )
    finally:
        module.train(training)


def _call(module: Any, example: Any) -> Callable[[], Any]:
    if example.device.type != "cuda":
        return lambda: module(example)
    import torch

    def wait() -> None:
        module(example)
        torch.cuda.synchronize(example.device)

    return wait


def measure_calls(
    call: Callable[[], Any], *, threads: int = 1, budget_s: float = 1.0, clock: Clock = time.perf_counter
) -> Measurement:
    """Latency of ``call()``; see `measure_module`."""
    return measure_rounds([call], threads=threads, budget_s=budget_s, clock=clock)[0]


def measure_rounds(
    calls: Sequence[Callable[[], Any]], *, threads: int = 1, budget_s: float = 1.0, clock: Clock = time.perf_counter
) -> list[Measurement]:
    """Latency of each of several calls that take turns, so that each finds the caches as the others left them.

    budget_s: for all of them. threads: how many the calls run on. A call that gives a list says what its parts took.
    """
    begin = clock()
    for call in calls:
        call()
    once = clock() - begin
    while clock() - begin < _WARM_UP_SHARE * budget_s or clock() - begin < 2 * once:
        for call in calls:
            call()
    best: list[Measurement] = []
    for attempt in range(_ATTEMPTS):
        found = _timed(calls, threads, budget_s * (1.0 - _WARM_UP_SHARE) / (1 + attempt), clock)
        pairs = zip(best or found, found, strict=True)
        best = [min(pair, key=lambda one: (one.hindered, one.spread)) for pair in pairs]
        if sum(one.hindered for one in best) <= _FEW_HINDERED * len(calls):
            break
    return best


def _timed(calls: Sequence[Callable[[], Any]], threads: int, budget_s: float, clock: Clock) -> list[Measurement]:
    """One attempt: rounds until the budget is spent."""
    runs: list[list[_Run]] = [[] for _ in calls]
    begin, rounds = clock(), 0
    while rounds < FEWEST_RUNS or (clock() - begin < budget_s and rounds < _MOST_RUNS):
        for call, timed in zip(calls, runs, strict=True):
            switches, busy, start = _switches(), time.thread_time(), clock()
            given = call()
            wall = clock() - start
            lost = wall - (time.thread_time() - busy) if threads == 1 else 0.0
            disturbed = _switches() > switches or lost > _LOST * wall
            parts = given if isinstance(given, list) else []
            timed.append(_Run(sum(parts) if parts else wall, disturbed, parts))
        rounds += 1
    return [_summary(timed) for timed in runs]


def _summary(runs: Sequence[_Run]) -> Measurement:
    calm = [run for run in runs if not run.disturbed]
    kept = calm if len(calm) >= FEWEST_RUNS else list(runs)
    middle = statistics.median([run.wall_s for run in kept])
    spread = statistics.median([abs(run.wall_s / middle - 1.0) for run in kept])
    parts = [statistics.median(times) for times in zip(*(run.parts_s for run in kept), strict=True)]
    scale = middle / max(sum(parts), 1e-30)
    return Measurement(
        middle,
        min(run.wall_s for run in runs),
        len(runs),
        spread,
        spread > _WIDE or 2 * len(calm) < len(runs),
        [part * scale for part in parts],
    )


def _switches() -> int:
    """Times that this process was put aside; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def keep_memory() -> bool:
    """Have the C library keep freed memory instead of giving it back to the system; False where it is not glibc's.

    Whether a tensor of some megabytes costs page faults each time hangs by default on what the process freed before:
    MobileNetV2 takes 12 or 18 ms on one machine. It holds for the rest of the process, as with the environment
    variables MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1)) and bool(mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD))


@contextlib.contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """torch on `threads` CPU threads within the block; None changes nothing. Raises ConfigError."""
    import torch

    if threads is None:
        yield
        return
    if threads < 1:
        raise ConfigError(f"threads are at least 1, got {threads}; nearest: 1")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
