"""Which machine this is, as far as that bears on timings. No host name, no user name."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks.suitesparse.libraries.record import Machine


def usable_cores() -> int:
    """Logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_1min() -> float | None:
    """Load average of the last minute; None where the system keeps none."""
    with contextlib.suppress(OSError, AttributeError):
        return os.getloadavg()[0]
    return None


def describe_machine() -> Machine:
    """The machine, now."""
    import datetime

    import psutil  # type: ignore[import-untyped]

    cpuinfo = _text("/proc/cpuinfo")
    return Machine(
        cpu=cpu_name(cpuinfo),
        cores=usable_cores(),
        physical_cores=psutil.cpu_count(logical=False),
        memory_bytes=int(psutil.virtual_memory().total),
        os=_system(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        load_1min=load_1min(),
        container=_container(),
        virtual_machine=(" hypervisor" in cpuinfo) if "flags" in cpuinfo else None,
        cuda_device=cuda_device(),
    )


def record_name(machine: Machine) -> str:
    """File name for a record of `machine`: processor and date."""
    slug = re.sub(r"[^a-z0-9]+", "-", machine.cpu.lower()).strip("-")
    return f"{slug}-{machine.date}.json"


def has_cuda_device() -> bool:
    """Whether the system shows an NVIDIA card, found out without loading CUDA."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or cuda_device() is not None


@functools.cache
def cuda_device() -> str | None:
    """Name of the first NVIDIA card; None without one."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.splitlines()
        return answer[0].strip() if answer else None
    return None


def cpu_name(cpuinfo: str | None = None) -> str:
    """Model name with family and model number: cloud machines hide the name of the part."""
    fields = dict(
        re.findall(
            r"^([\w ]+?)\s*:\s*(.*)$",
            (_text("/proc/cpuinfo") if cpuinfo is None else cpuinfo).partition("\n\n")[0],
            re.MULTILINE,
        )
    )
    name = fields.get("model name") or _sysctl() or platform.processor() or platform.machine() or "unknown"
    numbers = fields.get("cpu family"), fields.get("model")
    return f"{name} (family {numbers[0]}, model {numbers[1]})" if all(numbers) else name


def _sysctl() -> str:
    if platform.system() == "Darwin":
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            query = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(query, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    return ""


def _system() -> str:
    with contextlib.suppress(OSError, AttributeError):
        name = platform.freedesktop_os_release().get("PRETTY_NAME")
        if name:
            return f"{name}, {platform.system()} {platform.machine()}"
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def _container() -> str | None:
    """Kind of container; None where none shows."""
    for mark, kind in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if Path(mark).exists():
            return kind
    groups = _text("/proc/1/cgroup")
    return next((kind for kind in ("docker", "kubepods", "lxc", "containerd") if kind in groups), None)


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace")
    return ""
