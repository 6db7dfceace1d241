"""Networks as torch modules: every operator gives its own shape, and what runs is what was counted."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from models.zoo.builder import Builder  # noqa: E402
from models.zoo.from_torch import from_torch  # noqa: E402
from models.zoo.host_experiments import experiments  # noqa: E402
from models.zoo.operator_modules import operand_shapes, operator_module  # noqa: E402
from models.zoo.registry import lower  # noqa: E402
from models.zoo.runnable import RunnableNetwork, make_call  # noqa: E402
from sim.errors import WorkloadError  # noqa: E402
from sim.network import Network  # noqa: E402
from sim.operator import KINDS, Operator  # noqa: E402

OPERATORS = [
    Operator("conv2d", (8, 12, 10), 16, (3, 5), (2, 1), (1, 2, 1, 2), groups=4, bias=True),
    Operator("conv2d", (3, 13, 13), 6, (3, 3), (2, 2), (0, 0, 1, 1)),
    Operator("conv2d", (4, 12, 12), 4, (3, 3), padding=(2, 2, 2, 2), dilation=(2, 2)),
    Operator("conv_transpose2d", (8, 7, 7), 4, (3, 3), (2, 2), (1, 1, 1, 1), output_padding=(1, 1), bias=True),
    Operator("linear", (5, 12), 7, bias=True),
    Operator("linear", (12,), 7),
    Operator("matmul", (4, 5, 6), others=((4, 6, 3),)),
    Operator("attention", (9, 16), length=11, heads=4),
    Operator("light_conv", (9, 16), kernel=(3,), heads=4),
    Operator("dynamic_conv", (9, 16), kernel=(5,), heads=4),
    *(Operator("pool", (4, 9, 9), kernel=(3, 3), stride=(2, 2), function=name) for name in ("max", "avg", "max_ceil")),
    *(Operator("pool", (4, 9, 9), size=(1, 1), function=name) for name in ("mean", "adaptive_avg", "adaptive_max")),
    *(
        Operator("norm", (32, 6, 6), function=name, affine=True)
        for name in ("batch", "instance", "adaptive_instance", "layer", "layer_by_hand", "group")
    ),
    Operator("norm", (7, 32), function="layer", affine=True),
    *(Operator("activation", (4, 6, 6), function=name) for name in ("relu", "relu6", "h_swish", "h_sigmoid", "silu")),
    *(Operator("activation", (4, 6, 6), function=name) for name in ("sigmoid", "tanh", "leaky_relu", "gelu", "exp")),
    Operator("activation", (7, 8), function="glu"),
    *(Operator("elementwise", (4, 6, 6), others=((4, 6, 6),), function=name) for name in ("add", "mul", "maximum")),
    Operator("elementwise", (4, 6, 6), others=((4, 1, 1),), function="mul"),
    Operator("elementwise", (4, 6, 6), function="copy"),
    Operator("softmax", (7, 9)),
    Operator("embedding", (6,), 8, length=50),
    *(Operator("resize", (4, 6, 6), size=(12, 9), function=name) for name in ("nearest", "bilinear")),
    Operator("concat", (4, 6, 6), others=((3, 6, 6), (1, 6, 6))),
    Operator("concat", (5, 8), others=((5, 4),)),
]


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: f"{op.kind}-{op.function}{'x'.join(map(str, op.shape))}")
@pytest.mark.parametrize("batch", [1, 2])
def test_every_operator_gives_its_shape(op: Operator, batch: int) -> None:
    operands = [torch.rand(batch, *shape) for shape in operand_shapes(op)]
    with torch.inference_mode():
        given = operator_module(op).eval()(*operands)
    assert tuple(given.shape) == (batch, *op.output_shape)
    assert bool(torch.isfinite(given).all())


def test_all_kinds_but_the_fused_are_covered() -> None:
    assert {op.kind for op in OPERATORS} == set(KINDS) - {"fused"}


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (Operator("fused", fused=(OPERATORS[0],)), "no torch module for operator kind 'fused'"),
        (Operator("activation", (4,), function="relu7"), "no torch module for activation 'relu7'; nearest: relu"),
        (Operator("norm", (4, 2, 2), function="bach"), "no torch module for norm 'bach'; nearest: batch"),
    ],
)
def test_what_torch_is_not_asked_for_is_named(op: Operator, words: str) -> None:
    with pytest.raises(WorkloadError, match=words):
        operator_module(op)


@pytest.mark.parametrize(
    "name",
    [
        "zoo/mobilenet_v2@64",
        "zoo/mobilenet_v3_small@64",
        "zoo/resnet18@64",
        "zoo/resnet50@64",
        "zoo/efficientnet_b0@64",
        "zoo/squeezenet1_1@64",
        "zoo/densenet121@64",
        "transformer/d128",
        "transformer/d128-encoder",
        "gan/mobile_resnet:ngf16@64",
    ],
)
def test_what_runs_is_what_was_counted(name: str) -> None:
    network = lower(name)
    module = RunnableNetwork(network)
    with torch.inference_mode():
        given = module(module.example())
    seen = from_torch(module, module.example())
    assert tuple(given.shape) == (1, *network.operators[-1].output_shape)
    assert seen.macs == network.macs
    assert seen.params == network.params


def test_edges_decide_what_is_added() -> None:
    net = Builder(4, 5, 5)
    x = net.activation(net.norm(net.input), "relu")
    net.add(net.activation(x, "h_sigmoid"), x)
    module = RunnableNetwork(net.build())
    x = torch.randn(1, 4, 5, 5)
    with torch.inference_mode():
        given = module(x.clone())
    normed = torch.relu(x / (1 + 1e-5) ** 0.5)
    torch.testing.assert_close(given, torch.nn.functional.hardsigmoid(normed) + normed)


def test_an_activation_spares_what_others_need() -> None:
    net = Builder(4, 5, 5)
    x = net.conv(net.input, 4, 1)
    net.add(net.activation(x, "relu"), x)
    module = RunnableNetwork(net.build(), seed=3)
    example = torch.randn(1, 4, 5, 5)
    with torch.inference_mode():
        mapped = module.steps[0](example)
        torch.testing.assert_close(module(example), torch.relu(mapped) + mapped)


def test_the_seconds_of_operators_are_those_of_the_clock() -> None:
    ticks = iter(range(100))
    module = RunnableNetwork(lower("zoo/mobilenet_v3_small@32"))
    with torch.inference_mode():
        found = RunnableNetwork(Network.chain(OPERATORS[4:5])).timed(torch.rand(1, 5, 12), lambda: float(next(ticks)))
        assert found == [1.0]
        times = make_call(module.network, timed=True)()
    assert len(times) == len(module.network)
    assert min(times) > 0


def test_experiments_run() -> None:
    with torch.inference_mode():
        for network in experiments(8 * 19, 5)[::8]:
            module = RunnableNetwork(network)
            assert tuple(module(module.example()).shape) == (1, *network.operators[-1].output_shape)
