"""How much memory is left, and a refusal before too much of it is asked for.

A header of twenty bytes can ask for a petabyte. Operating systems grant such requests and end the process later, so the
size is compared with what is really left: of the machine, of the control group (containers), of the address space.
"""

from __future__ import annotations

from pathlib import Path

from sim.errors import InputError

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that this process can still take without being refused or killed."""
    import psutil  # type: ignore[import-untyped]

    limits = [int(psutil.virtual_memory().available)]
    limits += [left for left in (_cgroup_left(), _address_space_left()) if left is not None]
    return max(min(limits), 0)


def require_memory(needed: int, what: str) -> None:
    """Raise `InputError` naming `what` if `needed` bytes exceed `available_memory`."""
    left = available_memory()
    if needed > left:
        raise InputError(f"{what} takes about {readable(needed)} of memory; {readable(left)} is available")


def readable(size: int) -> str:
    """`size` bytes in the largest decimal unit that keeps it at least 1."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}" if value < 1e4 else f"{value:.1e} {units[0]}"


def _cgroup_left() -> int | None:
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        statistics = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    return int(limit) - used + int(statistics.get("inactive_file", 0))


def _address_space_left() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    import psutil

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else int(soft) - int(psutil.Process().memory_info().vms)
