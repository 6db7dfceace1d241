"""A benchmark run: matrices on both simulated accelerators, real libraries beside them, and the averages.

Simulations come first, in parallel, largest product first; libraries after them, one at a time, so that nothing
disturbs their clocks. Simulations are kept in the result cache, measurements in a folder of the run: a run that was
killed goes on where it was. For a stand-in two more variants are simulated, at the two ends of what its locality may
be; they give the range of each average.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.suitesparse.pair import Pair, elsewhere, pair, run_pair
from benchmarks.suitesparse.roofline import published_roofline
from benchmarks.suitesparse.suite import Member
from benchmarks.suitesparse.sweep import geometric_mean
from sim.cache import ResultCache, code_fingerprint, fingerprint
from sim.errors import ConfigError, InputError
from sim.execution import run_tasks
from sim.outerspace.published import PUBLISHED_GFLOPS
from sim.version import __version__

if TYPE_CHECKING:
    from benchmarks.suitesparse.libraries import LibraryRow

SCHEMA = "hwloop.bench/1"
Progress = Callable[[str, int, int], None]
ENDS = ("low", "high")
GEOMETRIC = ("dram_saving", "gflops", "speedup_outerspace_simulated", "energy_ratio")
ARITHMETIC = ("hit_rate", "bandwidth_utilization")


def bench(
    members: Sequence[Member],
    *,
    baselines: Sequence[str] = (),
    parts: Path | None = None,
    base: Any = None,
    seed: int | None = None,
    suite: str | None = None,
    workers: int = 1,
    cluster: str | None = None,
    threads: Sequence[int] | None = None,
    budget_s: float = 1.0,
    cache: ResultCache | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """The record of `hwloop bench`. parts: folder of finished measurements, which are not repeated.

    Raises ConfigError and InputError before anything runs.
    """
    from benchmarks.suitesparse.libraries import check_names, describe_machine, recorded

    if not members:
        raise ConfigError("a benchmark run needs at least one matrix")
    names = check_names(baselines)
    cache = cache or ResultCache()
    jobs = _jobs(members, cache, base, seed)
    for one in jobs.values():
        one.sparch.key()
    simulated = _simulate(jobs, workers=workers, cluster=cluster, progress=progress)
    rows = _measure(members, names, parts, threads=threads, budget_s=budget_s, seed=seed, progress=progress)
    matrices = [_entry(member, simulated, rows.get(member.name, [])) for member in members]
    named = {member.name.removesuffix("~") for member in members}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "seed": seed,
        "suite": suite,
        "code": fingerprints(),
        "roofline": published_roofline(),
        "machine": describe_machine().model_dump(mode="json"),
        "matrices": matrices,
        "averages": averages(matrices),
        "recorded": [
            {
                "machine": record.machine.model_dump(mode="json"),
                "rows": [row.model_dump(mode="json") for row in record.rows if row.matrix in named],
            }
            for record in recorded()
        ],
    }


def fingerprints() -> dict[str, str]:
    """What the figures of a run follow from, besides the matrices: sources of simulators and stand-ins, defaults."""
    from benchmarks.suitesparse.point import simulator_fingerprint
    from sim.outerspace.config import OuterSpaceConfig
    from sim.sparch.config import SpArchConfig

    defaults = [config.model_dump(mode="json") for config in (SpArchConfig(), OuterSpaceConfig())]

    return {
        "sparch": simulator_fingerprint("sparch"),
        "outerspace": simulator_fingerprint("outerspace"),
        "standins": code_fingerprint("benchmarks.suitesparse.standins"),
        "defaults": fingerprint(*defaults),
    }


def _jobs(members: Sequence[Member], cache: ResultCache, base: Any, seed: int | None) -> dict[tuple[str, str], Pair]:
    """Pairs by matrix and variant (``""``, low, high), those of the largest matrices first."""
    jobs = {}
    for member in reversed(members):
        jobs[member.name, ""] = whole = pair(member.spec, cache, base=base, seed=seed)
        if not member.real:
            original = member.spec.removesuffix("~")
            jobs |= {(member.name, end): elsewhere(whole, f"{original}-{end}~") for end in ENDS}
    return jobs


def _simulate(
    jobs: Mapping[tuple[str, str], Pair], *, workers: int, cluster: str | None, progress: Progress
) -> dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]]:
    names = list(jobs)
    results = {}
    progress("matrices", 0, len(names))
    for place, (sparch, outerspace, _) in run_tasks(run_pair, list(jobs.values()), workers=workers, cluster=cluster):
        results[names[place]] = sparch, outerspace
        progress("matrices", len(results), len(names))
    return results


def _measure(
    members: Sequence[Member],
    names: Sequence[str],
    parts: Path | None,
    *,
    threads: Sequence[int] | None,
    budget_s: float,
    seed: int | None,
    progress: Progress,
) -> dict[str, list[LibraryRow]]:
    from benchmarks.suitesparse.libraries import measure
    from benchmarks.suitesparse.matrix import load_matrix

    rows: dict[str, list[LibraryRow]] = {}
    total, done = len(members) * len(names), 0
    for member in members if names else ():
        matrix = load_matrix(member.spec, seed=seed)
        for name in names:
            progress("libraries", done, total)
            found = _finished(parts, member, name, matrix.sha256, threads)
            if found is None:
                found = measure(name, matrix, threads=threads, budget_s=budget_s, seed=seed or 0)
                _keep(parts, member, name, found)
            rows.setdefault(member.name, []).extend(found)
            done += 1
    if total:
        progress("libraries", done, total)
    return rows


def _part(parts: Path, member: Member, name: str) -> Path:
    return parts / f"{member.name.replace('/', '_').replace(':', '_')}-{name}.json"


def _finished(
    parts: Path | None, member: Member, name: str, sha256: str, threads: Sequence[int] | None
) -> list[LibraryRow] | None:
    """The rows that an earlier run measured on the same matrix with the same threads, if it measured all."""
    from benchmarks.suitesparse.libraries import LibraryRecord, thread_counts

    if parts is None or not _part(parts, member, name).is_file():
        return None
    try:
        rows = LibraryRecord.load(_part(parts, member, name)).rows
    except InputError:
        return None
    wanted = set(thread_counts(threads))
    sound = all(row.sha256 == sha256 and row.status == "measured" and row.threads in wanted | {1} for row in rows)
    return list(rows) if rows and sound else None


def _keep(parts: Path | None, member: Member, name: str, rows: Sequence[LibraryRow]) -> None:
    from benchmarks.suitesparse.libraries import LibraryRecord, describe_machine

    if parts is not None:
        parts.mkdir(parents=True, exist_ok=True)
        LibraryRecord(machine=describe_machine(), rows=tuple(rows)).save(_part(parts, member, name))


def _entry(
    member: Member,
    simulated: Mapping[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]],
    rows: Sequence[LibraryRow],
) -> dict[str, Any]:
    sparch, outerspace = simulated[member.name, ""]
    matrix = sparch["matrix"]
    ends = {end: figures(*simulated[member.name, end]) for end in ENDS if (member.name, end) in simulated}
    return {
        "name": member.name,
        "real": member.real,
        "rows": matrix["rows"],
        "cols": matrix["cols"],
        "nnz": matrix["nnz"],
        **figures(sparch, outerspace),
        "sparch": sparch,
        "outerspace": outerspace,
        "locality": ends or None,
        "libraries": {f"{row.library} x{row.threads}": row.model_dump(mode="json") for row in rows},
    }


def figures(sparch: Mapping[str, Any], outerspace: Mapping[str, Any]) -> dict[str, float | None]:
    """What is averaged over the matrices. Ratios: OuterSPACE over SpArch, so above 1 where SpArch is better."""

    def ratio(over: float, under: float) -> float | None:
        return over / under if under else None

    return {
        "dram_saving": ratio(outerspace["dram_bytes"]["total"], sparch["dram_bytes"]["total"]),
        "hit_rate": sparch["prefetch"]["hit_rate"],
        "gflops": sparch["gflops"],
        "bandwidth_utilization": sparch["bandwidth_utilization"],
        "speedup_outerspace_simulated": ratio(outerspace["seconds"], sparch["seconds"]),
        "energy_ratio": ratio(outerspace["energy_j"]["total"], sparch["energy_j"]["total"]),
    }


def averages(matrices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over the real matrices alone, over all, and the range of the latter that the stand-ins' locality allows.

    Geometric means of ratios and GFLOP/s, arithmetic means of hit rate and bandwidth use. `speedup_outerspace` is over
    OuterSPACE's published mean, as the paper's is; `speedup_outerspace_simulated` over the machine as simulated here.
    """
    real = [row for row in matrices if row["real"]]
    ends = [_mean([(row["locality"] or {}).get(end, row) for row in matrices]) for end in ENDS]
    whole = _mean(matrices)
    spread = {
        name: [min(values), max(values)]
        for name in (*GEOMETRIC, *ARITHMETIC, "speedup_outerspace")
        if all(values := [one[name] for one in (*ends, whole)])
    }
    return {"real": _mean(real) if real else None, "all": whole, "all_range": spread}


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    means: dict[str, Any] = {name: geometric_mean([row[name] for row in rows]) for name in GEOMETRIC}
    means["speedup_outerspace"] = means["gflops"] / PUBLISHED_GFLOPS if means["gflops"] else None
    means |= {name: sum(row[name] for row in rows) / len(rows) for name in ARITHMETIC}
    return {**means, "count": len(rows)}
