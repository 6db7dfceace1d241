"""How fast generators are priced, and what sharing weights costs a training step. No wall time is asserted."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

torch = pytest.importorskip("torch")

from models.gan.family import Channels  # noqa: E402
from models.gan.images import Images  # noqa: E402
from models.gan.search import GanSpace, released_family  # noqa: E402
from models.gan.supernet import Supernet, sample  # noqa: E402
from models.gan.train import channels_last, images_of  # noqa: E402
from models.gan.train_config import TrainConfig, read_config, student_family, teacher_family  # noqa: E402
from models.gan.train_step import Translation, make_discriminator  # noqa: E402
from sim.mobile_cost.devices import load_device  # noqa: E402
from sim.mobile_cost.oracle import DeviceOracle  # noqa: E402

pytestmark = pytest.mark.bench
ROUNDS, DRAWN = 4, 12


def test_pricing_the_fast_cyclegan_space(benchmark: BenchmarkFixture) -> None:
    """All 390,625 configurations: their latencies, and which keep the latency in the middle."""
    space = GanSpace(released_family("resnet-channels-64-cyclegan"))
    oracle = DeviceOracle(load_device("note10"))

    def price() -> int:
        found = oracle.cost(space.lower(space.enumerate(0, space.size)))
        latency_s = found["latency_s"]
        return int((latency_s <= (latency_s.min() + latency_s.max()) / 2).sum())

    price()
    kept = benchmark.pedantic(price, rounds=3)
    benchmark.extra_info.update(configurations=space.size, kept=kept)
    assert space.size == 390_625
    assert 0 < kept < space.size


def test_a_supernet_step_beside_a_plain_one(benchmark: BenchmarkFixture) -> None:
    """Steps of the same drawn configurations: in the supernet, and each as a network of its own."""
    config = read_config("line-to-colour", ("data.source=generated", "run.teacher_memory_mb=0"))
    images = images_of(config)
    family = student_family(config, images)
    drawn = [sample(family, 0, step) for step in range(DRAWN)]
    shared = _trainer(config, images, drawn, None)
    alone = [_trainer(config, images, [one], one) for one in drawn]

    def steps() -> tuple[float, float]:
        """Seconds in the supernet and alone, in turns."""
        spent = [0.0, 0.0]
        for step, own in enumerate(alone):
            for place, (trainer, number) in enumerate(((shared, step), (own, 0))):
                begin = time.perf_counter()
                trainer.step(number)
                spent[place] += time.perf_counter() - begin
        return spent[0], spent[1]

    steps()
    found = np.array([steps() for _ in range(ROUNDS)])
    ratio = float(np.median(found[:, 0] / found[:, 1]))
    benchmark.pedantic(steps, rounds=1)
    benchmark.extra_info.update(ratio=ratio, supernet_step_s=float(np.median(found[:, 0])) / DRAWN)
    print(f"\nsupernet step over plain step = {ratio:.3f}")


def _trainer(config: TrainConfig, images: Images, drawn: list[Channels], own: Channels | None) -> Translation:
    """own: the channels of a network of its own, else a supernet that takes `drawn` in turns."""
    family = student_family(config, images)
    teachers, channels = teacher_family(config, images)
    torch.manual_seed(0)
    net = Supernet(family) if own is None else family.build(own)
    discriminator = make_discriminator(config, images)
    channels_last(net.net if isinstance(net, Supernet) else net, discriminator)
    return Translation(
        config,
        images,
        net,
        discriminator,
        teacher=teachers.build(channels).eval(),
        family=family,
        sampled=(lambda step: drawn[step % len(drawn)]) if own is None else None,
    )
