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
from sim.errors import ConfigError, InputError  # noqa: E402


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


def test_a_shipped_run_delivers_without_the_teachers_weights(
    study_run: Path, shipped_run: Path, tmp_path: Path
) -> None:
    winner = {"device": "d", "devices": ["d"], "budget": "50 %"}
    sheets, records = [], []
    for place, folder in enumerate((study_run, shipped_run)):
        record = {"searches": [{**winner, "best": {"arch": {"channels": [4] * 8}}}]}
        Delivery(str(folder)).deliver(record, tmp_path / str(place), (), {})
        records.append(record)
        with Image.open(record["searches"][0]["best"]["measured"]["samples"]) as sheet:
            sheets.append(np.asarray(sheet))
    assert np.array_equal(*sheets)
    own, shipped = (one["teacher"] for one in records)
    assert (own["macs"], shipped["recorded"]) == (shipped["macs"], True)
    for name, value in own["measures"].items():
        assert shipped["measures"][name]["value"] == pytest.approx(value["value"]), name
    with pytest.raises(ConfigError, match="--finetune-epochs 1 needs teacher and discriminator"):
        Delivery(str(shipped_run)).require(1, 1.0)


def test_the_demo_measures_what_it_predicts(
    shipped_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwloop import gan_demo
    from hwloop.profile_command import machine_words
    from sim.mobile_cost.devices import load_device

    monkeypatch.setattr(gan_demo, "SPACE", str(shipped_run))
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    words = f"measured on this host: {machine_words()}, 1 threads, cpu, torch {torch.__version__}, eager"
    here = load_device("note10").model_copy(update={"name": "here", "label": "measured", "description": words})
    here.save(tmp_path / "here.toml")
    folder, kept = tmp_path / "out", tmp_path / "demo.json"
    options = ["--profile", str(tmp_path / "here.toml"), "--out", str(folder), "--json", str(kept)]
    with pytest.raises(SystemExit) as stop:
        main(["demo", "gan", "--small", *options])
    assert not stop.value.code
    record = json.loads(kept.read_text(encoding="utf-8"))
    best = record["search"]["best"]
    assert best["measured"]["latency_s"] > 0
    assert best["predicted"]["costs"][0]["latency_s"] <= record["search"]["constraint"][0]["limit"]
    assert record["evaluations"] <= 4 * 2
    assert (record["profile"]["measured_now"], record["teacher"]["recorded"]) == (False, True)
    shown = capsys.readouterr().out
    assert str(folder / "index.html") in shown
    assert f"{1e3 * best['measured']['latency_s']:.3g}" in shown
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 1
    assert "recorded when it was trained" in page


def test_a_folder_without_any_teacher_is_refused(shipped_run: Path, tmp_path: Path) -> None:
    for name in ("supernet.safetensors", "extractor.safetensors", "teacher.png"):
        (tmp_path / name).write_bytes((shipped_run / name).read_bytes())
    with pytest.raises(InputError, match="no teacher in"):
        Delivery(str(tmp_path))
    (tmp_path / "teacher.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is no record of a teacher"):
        Delivery(str(tmp_path))
    told = json.loads((shipped_run / "teacher.json").read_text(encoding="utf-8"))
    (tmp_path / "teacher.json").write_text(json.dumps(told | {"shown": ["00001"]}), encoding="utf-8")
    with pytest.raises(InputError, match="is of other images"):
        Delivery(str(tmp_path))


def test_what_says_nothing_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="--supernet x says nothing to gan"):
        Delivery(str(run), supernet="x")
    with pytest.raises(ConfigError, match="no trained run 'nowhere'"):
        Delivery("nowhere")
    with pytest.raises(ConfigError, match="--finalists 3 says nothing to gan"):
        Delivery(str(run)).deliver({"searches": []}, run, (), {}, finalists=3)
