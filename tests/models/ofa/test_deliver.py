"""Delivered networks: the files say the same as the supernet, and what was measured can be measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
onnxruntime = pytest.importorskip("onnxruntime")

from models.data.augment import plain_batch  # noqa: E402
from models.data.fashion_mnist import SMALL  # noqa: E402
from models.ofa import train_state  # noqa: E402
from models.ofa.architecture import Architecture  # noqa: E402
from models.ofa.batch_norm import recalibrate  # noqa: E402
from models.ofa.deliver import accuracy_on, deliver, load_network  # noqa: E402
from models.ofa.lowering import lower  # noqa: E402
from models.ofa.onnx_file import write_onnx  # noqa: E402
from models.ofa.space import space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from models.ofa.train_config import read_config  # noqa: E402
from models.ofa.trained import Images, Trained, load_supernet, open_images, shipped  # noqa: E402
from models.search.delivery import folder_name  # noqa: E402
from models.search.host import Host, timed  # noqa: E402
from sim.errors import ConfigError, InputError, InvariantError  # noqa: E402


@pytest.fixture(scope="module")
def supernet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained supernet of the mini space, in the file that training would write."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("supernet") / "weights.safetensors"
    settings = read_config("test").model_dump(exclude={"study": True, "data": {"source"}})
    note = {"space": "mini", "seed": 3, "data": "0" * 64, "settings": settings, "architecture": None}
    train_state.save_tensors(path, Supernet(space("mini")).state_dict(), note)
    return path


@pytest.fixture(scope="module")
def trained(supernet: Path) -> Trained:
    return load_supernet(supernet, "mini")


@pytest.fixture(scope="module")
def images(trained: Trained) -> Images:
    return open_images(trained, SMALL)


@pytest.fixture(scope="module")
def arch(trained: Trained) -> Architecture:
    return trained.space.sample(1, np.random.default_rng(8))[0]


def test_the_files_say_what_the_supernet_says(
    trained: Trained, images: Images, arch: Architecture, tmp_path: Path
) -> None:
    measured = deliver(trained, images, arch, tmp_path / "net")
    trained.net.set_active(arch)
    recalibrate(trained.net, images.calibration.at(arch.r))
    trained.net.eval()
    batch = plain_batch(images.data.test, torch.arange(40, 90), arch.r)
    network = load_network(tmp_path / "net")
    with torch.inference_mode():
        wanted, found = trained.net(batch), network(batch)
    session = onnxruntime.InferenceSession(str(tmp_path / "net" / "network.onnx"), providers=["CPUExecutionProvider"])
    by_onnx = session.run(None, {"images": batch.contiguous().numpy()})[0]
    assert float((wanted - found).abs().max()) <= 1e-4
    assert float(np.abs(by_onnx - found.numpy()).max()) <= 1e-4
    assert measured["accuracy"] == accuracy_on(network, images.test, arch.r)
    assert measured["latency_s"] is None
    assert measured["data"]["test_images"] == 1000
    assert measured["data"]["trained_on_it"] is False
    record = json.loads((tmp_path / "net" / "architecture.json").read_text(encoding="utf-8"))
    assert record["macs"] == lower(trained.space, arch).macs
    assert record["params"] == sum(one.numel() for one in network.parameters())
    assert record["measured"]["accuracy"] == measured["accuracy"]


def test_latency_is_measured_only_where_the_device_is_here(trained: Trained, arch: Architecture) -> None:
    plain, shape = trained.net.export(arch), (1, arch.r, arch.r)
    assert timed(plain, shape, None) == {"latency_s": None, "latency": None}
    found = timed(plain, shape, Host(threads=1), budget_s=0.05)
    assert found["latency"]["fastest_s"] <= found["latency_s"]
    assert found["latency"]["threads"] == 1


def test_fine_tuning_makes_it_better_and_leaves_the_supernet(
    trained: Trained, images: Images, arch: Architecture, tmp_path: Path
) -> None:
    before = trained.weights_sha256
    measured = deliver(trained, images, arch, tmp_path, finetune_epochs=1.0)
    assert measured["accuracy"] > measured["accuracy_supernet"] + 0.1
    assert trained.weights_sha256 == before
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "architecture.json",
        "network.onnx",
        "network.safetensors",
    ]


class Fickle(torch.nn.Module):
    """Says something else at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0.0

    def forward(self, x: Any) -> Any:
        self.calls += 1.0
        return x.mean((2, 3)) * self.calls


def test_a_file_that_computes_something_else_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(InvariantError, match="onnxruntime differs from torch by"):
        write_onnx(Fickle(), torch.rand(3, 1, 8, 8), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_named(
    trained: Trained, images: Images, arch: Architecture, supernet: Path, tmp_path: Path
) -> None:
    foreign = Architecture((4, *arch.ks[1:]), arch.e, arch.d, arch.r)
    with pytest.raises(InputError, match=r"ks\[0\] is 4, not one of \(3, 5\); nearest: 3"):
        deliver(trained, images, foreign, tmp_path / "net")
    assert not (tmp_path / "net").exists()
    with pytest.raises(InputError, match=r"supernet of space 'mini', not 'mbv3-w1.0'; nearest: --space mini"):
        load_supernet(supernet, "mbv3-w1.0")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(supernet.read_bytes()[:5000])
    with pytest.raises(InputError, match="is no file of hwloop's weights, or is cut short"):
        load_supernet(cut, "mini")
    alone = tmp_path / "alone.safetensors"
    train_state.save_tensors(alone, {}, {"space": "mini", "architecture": arch.record()})
    with pytest.raises(InputError, match="one network that was trained alone"):
        load_supernet(alone, "mini")
    with pytest.raises(InputError, match="no data set and no folder 'fashon-mnist'; nearest: fashion-mnist"):
        open_images(trained, "fashon-mnist")
    with pytest.raises(InputError, match=r"cannot read .*architecture.json"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("device", "budget", "name"),
    [
        ("note10", "15 ms", "note10-15ms"),
        ("note10", "25 % of the latency range", "note10-25pct"),
        ("note10 + pixel1", "0.5 ms, 300 MMACs", "note10-pixel1-0.5ms-300mmacs"),
        ("eyeriss-like", "25 % of the energy range", "eyeriss-like-25pct-energy"),
    ],
)
def test_folders_are_named_after_device_and_budget(device: str, budget: str, name: str) -> None:
    assert folder_name(device, budget) == name


def test_the_shipped_supernet_is_trained() -> None:
    """Largest and smallest network on the images that ship; figures on the full test set are in docs/ofa.md."""
    try:
        path = shipped("mini")
    except ConfigError:
        pytest.skip("no supernet ships yet")
    one = load_supernet(path, "mini")
    from models.ofa.evaluate import Evaluator

    known = open_images(one, SMALL)
    scored = Evaluator(one.net, one.space, known.calibration, known.test)
    assert scored.accuracy(one.space.largest) >= 0.91
    assert scored.accuracy(one.space.smallest) >= 0.89
