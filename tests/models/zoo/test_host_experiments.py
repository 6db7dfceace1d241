"""Experiments: reproducible, of bounded size, covering what real networks ask for."""

from __future__ import annotations

from models.zoo.host_experiments import GROUP, experiments
from models.zoo.registry import lower
from sim.mobile_cost.terms import kernel_class

ONE_TURN = 19 * GROUP
NETWORKS = ("zoo/mobilenet_v2", "zoo/resnet50", "zoo/efficientnet_b0", "zoo/squeezenet1_1", "gan/mobile_resnet")


def test_the_same_seed_gives_the_same_and_a_larger_count_only_adds() -> None:
    assert experiments(30, 4) == experiments(40, 4)[:30]
    assert experiments(10, 4) != experiments(10, 5)


def test_sizes_are_bounded() -> None:
    sizes = [network.macs for network in experiments(2 * ONE_TURN)]
    assert min(sizes) >= 1e6
    assert max(sizes) <= 1.2e9


def test_one_turn_covers_the_kernel_classes_of_real_networks() -> None:
    covered = {kernel_class(op) for network in experiments(ONE_TURN) for op in network.operators}
    for name in (*NETWORKS, "transformer/d512"):
        assert {kernel_class(op) for op in lower(name).operators} <= covered
