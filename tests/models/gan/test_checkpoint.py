"""Checkpoints of the public packages: what they are is read from their shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from models.gan.checkpoint import load_generator  # noqa: E402
from models.gan.generators import ResNetGenerator  # noqa: E402
from models.gan.modules import ResNet  # noqa: E402
from sim.errors import InputError  # noqa: E402

SPECS = [
    ResNetGenerator((8,) * 8, separable=False),
    ResNetGenerator((8,) * 8, separable=False, blocks=6),
    ResNetGenerator((4, 6, 8, 4, 6, 10, 6, 4)),
    ResNetGenerator((4, 6, 8, 4, 6, 4), legacy=True),
]


def public_state(net: Any) -> dict[str, Any]:
    """As the public package without dropout writes it, trained in parallel, with norms of an old torch."""
    state = {f"module.{key.replace('.conv_block.6.', '.conv_block.5.')}": one for key, one in net.state_dict().items()}
    return state | {
        "module.model.2.running_mean": torch.zeros(8),
        "module.model.2.num_batches_tracked": torch.tensor(1),
    }


@pytest.mark.parametrize("spec", SPECS, ids=("dense", "six blocks", "mobile", "legacy"))
def test_a_public_checkpoint_loads_by_name(spec: ResNetGenerator, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = ResNet(spec).eval()
    torch.save(public_state(net), tmp_path / "latest_net_G.pth")
    loaded = load_generator(tmp_path / "latest_net_G.pth").eval()
    assert (loaded.spec.inner, loaded.spec.separable) == (spec.inner, spec.separable)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(image), net(image))


def test_what_is_no_generator_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no ResNet generator: it has no 'model.1.weight'"):
        load_generator({"conv1.weight": torch.zeros(4, 3, 7, 7)})
    net = ResNet(SPECS[0])
    with pytest.raises(InputError, match=r"it has no 'model.1.bias'"):
        load_generator({key: one for key, one in net.state_dict().items() if key != "model.1.bias"})
    with pytest.raises(InputError, match="not finite"):
        load_generator(net.state_dict() | {"model.1.bias": torch.full((8,), float("nan"))})
    with pytest.raises(InputError, match="5 residual blocks"):
        load_generator({key: one for key, one in _five_blocks(net).items()})  # noqa: C416
    (tmp_path / "bad.pth").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match="cannot read"):
        load_generator(tmp_path / "bad.pth")


def test_channels_that_do_not_divide_are_named() -> None:
    state = ResNet(SPECS[0]).state_dict()
    with pytest.raises(InputError, match="15 channels at c1 do not divide by 2"):
        load_generator(state | {"model.4.weight": torch.zeros(15, 8, 3, 3)})
    odd = state | {"model.11.conv_block.1.weight": torch.zeros(16, 32, 3, 3)}
    with pytest.raises(InputError, match="neither the form of 8 numbers nor the legacy one"):
        load_generator(odd)


def _five_blocks(net: Any) -> dict[str, Any]:
    found = {}
    for key, one in net.state_dict().items():
        number = int(key.split(".")[1])
        if not 15 <= number <= 18:
            found[key.replace(f"model.{number}.", f"model.{number - 4 if number > 18 else number}.", 1)] = one
    return found
