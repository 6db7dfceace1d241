"""Supernets: what is chosen, what comes out of them, what is refused. The large ones are held to the public ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.ofa import resnet_space  # noqa: E402
from models.ofa.architecture import Architecture  # noqa: E402
from models.ofa.batch_norm import recalibrate  # noqa: E402
from models.ofa.resnet_supernet import ResNetSupernet  # noqa: E402
from models.ofa.space import Space, space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from sim.errors import InputError  # noqa: E402


@pytest.fixture
def images() -> Any:
    return torch.randn(16, 1, 28, 28, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network(tiny: Space, images: Any) -> Any:
    """With kernel transforms that are no identity and statistics that are not the first."""
    torch.manual_seed(2)
    one = Supernet(tiny)
    with torch.no_grad():
        for name, parameter in one.named_parameters():
            if name.endswith("_matrix"):
                parameter += 0.1 * torch.randn_like(parameter)
    recalibrate(one, [images])
    return one.eval()


def test_exports_compute_what_the_active_network_computes(network: Any, images: Any) -> None:
    population = network.space.sample(8, np.random.default_rng(3))
    for arch in (network.space.largest, network.space.smallest, *(population[row] for row in range(8))):
        network.set_active(arch)
        assert network.active == arch
        plain = network.export()
        assert torch.allclose(plain(images), network(images), atol=1e-6)
        assert not plain.training
        assert not any("matrix" in name for name, _ in plain.named_parameters())


def test_an_export_is_its_own(network: Any, images: Any) -> None:
    before = copy.deepcopy(network.state_dict())
    plain = network.export(network.space.smallest).train()
    assert network.active == network.space.largest
    plain(images).sum().backward()
    assert all(parameter.grad is not None for parameter in plain.parameters())
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_what_is_not_active_gets_no_gradient(network: Any, images: Any) -> None:
    arch = network.space.uniform(3, 3, 2)
    network.set_active(arch)
    network.train()(images).sum().backward()
    used = [parameter.grad is not None for parameter in network.blocks[1].parameters()]
    assert all(used)
    assert all(parameter.grad is None for parameter in network.blocks[3].parameters())  # the third slot of depth 2
    expand = network.blocks[1].conv.inverted_bottleneck.conv.conv.weight.grad
    assert (
        expand[network.space.middle_channels(0, 3) :].abs().sum()
        == 0
        < expand[: network.space.middle_channels(0, 3)].abs().sum()
    )


@pytest.mark.parametrize(
    ("arch", "words"),
    [
        (Architecture((3,) * 5, (3,) * 6, (2,) * 2, 28), "tiny: 'ks' needs 6 values, got 5"),
        (Architecture((3,) * 6, (5, *(3,) * 5), (2,) * 2, 28), r"tiny: e\[0\] is 5.*nearest: 4"),
        (Architecture((3,) * 6, (3,) * 6, (2,) * 2, 8), "tiny: resolution 8 is below 16"),
    ],
)
def test_architectures_of_other_spaces_are_refused(network: Any, arch: Architecture, words: str) -> None:
    for call in (network.set_active, network.export):
        with pytest.raises(InputError, match=words):
            call(arch)
    assert network.active == network.space.largest


@pytest.mark.parametrize("shape", [(1, 3, 28, 28), (1, 1, 28, 8), (1, 28, 28)])
def test_images_of_another_shape_are_refused(network: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"tiny: images of shape .* needs \(N, 1, H, W\)"):
        network(torch.zeros(shape))
    with pytest.raises(InputError, match="tiny: images of shape"):
        network.export()(torch.zeros(shape))


def test_weights_decay_and_norms_and_biases_do_not(network: Any) -> None:
    decayed, free = network.parameter_groups(3e-5)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert (decayed["weight_decay"], free["weight_decay"]) == (3e-5, 0.0)
    assert not any("bn" in names[id(one)] or "bias" in names[id(one)] for one in decayed["params"])
    assert all("bn" in names[id(one)] or "bias" in names[id(one)] for one in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(names)
    torch.optim.SGD(network.parameter_groups(3e-5), lr=0.1)


def test_channels_last_and_bfloat16_compute_the_same(network: Any, images: Any) -> None:
    arch = network.space.sample(1, np.random.default_rng(4))[0]
    network.set_active(arch)
    expected = network(images)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    assert torch.allclose(last(images.to(memory_format=torch.channels_last)), expected, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network(images)
        network.train()(images).float().sum().backward()
    assert (found.float() - expected).abs().max() < 0.1 * expected.abs().max()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.fixture(scope="module")
def resnet() -> Any:
    torch.manual_seed(5)
    network = ResNetSupernet(classes=10)
    recalibrate(network, [torch.randn(2, 3, 64, 64)])
    return network.eval()


def test_a_resnet_exports_what_it_computes(resnet: Any) -> None:
    inputs = torch.randn(1, 3, 50, 50)
    population = resnet_space.sample(3, np.random.default_rng(6))
    for arch in (population[row] for row in range(3)):
        resnet.set_active(arch)
        plain = resnet.export()
        with torch.no_grad():
            assert torch.allclose(plain(inputs), resnet(inputs), atol=1e-5)
        assert isinstance(plain.parameter_groups(1e-4), list)
    with pytest.raises(InputError, match="'d' needs 5 values"):
        resnet.set_active(resnet_space.ResNetArchitecture((1,), (0.2,) * 18, (1.0,) * 6, 224))


def test_dropout_is_only_in_training(tiny: Space) -> None:
    network = Supernet(tiny, dropout=0.5)
    inputs = torch.randn(4, 1, 20, 20)
    assert not torch.equal(network(inputs), network(inputs))
    network.eval()
    assert torch.equal(network(inputs), network(inputs))
    assert torch.equal(network.export()(inputs), network(inputs))
    assert set(network.state_dict()) == set(Supernet(network.space).state_dict())


def _of_other_space(state: dict[str, Any]) -> dict[str, Any]:
    return dict(Supernet(space("mbv3-w1.0")).state_dict())


def _truncated(state: dict[str, Any]) -> dict[str, Any]:
    return dict(list(state.items())[:-1])


def _renamed(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "surplus.weight": torch.zeros(1)}


def _poisoned(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "classifier.linear.bias": torch.full((10,), torch.nan)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_of_other_space, r"no checkpoint of tiny: 'first_conv.conv.weight' is \(16, 3, 3, 3\), needs \(8, 1, 3, 3\)"),
        (_truncated, "no checkpoint of tiny: it has no 'classifier.linear.bias'"),
        (_renamed, "no checkpoint of tiny: it has 'surplus.weight'"),
        (_poisoned, "'classifier.linear.bias' holds values that are not finite"),
    ],
)
def test_checkpoints_of_other_networks_change_nothing(
    change: Callable[[dict[str, Any]], dict[str, Any]], words: str, network: Any
) -> None:
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(InputError, match=words):
        network.load_checkpoint(change(before))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_checkpoints_are_read_from_files(network: Any, images: Any, tmp_path: Any) -> None:
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, tmp_path / "whole.pth")
    other = Supernet(network.space).eval()
    other.load_checkpoint(tmp_path / "whole.pth")
    assert torch.equal(other(images), network(images))
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pth").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"state_dict": Any}, tmp_path / "code.pth")
    for name, words in {
        "cut.pth": "no whole torch file",
        "text.pth": "no whole torch file",
        "list.pth": "holds no state dict",
        "code.pth": "no whole torch file",
        "absent.pth": "No such file",
    }.items():
        with pytest.raises(InputError, match=words) as caught:
            other.load_checkpoint(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert torch.equal(other(images), network(images))


def test_names_of_older_and_of_plain_files_are_understood(network: Any, images: Any) -> None:
    old = {
        name.replace(".conv.", ".mobile_inverted_conv.", 1) if name.startswith("blocks") else name: tensor
        for name, tensor in network.state_dict().items()
    }
    other = Supernet(network.space).eval()
    other.load_checkpoint(old)
    assert torch.equal(other(images), network(images))
    plain = network.export(network.space.largest)
    other.load_checkpoint(plain.state_dict())  # the full network, trained without kernel transforms
    assert torch.allclose(other(images), network(images), atol=1e-6)
    assert torch.equal(other.blocks[1].conv.depth_conv.conv.get_parameter("7to5_matrix"), torch.eye(25))
