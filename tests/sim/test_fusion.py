"""Fusion rules: what joins, what must not, and that no count changes."""

from __future__ import annotations

import pytest

from models.zoo import registry
from models.zoo.builder import Builder
from models.zoo.mac_rules import RULES as MAC_RULES
from models.zoo.mac_rules import count
from sim.errors import WorkloadError
from sim.fusion import INFERENCE, RULES, fuse
from sim.network import Network
from sim.operator import Operator

ALL = [*RULES, "squeeze_excite"]


def kinds(network: Network) -> list[str]:
    return ["+".join(part.kind for part in op.parts) for op in network.operators]


def test_convolution_norm_activation_become_one_kernel() -> None:
    net = Builder(3, 8, 8)
    net.conv_norm(net.conv_norm(net.input, 4, 3, function="relu"), 4, 1)
    assert kinds(fuse(net.build())) == ["conv2d+norm+activation", "conv2d+norm"]


def test_each_rule_does_its_own_part_only() -> None:
    net = Builder(4, 8, 8)
    net.activation(net.add(net.conv_norm(net.input, 4, 3), net.input), "relu")
    network = net.build()
    assert kinds(fuse(network, ["norm_into_convolution"])) == ["conv2d+norm", "elementwise", "activation"]
    assert kinds(fuse(network, ["sum_behind"])) == ["conv2d", "norm", "elementwise", "activation"]
    assert kinds(fuse(network, ["activation_behind"])) == ["conv2d", "norm", "elementwise+activation"]
    assert kinds(fuse(network)) == ["conv2d+norm+elementwise+activation"]
    assert fuse(network).inputs == ((-1,),)
    assert fuse(network, []) is network


def test_a_result_that_is_used_twice_stays() -> None:
    net = Builder(4, 8, 8)
    x = net.conv(net.input, 4, 3)
    net.add(net.activation(x, "relu"), x)
    assert kinds(fuse(net.build())) == ["conv2d", "activation", "elementwise"]


def test_norms_that_need_the_whole_result_stay() -> None:
    net = Builder(4, 8, 8)
    net.norm(net.conv(net.input, 4, 3), "instance", affine=False)
    assert kinds(fuse(net.build())) == ["conv2d", "norm"]


def test_a_sum_joins_the_branch_that_ends_last_and_takes_from_the_other() -> None:
    net = Builder(4, 8, 8)
    left, right = net.conv(net.input, 4, 1), net.conv(net.input, 4, 3)
    net.add(left, right)
    fused = fuse(net.build())
    assert kinds(fused) == ["conv2d", "conv2d+elementwise"]
    assert fused.inputs == ((-1,), (-1, 0))


def test_squeeze_excite_is_whole_or_not_at_all() -> None:
    net = Builder(8, 8, 8)
    net.squeeze_excite(net.input, 2, "relu", "h_sigmoid")
    network = net.build()
    assert kinds(fuse(network, ["squeeze_excite"])) == ["pool+conv2d+activation+conv2d+activation+elementwise"]
    head = Network(network.operators[:-1], network.inputs[:-1])
    assert len(fuse(head, ["squeeze_excite"])) == len(head)


def test_attention_of_three_operators_becomes_one() -> None:
    scores = Operator("matmul", (4, 6, 8), others=((4, 8, 6),))
    values = Operator("matmul", (4, 6, 6), others=((4, 6, 8),))
    network = Network((scores, Operator("softmax", (4, 6, 6)), values), ((-1,), (0,), (1, -1)))
    assert kinds(fuse(network, ["attention_core"])) == ["matmul+softmax+matmul"]
    assert len(fuse(network)) == 3


@pytest.mark.parametrize("rules", [INFERENCE, ALL], ids=["inference", "all"])
@pytest.mark.parametrize("name", registry.names())
def test_no_count_changes(name: str, rules: list[str]) -> None:
    plain = registry.lower(name)
    fused = fuse(plain, rules)
    assert fused.params == plain.params
    assert {rule: count(fused, rule) for rule in MAC_RULES} == {rule: count(plain, rule) for rule in MAC_RULES}
    assert sum(op.bytes_written for op in fused.operators) <= sum(op.bytes_written for op in plain.operators)
    assert sum(op.bytes_read for op in fused.operators) <= sum(op.bytes_read for op in plain.operators)
    assert fused.critical_path_operators <= plain.critical_path_operators
    assert fused.serial_steps == plain.serial_steps


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(WorkloadError, match="no fusion rule 'sum_behin'; nearest: sum_behind"):
        fuse(Network((), ()), ["sum_behin"])
