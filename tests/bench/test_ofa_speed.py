"""What a depthwise gradient of our own gains in a training step. No wall time is asserted."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch")

from models.ofa import depthwise  # noqa: E402
from models.ofa.space import space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402

pytestmark = pytest.mark.bench
ROUNDS, IMAGES = 12, 64


@pytest.mark.usefixtures("one_thread")
def test_a_step_with_our_depthwise_gradient_beside_torchs(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward and backward of the largest network of `mini`, in turns; other networks have fewer 5 x 5 kernels."""
    mini = space("mini")
    net = Supernet(mini).to(memory_format=torch.channels_last)
    images = torch.randn(IMAGES, 1, mini.largest.r, mini.largest.r)

    def step(least: int) -> float:
        monkeypatch.setattr(depthwise, "FEWEST", least)
        begin = time.perf_counter()
        net(images).sum().backward()
        return time.perf_counter() - begin

    def both() -> tuple[float, float]:
        return step(5), step(sys.maxsize)

    both()
    found = np.array([both() for _ in range(ROUNDS)])
    ratio = float(np.median(found[:, 1] / found[:, 0]))
    benchmark.pedantic(both, rounds=1)
    benchmark.extra_info.update(ratio=ratio, step_s=float(np.median(found[:, 0])))
    print(f"\nstep with torch's gradient over step with ours = {ratio:.2f}")
