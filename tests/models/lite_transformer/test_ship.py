"""What ships: small, the same every time, and what is said of it was measured with what is stored."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for needed in ("torch", "safetensors", "tokenizers", "sacrebleu"):
    pytest.importorskip(needed)

import torch  # noqa: E402
from click.testing import CliRunner  # noqa: E402

from hwloop.search_command import search  # noqa: E402
from hwloop.translate_command import translate  # noqa: E402
from models.lite_transformer import runs  # noqa: E402
from models.lite_transformer import ship as module  # noqa: E402
from models.lite_transformer.batches import TokenBatches, encode_pairs  # noqa: E402
from models.lite_transformer.checkpoint import load_model, load_tensors  # noqa: E402
from models.lite_transformer.data import load_text  # noqa: E402
from models.lite_transformer.evaluation import evaluate, scored_pairs  # noqa: E402
from models.lite_transformer.recorded import StudyRun  # noqa: E402
from models.lite_transformer.ship import ship  # noqa: E402
from models.lite_transformer.supernet_training import SupernetRun  # noqa: E402
from models.lite_transformer.training import mean_loss  # noqa: E402
from sim.errors import ConfigError, InputError  # noqa: E402


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_scores_are_those_of_the_stored_weights(study_run: Path, shipped_root: Path) -> None:
    made = read(shipped_root / "made_by.json")
    tensors, about = load_tensors(shipped_root / "translation" / "model.safetensors")
    assert {one.dtype for one in tensors.values()} == {torch.float16}
    model, tokenizer, task = load_model(shipped_root / "translation")
    assert (task, about["task"]) == ("translation", "translation")
    config = StudyRun(study_run).config
    text = load_text(config)
    pairs, coded = scored_pairs(config, text, tokenizer)
    scores, _ = evaluate(model, tokenizer, task, pairs, coded, config.test, lambda stage, done, total: None)
    assert made["test"]["shipped"] == scores
    assert made["test"]["trained"] == read(study_run / made["chosen"]["run"] / "train.json")["test"]
    assert made["text"]["digest"] == text.digest


def test_the_seed_is_chosen_on_validation_text(study_run: Path, shipped_root: Path) -> None:
    made = read(shipped_root / "made_by.json")
    losses = {}
    for seed in range(3):
        model, tokenizer, _ = load_model(study_run / f"translation-lite-{seed}")
        valid, _ = encode_pairs(load_text(StudyRun(study_run).config).valid, tokenizer, 128)
        losses[f"translation-lite-{seed}"] = mean_loss(model, TokenBatches(valid, 2048))
    assert made["chosen"]["run"] == min(losses, key=lambda name: losses[name])
    assert made["chosen"]["valid_loss"] == pytest.approx(losses, abs=1e-4)
    chosen, _ = load_tensors(study_run / made["chosen"]["run"] / "model.safetensors")
    shipped, _ = load_tensors(shipped_root / "translation" / "model.safetensors")
    assert all(torch.equal(one.half(), shipped[name]) for name, one in chosen.items())
    assert read(shipped_root / "translation" / "curves.json").keys() == StudyRun(study_run).records.keys()


def test_losses_of_the_supernet_are_those_of_the_stored_weights(shipped_root: Path) -> None:
    found = SupernetRun(shipped_root / "supernet")
    rows = read(shipped_root / "supernet" / "networks.json")["networks"]
    batches = TokenBatches(found.encoded("valid"), 2048)
    found.net.set_active(found.space.arch(rows[-1]["arch"]))
    assert mean_loss(found.net, batches) == pytest.approx(rows[-1]["shipped_valid_loss"], abs=1e-4)
    changes = [abs(one["valid_loss"] - one["shipped_valid_loss"]) for one in rows]
    assert read(shipped_root / "made_by.json")["supernet"]["largest_change_of_loss"] == pytest.approx(max(changes))


def test_the_same_runs_give_the_same_bytes(
    study_run: Path, supernet_run: Path, shipped_root: Path, tmp_path: Path
) -> None:
    record = ship(study_run, tmp_path / "again", supernet_run)
    there = {str(one.relative_to(shipped_root)): one for one in shipped_root.rglob("*") if one.is_file()}
    for name, one in there.items():
        assert (tmp_path / "again" / name).read_bytes() == one.read_bytes(), name
    for name, told in record["files"].items():
        assert hashlib.sha256(there[name].read_bytes()).hexdigest() == told["sha256"]
    assert set(there) == {*record["files"], "made_by.json"}
    assert record["bytes"] == sum(one.stat().st_size for name, one in there.items() if name != "made_by.json")
    alone = ship(study_run, tmp_path / "again")  # without the supernet, over what is there
    assert alone["supernet"] is None
    assert not (tmp_path / "again" / "supernet").exists()
    assert len(alone["commands"]) == 2


def test_the_commands_make_the_runs_again(study_run: Path, shipped_root: Path) -> None:
    study, supernet, predictor, last = read(shipped_root / "made_by.json")["commands"]
    assert study.startswith("hwloop train lite-transformer --config mini-translation --study --set model.width=16 ")
    assert " --set 'data.source=\"generated\"' " in study
    assert study.endswith(" --out STUDY")
    assert supernet.startswith("hwloop train lite-transformer --config mini-supernet --seed 0 --set ")
    assert predictor == "python -m models.lite_transformer.predictor SUPERNET --samples 12 --seed 0"
    assert last == "python -m models.lite_transformer.ship STUDY SUPERNET OUT"
    assert "training.seed" not in study


def test_what_cannot_ship_is_refused(
    study_run: Path, supernet_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"cannot read .*study.json: .*not finished; nearest: hwloop train"):
        ship(tmp_path, out)
    with pytest.raises(InputError, match=r"no hwloop\.text-supernet/1 record"):
        ship(study_run, out, study_run / "translation-lite-0")
    unfinished = copied(study_run, tmp_path / "unfinished")
    (unfinished / "translation-transformer-2" / "train.json").unlink()
    with pytest.raises(InputError, match=r"cannot read .*translation-transformer-2/train.json: .*not finished"):
        ship(unfinished, out)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").touch()
    with pytest.raises(InputError, match=r"holds 'mine.txt', which does not ship"):
        ship(study_run, other)
    assert not out.exists()
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"have 0\.\d+ MB together, more than 0\.001"):
        ship(study_run, out)


def test_runs_that_are_mixed_are_refused(study_run: Path, supernet_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mixed = copied(study_run, tmp_path / "scores")
    record = read(mixed / "translation-lite-1" / "train.json")
    record["test"]["bleu"] += 1
    (mixed / "translation-lite-1" / "train.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match=r"translation-lite-1 is of another run than study.json beside it"):
        ship(mixed, out)
    weights = copied(study_run, tmp_path / "weights")
    best = read_best(study_run)
    worse = next(f"translation-lite-{seed}" for seed in range(3) if f"translation-lite-{seed}" != best)
    for seed in range(3):
        shutil.copy(study_run / worse / "model.safetensors", weights / f"translation-lite-{seed}")
    shutil.copy(study_run / best / "model.safetensors", weights / worse)
    with pytest.raises(InputError, match=r"gives .* where its record says .*: files of different runs"):
        ship(weights, out)
    settings = copied(study_run, tmp_path / "settings")
    record = read(settings / "translation-lite-1" / "train.json")
    record["config"]["training"]["batch_tokens"] = 600
    (settings / "translation-lite-1" / "train.json").write_text(json.dumps(record), encoding="utf-8")
    (settings / "translation-lite-1" / "config.json").write_text(json.dumps(record["config"]), encoding="utf-8")
    with pytest.raises(InputError, match=r"of different studies: training.batch_tokens = "):
        ship(settings, out)
    net = copied(supernet_run, tmp_path / "net")
    record = read(net / "train.json")
    record["text"]["digest"] = "0"
    (net / "train.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="was trained on other text than the study"):
        ship(study_run, out, net)
    fitted = copied(supernet_run, tmp_path / "fitted")
    record = read(fitted / "predictor.json")
    (fitted / "predictor.json").write_text(json.dumps(record | {"objective": "0"}), encoding="utf-8")
    with pytest.raises(InputError, match="was fitted to another supernet"):
        ship(study_run, out, fitted)
    assert not out.exists()


def read_best(study_run: Path) -> str:
    return str(module.best_seed(StudyRun(study_run), load_text(StudyRun(study_run).config))["run"])


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("weights", "state.safetensors"))
    return to


def test_the_default_space_is_scored_by_the_predictor_that_ships(
    shipped_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.lite_transformer.predictor import PredictedLoss
    from models.lite_transformer.search import LiteTransformer

    family = LiteTransformer()
    monkeypatch.setattr(runs, "shipped_root", lambda: shipped_root)
    monkeypatch.setattr("models.lite_transformer.supernet_training.load_text", None)  # no text is needed
    objective = family.objective(family.default_space, None)
    assert isinstance(objective, PredictedLoss)
    space = family.space(family.default_space, [], objective)
    population = space.sample(4, np.random.default_rng(0))
    weights = np.array(read(shipped_root / "supernet" / "predictor.json")["weights"])
    scores = objective.score(population)
    assert np.allclose(scores - scores[0], (space.encode(population[:1]) - space.encode(population)) @ weights)
    small = ["--population", "6", "--generations", "1"]
    ran = CliRunner().invoke(
        search,
        ["lite-transformer", "--device", "xeon-hat", "--max-latency-ms", "40%", *small],
        catch_exceptions=False,
    )
    assert "predicted from a supernet" in ran.output
    with pytest.raises(ConfigError, match="nothing scores the networks of 'paper'"):
        family.objective("paper", None)


def test_translate_takes_what_ships(shipped_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "shipped_root", lambda: shipped_root)
    path = tmp_path / "t.json"
    ran = CliRunner().invoke(translate, ["a red cat", "--json", str(path)], catch_exceptions=False)
    assert ran.exit_code == 0
    assert read(path)["model"] == str(shipped_root / "translation")


@pytest.mark.slow
def test_the_command_says_an_error_in_one_line(tmp_path: Path) -> None:
    told = [sys.executable, "-m", "models.lite_transformer.ship", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: cannot read ")
