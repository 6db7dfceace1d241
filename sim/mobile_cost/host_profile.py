"""This machine as a device: experiments measured, a profile fitted, and networks that were not fitted as the proof.

Experiments, networks and the way to run them are handed in: `Runnable` makes a torch module of a network. Experiments
are measured in groups that take turns (`host_measure.measure_rounds`), so that weights are as cold as in a network of
many layers, until the budget is spent; a group that was measured stands in the journal and is not measured again.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sim.cache import ResultCache, fingerprint
from sim.errors import ConfigError, nearest
from sim.mobile_cost.host_measure import Clock, Measurement, keep_memory, limited_threads, measure_rounds

if TYPE_CHECKING:
    from sim.mobile_cost.profile import DeviceProfile
    from sim.network import Network
    from sim.workload import Context

DTYPES = ("float32", "bfloat16", "float16")
TARGETS = ("cpu", "cuda")
_PRICED = ("latency_s", "latency_low_s", "latency_high_s")
Progress = Callable[[str, int, int], None]


class Runnable(Protocol):
    """Makes what is measured: a call that runs the network once on a target, in an element type. timed: the call gives
    a list of the seconds of each operator, where the target can say them."""

    def __call__(
        self, network: Network, target: str, dtype: str, batch_size: int, *, timed: bool
    ) -> Callable[[], Any]: ...


@dataclass(frozen=True)
class Setup:
    """How this machine is measured. machine: what it is, in words. budget_s: for the experiments. group: how many of
    them take turns, each_s: how long each is measured.

    Raises ConfigError: an element type or a target that is not there, threads, budget or batch size below 1.
    """

    machine: str
    threads: int = 1
    dtype: str = "float32"
    target: str = "cpu"
    batch_size: int = 1
    budget_s: float = 150.0
    seed: int = 0
    group: int = 2
    each_s: float = 0.15

    def __post_init__(self) -> None:
        for name, value, known in (("dtype", self.dtype, DTYPES), ("target", self.target, TARGETS)):
            if value not in known:
                raise ConfigError(f"no {name} {value!r} to measure{nearest(value, known) or f'; nearest: {known[0]}'}")
        if self.threads < 1 or self.batch_size < 1 or not self.budget_s > 0:
            raise ConfigError(
                f"threads, batch_size and budget_s must be positive, got {self.threads}, {self.batch_size} and "
                f"{self.budget_s:g}"
            )
        if self.target == "cuda":
            _require_cuda()

    @property
    def context(self) -> Context:
        """As workloads say it."""
        from sim.workload import Context

        return Context(self.batch_size, self.dtype, self.threads)


def _require_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise ConfigError("no CUDA device to measure on this machine; nearest: cpu")


@dataclass(frozen=True)
class Check:
    """A network that was not fitted: predicted and measured seconds."""

    network: str
    macs: int
    predicted_s: float
    low_s: float
    high_s: float
    measured: Measurement

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return self.predicted_s / self.measured.latency_s - 1.0


def measure_experiments(
    experiments: Callable[[int], Sequence[Network]],
    runnable: Runnable,
    setup: Setup,
    *,
    journal: ResultCache | None = None,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> tuple[list[Network], list[Measurement]]:
    """As many of the first experiments as the budget allows, whole groups, at least two; and how long each took.

    experiments: gives the first so many. journal: groups in it are taken from there, their time counting as spent.
    """
    spent, networks, found = 0.0, list[Any](), list[Measurement]()
    while spent < setup.budget_s or len(networks) < 2 * setup.group:
        start = len(networks)
        group = list(experiments(start + setup.group))[start:]
        key = fingerprint("hwloop.host/1", asdict(setup), [_content(one) for one in group])
        measure = functools.partial(_measure_group, group, runnable, setup, clock)
        value, _ = journal.get_or_compute(key, measure) if journal is not None else (measure(), False)
        spent += value["seconds"]
        networks += group
        found += [Measurement(**one) for one in value["measured"]]
        if progress is not None:
            progress("measuring experiments", min(round(spent), round(setup.budget_s)), round(setup.budget_s))
    return networks, found


def _content(network: Network) -> str:
    return fingerprint(repr(network.operators), network.inputs)


def _measure_group(group: Sequence[Network], runnable: Runnable, setup: Setup, clock: Clock) -> dict[str, Any]:
    begin = clock()
    found = measure_networks(group, runnable, setup, budget_s=setup.each_s * len(group), timed=True, clock=clock)
    return {"seconds": clock() - begin, "measured": [asdict(one) for one in found]}


def measure_networks(
    networks: Sequence[Network],
    runnable: Runnable,
    setup: Setup,
    *,
    budget_s: float,
    timed: bool = False,
    clock: Clock = time.perf_counter,
) -> list[Measurement]:
    """Latencies of networks that take turns; timed: of their operators too."""
    import torch

    keep_memory()
    with limited_threads(setup.threads), torch.inference_mode():
        calls = [runnable(one, setup.target, setup.dtype, setup.batch_size, timed=timed) for one in networks]
        return measure_rounds(calls, threads=setup.threads, budget_s=budget_s, clock=clock)


def fit_host(name: str, networks: Sequence[Network], found: Sequence[Measurement], setup: Setup) -> DeviceProfile:
    """The profile that explains the measured experiments; what was hindered is left out where enough remain.

    Raises InputError where they are too few.
    """
    import torch

    from sim.mobile_cost.host_fit import FUSION
    from sim.mobile_cost.profiles import profile_of, today
    from sim.mobile_cost.tables import Measurements
    from sim.workload import WorkloadBatch

    calm = [place for place, one in enumerate(found) if not one.hindered]
    kept = calm if 2 * len(calm) >= len(found) else list(range(len(found)))
    batch = WorkloadBatch.of([networks[place] for place in kept]).with_context(setup.context)
    seconds = np.array([found[place].latency_s for place in kept])
    measured = Measurements(
        name, "designed experiments", batch, seconds, group=np.arange(len(kept)), whole_network=False
    )
    one_by_one = all(len(found[place].parts_s) for place in kept)
    if one_by_one:
        from sim.mobile_cost.host_fit import fit_timed

        parts = [found[place].parts_s for place in kept]
        calibration = fit_timed([networks[place] for place in kept], parts, setup.context, setup.seed)
    else:  # a device that queues its kernels says only what whole networks take
        from sim.mobile_cost.calibrate import calibrate

        calibration = calibrate([measured], setup.seed)
    runtime = f"torch {torch.__version__}, eager"
    made = profile_of(
        name,
        calibration,
        [measured],
        description=f"measured on this host: {setup.machine}, {setup.threads} threads, {setup.target}, {runtime}",
        date=today(),
        label="measured",
    )
    return made.model_copy(
        update={
            "runtime": runtime,
            "fusion": list(FUSION) if one_by_one else [],
        }
    )


def check(
    profile: DeviceProfile,
    networks: Mapping[str, Network],
    runnable: Runnable,
    setup: Setup,
    *,
    budget_s: float = 2.5,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> list[Check]:
    """Each of `networks` predicted by `profile`, and measured now. budget_s: for each of them."""
    from sim.fusion import fuse
    from sim.mobile_cost.oracle import DeviceOracle
    from sim.workload import WorkloadBatch

    lowered = [fuse(network, profile.fusion) for network in networks.values()]
    batch = WorkloadBatch.of(lowered, names=list(networks)).with_context(setup.context)
    priced = DeviceOracle(profile).cost(batch)
    checks = []
    for row, (name, network) in enumerate(networks.items()):
        measured = measure_networks([network], runnable, setup, budget_s=budget_s, clock=clock)[0]
        predicted, low, high = (float(priced[one][row]) for one in _PRICED)
        checks.append(Check(name, network.macs, predicted, low, high, measured))
        if progress is not None:
            progress("measuring networks", row + 1, len(networks))
    return checks


def with_checks(profile: DeviceProfile, checks: Sequence[Check]) -> DeviceProfile:
    """The profile with the errors on networks that it was not fitted on, written beside those of its fit."""
    from sim.mobile_cost.profile import FittedOn

    errors = np.abs([one.error for one in checks])
    shown = ", ".join(f"{one.network} {100 * one.error:+.1f} %" for one in checks)
    entry = FittedOn(
        set="real networks, not fitted",
        networks=0,
        mape=round(float(100 * errors.mean()), 3),
        within_10=round(float(np.mean(errors <= 0.1)), 4),
        note=f"{len(checks)} networks measured after the fit, predicted against measured: {shown}",
    )
    return profile.model_copy(update={"fitted_on": [*profile.fitted_on, entry]})


def default_threads() -> int:
    """CPU threads that torch takes when not told. Raises ConfigError where torch is not installed."""
    try:
        import torch
    except ImportError:
        raise ConfigError("measuring needs torch, which is not here; nearest: pip install 'hwloop[nas]'") from None
    return torch.get_num_threads()
