"""The memory that is left, and the refusal to ask for more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.suitesparse import memory
from sim.errors import InputError


def test_available_memory_is_a_sensible_number() -> None:
    assert 0 < memory.available_memory() < 2**50


def test_refusal_names_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 2000)
    memory.require_memory(2000, "a thing")
    with pytest.raises(InputError, match="a thing takes about 2 kB of memory; 2 kB is available"):
        memory.require_memory(2001, "a thing")


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (3 * 10**12, "3 TB")])
def test_readable(size: int, text: str) -> None:
    assert memory.readable(size) == text
    assert memory.readable(10**30) == "1.0e+12 EB"


def test_a_control_group_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("memory.max", "1000000\n"), ("memory.current", "900000\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available_memory() == 150_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_memory() > 150_000


@pytest.mark.skipif(sys.platform == "win32", reason="no address-space limit on Windows")
def test_a_limit_of_the_address_space_is_heeded() -> None:
    code = (
        "import resource; from benchmarks.suitesparse import memory;"
        "resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9)); print(memory.available_memory() < 4 * 10**9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
