"""Winners of a search over generators: files that compute what was measured, and a page that shows them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
onnxruntime = pytest.importorskip("onnxruntime")

from PIL import Image  # noqa: E402

from hwloop.cli import main  # noqa: E402
from models.gan import quality  # noqa: E402
from models.gan.deliver import Delivery  # noqa: E402
from models.gan.extractor import random_extractor  # noqa: E402
from models.gan.search import load_run  # noqa: E402
from models.gan.train import train, translate  # noqa: E402
from models.ofa.train_state import load_tensors  # noqa: E402
from sim.errors import ConfigError  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan") / "run"
    train("test", folder, settings=("data.count=1400", "data.side=16"))
    random_extractor().save(folder / "extractor.safetensors")
    return folder


@pytest.fixture(scope="module")
def out(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a search on the command line leaves."""
    folder = tmp_path_factory.mktemp("nets")
    options = ["--space", str(run), "--device", "note10", "--max-latency-ms", "50%", "--population", "4"]
    with pytest.raises(SystemExit) as stop:
        main(["search", "gan", *options, "--generations", "1", "--deliver", "--out", str(folder)])
    assert not stop.value.code
    return folder


def test_the_files_compute_what_was_measured(run: Path, out: Path) -> None:
    record = json.loads((out / "search.json").read_text(encoding="utf-8"))
    (one,) = record["searches"]
    best, measured = one["best"], one["best"]["measured"]
    channels = tuple(best["arch"]["channels"])
    work, net = load_run(run)
    plain = net.export(channels)
    tensors, note = load_tensors(Path(measured["folder"]) / "generator.safetensors")
    plain.load_state_dict(tensors)
    plain.eval()
    assert note["macs"] == best["predicted"]["costs"][0]["macs"] == work.family.lower(channels).macs
    part = work.images.test
    fake = translate(work.images, plain, part)
    assert measured["measures"]["psnr_db"]["value"] == pytest.approx(float(quality.psnr(fake, part.targets).mean()))
    session = onnxruntime.InferenceSession(str(Path(measured["folder"]) / "generator.onnx"))
    given = work.images.inputs(part.inputs[:3])
    (found,) = session.run(None, {"images": given.numpy()})
    with torch.inference_mode():
        assert np.allclose(found, plain(given).numpy(), atol=1e-4)
    assert measured["latency_s"] is None  # the Note10 is not here
    assert record["teacher"]["macs"] > note["macs"]


def test_the_page_holds_images_and_figures(run: Path, out: Path) -> None:
    record = json.loads((out / "search.json").read_text(encoding="utf-8"))
    measured = record["searches"][0]["best"]["measured"]
    with Image.open(measured["samples"]) as sheet:
        assert sheet.size == (4 * 16, 8 * 16)  # input, teacher, compressed, truth
        left = np.asarray(sheet)[:16, :16]
    assert np.array_equal(left, load_run(run)[0].images.test.inputs[0])
    text = (out / "index.html").read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 1
    assert f"{measured['measures']['psnr_db']['value']:.2f}" in text
    assert "teacher" in text
    assert "http" not in text.replace("http-equiv", "")


def test_what_says_nothing_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="--supernet x says nothing to gan"):
        Delivery(str(run), supernet="x")
    with pytest.raises(ConfigError, match="no trained run 'nowhere'"):
        Delivery("nowhere")
    with pytest.raises(ConfigError, match="--finalists 3 says nothing to gan"):
        Delivery(str(run)).deliver({"searches": []}, run, (), {}, finalists=3)
