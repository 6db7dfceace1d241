"""Pruned layers on SpArch: activations as they are, break-even points, the record and its tables, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

for needed in ("torch", "safetensors", "tokenizers", "sacrebleu"):
    pytest.importorskip(needed)

import torch  # noqa: E402

from analysis.on_sparch_table import on_sparch_table  # noqa: E402
from hwloop.compress_command import compress  # noqa: E402
from models.lite_transformer.config import Config, ModelTable  # noqa: E402
from models.lite_transformer.model import TextModel  # noqa: E402
from models.lite_transformer.on_sparch import ARRAY, activations, array_s, break_even, on_sparch, sweep  # noqa: E402
from models.lite_transformer.train import train  # noqa: E402
from sim.errors import ConfigError  # noqa: E402
from sim.operator import Operator  # noqa: E402

MODEL = {"width": 16, "vocabulary": 300, "kernels": [3], "heads": 4, "branch_heads": 2, "conv_heads": 2}
SHAPE = {"max_tokens": 32, "encoder_layers": 1, "decoder_layers": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text") / "run"
    training = {"steps": 3, "batch_tokens": 300, "warm_up": 1, "save_every": 3}
    tree = {"model": MODEL | SHAPE, "data": {"source": "generated"}, "training": training, "test": {"sentences": 4}}
    train(Config.model_validate(tree), folder)
    return folder


def test_activations_are_what_the_layers_take() -> None:
    torch.manual_seed(0)
    model = TextModel(ModelTable.model_validate({**MODEL, **SHAPE, "kernels": (3,)}))
    sentences = [([5, 6, 7, 2], [8, 9, 2]), ([5, 2], [8, 9, 10, 11, 2])]
    found = activations(model, sentences)
    assert found["encoder.layers.0.first"].shape == (6, 16)
    assert found["decoder.layers.0.cross.query"].shape == (8, 16)
    assert found["decoder.layers.0.cross.key"].shape == (6, 16)
    behind_relu = found["encoder.layers.0.last"]
    assert 0.2 < (behind_relu == 0).mean() < 0.8
    layer = model.get_submodule("encoder.layers.0.first")
    with torch.no_grad():
        same = layer(torch.from_numpy(found["encoder.layers.0.first"])).relu()
    assert np.allclose(same.numpy(), behind_relu, atol=1e-6)
    assert all((one != 0).all() for name, one in found.items() if not name.endswith("layers.0.last"))


def test_break_even_on_a_curve_that_is_known() -> None:
    rows = [{"density": density, "seconds": 3.0 * density} for density in (1.0, 0.3, 0.1, 0.02)]
    assert break_even(rows, 0.6) == pytest.approx(0.2, abs=1e-4)
    assert break_even(rows, 3.0) == 1.0
    assert break_even(rows, 0.01) is None
    floor = [{"density": density, "seconds": 1.0} for density in (1.0, 0.1)]
    assert break_even(floor, 0.5) is None


def test_less_weight_takes_no_more_time() -> None:
    rng = np.random.default_rng(0)
    weights, inputs = (rng.normal(size=shape).astype(np.float32) for shape in ((64, 48), (12, 48)))
    rows = sweep(weights, inputs, (0.05, 1.0, 0.3))
    assert [row["density"] for row in rows] == [1.0, 0.3, 0.05]
    assert rows[0]["cycles"] > rows[1]["cycles"] > rows[2]["cycles"]
    assert rows[0]["cycles"] >= 64 * 48 * 12 / 16  # sixteen multipliers


def test_the_bound_is_the_busier_of_multipliers_and_memory() -> None:
    assert array_s(Operator("linear", (1000, 64), 64)) == pytest.approx(1000 * 64 * 64 / 16 / 1e9)
    thin = Operator("linear", (1, 64), 64)
    assert array_s(thin) == pytest.approx(max(64 * 64 / 16, 4 * (64 * 64 + 128) / 128) / 1e9)


def test_the_command_writes_record_and_table(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    how = ["--keep", "0.3", "--no-score", "--sparch", "--densities", "1,0.1", "--sentences", "1"]
    ran = CliRunner().invoke(compress, [str(run), "--out", str(out), *how], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    record = json.loads((out / "sparch.json").read_text(encoding="utf-8"))
    assert record["label"] == "simulated"
    layers: list[dict[str, Any]] = record["layers"]
    kept = sum(one["weight_density"] * one["outputs"] * one["inputs"] for one in layers)
    assert kept / sum(one["outputs"] * one["inputs"] for one in layers) == pytest.approx(0.3, abs=0.02)
    for one in layers:
        assert (one["activation_density"] < 0.9) == one["layer"].endswith(".0.last")
        assert set(one["break_even"]) == set(one["dense"])
        assert one["sweep"][0]["cycles"] >= one["sweep"][1]["cycles"]
    total = record["per_sentence"]
    assert total["cycles"] == pytest.approx(sum(one["cycles"] for one in layers))
    assert total["dense"][ARRAY]["latency_s"] < total["dense"]["xeon-hat, no launch"]["latency_s"]
    text = (out / "sparch.md").read_text(encoding="utf-8")
    assert text == on_sparch_table(record)
    assert text.count("\n| ") == len(layers) + 2 + 1 + 3 + 1
    assert text in ran.output
    columns = {line.count("|") for line in text.splitlines() if line.startswith("| ")}
    assert len(columns) == 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--densities", "2"], "each is above 0 and at most 1"),
        (["--densities", "x"], "'x' is no number"),
        (["--device", "xeon-hats"], "nearest: xeon-hat"),
        (["--fidelity", "evnt"], "nearest: event"),
    ],
)
def test_options_are_refused_before_the_work(option: list[str], message: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(
            compress, [str(run), "--out", str(tmp_path / "no"), "--sparch", *option], catch_exceptions=False
        )
    assert not (tmp_path / "no").exists()


def test_no_sentence_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="0 of 64 sentences"):
        on_sparch(run, devices=[], sentences=0)
