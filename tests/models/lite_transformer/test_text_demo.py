"""The demo on toy networks, and its parts: compression by a model's own translations, the winner as a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

for needed in ("torch", "safetensors", "tokenizers", "sacrebleu"):
    pytest.importorskip(needed)

import torch  # noqa: E402

from hwloop.cli import main  # noqa: E402
from models.compress.pipeline import Settings  # noqa: E402
from models.lite_transformer import runs  # noqa: E402
from models.lite_transformer.deliver import Delivery  # noqa: E402
from models.lite_transformer.own_text import compress_by_itself, own_pairs  # noqa: E402
from models.lite_transformer.translate import load_ready  # noqa: E402
from models.search.host import Host  # noqa: E402
from sim.errors import InputError  # noqa: E402

TEXTS = ("the red cat sees a small house", "a dog takes the green table")


def test_compression_by_its_own_translations(shipped_root: Path, tmp_path: Path) -> None:
    folder = shipped_root / "translation"
    ready = load_ready(folder)
    pairs = own_pairs(ready, TEXTS)
    assert [source for source, _ in pairs] == list(TEXTS)
    before = [one.clone() for one in ready.model.parameters()]
    fine = compress_by_itself(folder, tmp_path / "fine", Settings(mean_bits=8.0), pairs)
    rough = compress_by_itself(folder, tmp_path / "rough", Settings(keep=0.3, mean_bits=6.0), pairs)
    assert fine["own_loss"]["before"] == pytest.approx(rough["own_loss"]["before"])
    gone = [abs(one["own_loss"]["after"] - one["own_loss"]["before"]) for one in (fine, rough)]
    assert gone[0] < gone[1]
    assert rough["sizes"]["whole"]["bytes"] < fine["sizes"]["whole"]["bytes"]
    assert fine["agreement"]["chrf"] >= rough["agreement"]["chrf"]
    again = load_ready(tmp_path / "rough")
    pruned = [one for name, one in again.model.named_parameters() if one.ndim > 1 and name != "embedding.weight"]
    kept = sum(int((one != 0).sum()) for one in pruned)
    assert kept / sum(one.numel() for one in pruned) == pytest.approx(0.3, abs=0.03)
    assert all(torch.equal(one, two) for one, two in zip(before, ready.model.parameters(), strict=True))


def test_a_model_that_says_nothing_is_refused() -> None:
    silent: Any = lambda texts, beam: [""] * len(texts)  # noqa: E731
    with pytest.raises(InputError, match="translates none of the sentences"):
        own_pairs(silent, TEXTS)


def test_the_winner_is_a_folder_that_translates(shipped_root: Path, tmp_path: Path) -> None:
    delivery = Delivery(str(shipped_root / "supernet"))
    space = delivery.run.space
    arch = space.records(space.population(space.text.largest))[0]
    asked = {"device": "here", "devices": ["here"], "budget": "1 ms"}
    record = {"searches": [{**asked, "best": {"arch": arch}}, {**asked, "best": None}]}
    delivery.deliver(record, tmp_path, (), {"here": Host()})
    best = record["searches"][0]["best"]
    assert best is not None
    measured = best["measured"]
    assert measured["latency_s"] > 0
    exported = delivery.run.net.export(space.arch(arch))
    loaded = load_ready(measured["folder"]).model
    assert all(torch.equal(one, two) for one, two in zip(exported.parameters(), loaded.parameters(), strict=True))
    assert measured["params"] == sum(one.numel() for one in exported.body())
    delivery.deliver(record, tmp_path, (), {})
    assert record["searches"][0]["best"]["measured"]["latency_s"] is None  # type: ignore[index]


@pytest.mark.slow
def test_the_whole_demo(
    shipped_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwloop.profile_command import machine_words
    from sim.mobile_cost.devices import load_device

    monkeypatch.setattr(runs, "shipped_root", lambda: shipped_root)
    monkeypatch.setenv("HWLOOP_CACHE", str(tmp_path / "cache"))
    words = f"measured on this host: {machine_words()}, 1 threads, cpu, torch {torch.__version__}, eager"
    here = load_device("note10").model_copy(update={"name": "here", "label": "measured", "description": words})
    here.save(tmp_path / "here.toml")
    options = ["--profile", str(tmp_path / "here.toml"), "--out", str(tmp_path / "out"), "--json"]
    with pytest.raises(SystemExit) as stop:
        main(["demo", "lite-transformer", "--small", *options, str(tmp_path / "demo.json")])
    assert not stop.value.code
    record = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert len(record["translations"]) == 3
    best = record["search"]["best"]
    assert best["predicted"]["costs"][0]["latency_s"] <= record["search"]["constraint"][0]["limit"]
    assert best["measured"]["latency_s"] > 0
    assert record["objective"]["label"] == "predicted from a supernet"
    dense, pruned = record["sparch"]
    assert (dense["keep"], pruned["keep"]) == (1.0, 0.6)
    assert pruned["per_sentence"]["cycles"] < dense["per_sentence"]["cycles"]
    assert {"dense array", "here", "here, no launch"} == set(pruned["per_sentence"]["dense"])
    shown = capsys.readouterr().out
    assert record["translations"][0]["text"] in shown
    assert f"{1e3 * best['measured']['latency_s']:.3g}" in shown
    assert f"{pruned['per_sentence']['cycles']:,.0f}" in shown
