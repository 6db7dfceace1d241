"""Accuracy of sub-networks: statistics of their own, cached, the same for the same network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from models.data.fashion_mnist import load_small  # noqa: E402
from models.ofa.architecture import Architecture  # noqa: E402
from models.ofa.evaluate import Batches, Evaluator, canonical, validation_grid, weights_sha256  # noqa: E402
from models.ofa.space import space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from sim.cache import ResultCache  # noqa: E402

MINI = space("mini")


@pytest.fixture
def scorer() -> Evaluator:
    torch.manual_seed(0)
    train = load_small().train
    calibration, scored = Batches(train, torch.arange(60), 30), Batches(train, torch.arange(100, 200), 40)
    return Evaluator(Supernet(MINI).train(), MINI, calibration, scored)


def test_accuracy_is_counted_with_statistics_of_the_network_itself(scorer: Evaluator) -> None:
    arch = MINI.smallest
    found = scorer.accuracy(arch)
    plain = scorer.net.export(arch).eval()
    images, labels = torch.cat(list(scorer.scored.at(arch.r))), scorer.scored.labels
    assert found == int((plain(images).argmax(1) == labels).sum()) / 100
    assert scorer.net.training
    for norm in scorer.net.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.fill_(100.0)
    assert scorer.accuracy(arch) == found


def test_accuracies_are_computed_once_for_each_network(scorer: Evaluator, tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    small, large = MINI.smallest, MINI.largest
    beyond = Architecture((*small.ks[:-1], MINI.kernels[-1]), small.e, small.d, small.r)
    seen: list[int] = []
    found = scorer.accuracies([small, large, beyond], cache, lambda done, _: seen.append(done))
    assert seen == [1, 2, 3]
    assert found[0] == found[2]
    assert len(list(cache.journal())) == 2
    assert scorer.accuracies([large, small], cache) == found[1::-1]
    assert len(list(cache.journal())) == 2
    with torch.no_grad():
        scorer.net.classifier.linear.bias.add_(1.0)
    scorer.accuracies([small], cache)
    assert len(list(cache.journal())) == 3


def test_running_statistics_are_no_part_of_the_hash(scorer: Evaluator) -> None:
    before = weights_sha256(scorer.net.state_dict())
    scorer.accuracy(MINI.smallest)
    assert weights_sha256(scorer.net.state_dict()) == before


def test_a_network_has_one_record() -> None:
    small = MINI.smallest
    used = canonical(MINI, small)
    assert canonical(MINI, used) == used
    assert used.ks[0] == small.ks[0]
    assert used.ks[-1] == MINI.kernels[-1]


def test_the_grid_is_the_published_one() -> None:
    grid = validation_grid(MINI)
    assert len(set(grid)) == 16
    assert {arch.r for arch in grid} == {MINI.resolutions[0], MINI.resolutions[-1]}
    one_kernel = replace(MINI, kernels=MINI.kernels[-1:])
    assert len(validation_grid(one_kernel)) == 8
