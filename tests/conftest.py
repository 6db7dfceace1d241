"""What all tests share: where data are, how kernels are kept, how hypothesis draws.

Importing `sim.jit` fixes the folder of compiled kernels once, so that a test with a ``HWLOOP_CACHE`` of its own does
not compile everything again; the variable hands the folder to processes that tests start.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numba
import pytest
from hypothesis import HealthCheck, settings

import sim.jit  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

if not os.environ.get("HWLOOP_DATA") and (ROOT.parent / "shared").is_dir():
    os.environ["HWLOOP_DATA"] = str(ROOT.parent / "shared")
os.environ.setdefault("NUMBA_CACHE_DIR", str(getattr(numba.config, "CACHE_DIR", "")))

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_sessionstart() -> None:
    """Tests of an extra are skipped where it is not installed, but not in CI: there its absence is a fault."""
    absent = [
        name for name in ("torch", "distributed", "onnx", "safetensors", "ofa") if IN_CI and find_spec(name) is None
    ]
    if absent:
        pytest.exit(f"extras that CI has to install are missing: {', '.join(absent)}", returncode=1)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch computes with one thread, as trainings of a study do."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def shared_data() -> Path:
    """The folder of HWLOOP_DATA that holds ``matrices``; skips where there is none, fails where CI has none."""
    for folder in os.environ.get("HWLOOP_DATA", "").split(os.pathsep):
        if folder and (Path(folder) / "matrices").is_dir():
            return Path(folder)
    reason = "the benchmark matrices are not here: HWLOOP_DATA names no folder with matrices/ in it"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
