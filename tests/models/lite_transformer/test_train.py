"""Training: it learns, it resumes to the same bytes, several processes and accumulation give the same gradient."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from models.lite_transformer import train as train_module
from models.lite_transformer.batches import TokenBatches, encode_pairs
from models.lite_transformer.checkpoint import MODEL, STATE, TOKENIZER, load_model
from models.lite_transformer.config import Config, TrainingTable, names, read_config
from models.lite_transformer.counting import operators
from models.lite_transformer.evaluation import bleu, rouge
from models.lite_transformer.model import TextModel
from models.lite_transformer.schedule import learning_rate
from models.lite_transformer.study import bootstrap, run_study, runs
from models.lite_transformer.tokenizer import Tokenizer
from models.lite_transformer.train import average, train
from models.lite_transformer.train_runs import train as run_one
from models.lite_transformer.training import Trainer, World, summed_loss
from models.lite_transformer.translate import load_ready
from models.zoo.mac_rules import count
from sim.errors import ConfigError, InputError

TINY: dict[str, Any] = {
    "model": {
        "width": 16, "vocabulary": 300, "kernels": [3, 5], "heads": 4, "branch_heads": 2, "conv_heads": 2,
        "max_tokens": 32, "encoder_layers": 1, "decoder_layers": 1,
    },
    "data": {"source": "generated"},
    "training": {"steps": 12, "batch_tokens": 300, "warm_up": 4, "learning_rate": 5e-3, "save_every": 4, "average": 2},
    "test": {"sentences": 6, "beam": 2},
}  # fmt: skip


def tiny(**training: Any) -> Config:
    return Config.model_validate({**TINY, "training": {**TINY["training"], **training}})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    train(tiny(), folder)
    return folder


def test_a_run_learns_and_says_what_it_did(run: Path) -> None:
    record = json.loads((run / "train.json").read_text(encoding="utf-8"))
    losses = [one["valid_loss"] for one in record["history"]]
    assert [one["step"] for one in record["history"]] == [4, 8, 12]
    assert losses[-1] < losses[0] < 6.5
    assert record["test"]["sentences"] == 6
    assert 0 <= record["test"]["bleu"] <= 100
    assert "version:" in record["test"]["signature"]
    assert len((run / "outputs.txt").read_text(encoding="utf-8").splitlines()) == 6
    assert record["text"]["digest"]


class Stop(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("stop", [3, 4, 9])
def test_a_killed_run_ends_with_the_same_bytes(run: Path, tmp_path: Path, stop: int) -> None:
    def kill(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == stop:
            raise Stop

    with pytest.raises(Stop):
        train(tiny(), tmp_path / "two", progress=kill)
    train(tiny(), tmp_path / "two", resume=True)
    for name in (MODEL, "history.jsonl", "outputs.txt"):
        assert (tmp_path / "two" / name).read_bytes() == (run / name).read_bytes()


def test_a_finished_run_is_not_run_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_module, "_Run", None)
    assert train(tiny(), run, resume=True)["schema"] == "hwloop.train-text/1"


def test_a_folder_of_another_run(run: Path) -> None:
    with pytest.raises(InputError, match="already holds a training run; nearest: --resume"):
        train(tiny(), run)
    with pytest.raises(ConfigError, match="other settings"):
        train(tiny(seed=5), run, resume=True)


def test_a_damaged_state(run: Path, tmp_path: Path) -> None:
    def kill(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == 5:
            raise Stop

    with pytest.raises(Stop):
        train(tiny(), tmp_path / "two", progress=kill)
    state = tmp_path / "two" / STATE
    state.write_bytes(state.read_bytes()[:-40])
    with pytest.raises(InputError, match="is damaged"):
        train(tiny(), tmp_path / "two", resume=True)


def trainer_of(**training: Any) -> Trainer:
    torch.manual_seed(0)
    config = tiny(**training)
    model = TextModel(config.model.model_copy(update={"dropout": 0.0, "attention_dropout": 0.0, "weight_dropout": 0.0}))
    sentences = [([5, 6, 7, 2], [9, 10, 2]), ([5, 2], [11, 2]), ([8, 8, 2], [12, 13, 14, 2])] * 4
    return Trainer(model.double(), TokenBatches(sentences, config.training.batch_tokens), config.training)


def test_accumulation_is_one_large_batch() -> None:
    whole, parts = trainer_of(batch_tokens=300), trainer_of(batch_tokens=12, accumulate=4)
    assert (len(whole.batches), len(parts.batches)) == (1, 4)
    whole.update()
    parts.update()
    assert whole.tokens == parts.tokens
    for one, two in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-9)


def test_label_smoothing_against_its_definition() -> None:
    logits = torch.randn(2, 3, 7, dtype=torch.float64)
    targets = torch.tensor([[3, 4, 2], [5, 2, 0]])
    expected = 0.0
    for row, column in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)):
        log = logits[row, column].log_softmax(0)
        expected -= 0.9 * float(log[targets[row, column]]) + 0.1 * float(log.mean())
    assert float(summed_loss(logits, targets, 0.1)) == pytest.approx(expected)


def test_schedules() -> None:
    cosine = TrainingTable(steps=100, warm_up=10, learning_rate=1e-3, final_learning_rate=1e-9)
    rates = [learning_rate(step, cosine) for step in range(101)]
    assert rates[9] == rates[10] == pytest.approx(1e-3)
    assert rates[55] == pytest.approx(5e-4, rel=1e-3)
    assert rates[100] == pytest.approx(1e-9)
    root = TrainingTable(steps=100, warm_up=16, learning_rate=5e-4, schedule="inverse_sqrt")
    assert learning_rate(15, root) == pytest.approx(5e-4)
    assert learning_rate(63, root) == pytest.approx(2.5e-4)


def test_average_is_the_mean() -> None:
    assert torch.equal(average([{"a": torch.tensor([1.0])}, {"a": torch.tensor([4.0])}])["a"], torch.tensor([2.5]))


def test_bf16_runs() -> None:
    trainer = trainer_of(bf16=True)
    trainer.model.float()
    assert trainer.update() > 0


def test_scores_are_those_of_the_libraries() -> None:
    assert bleu(["the cat sat on the mat"], ["the cat is on the mat"])["bleu"] == pytest.approx(37.9918, abs=1e-4)
    assert rouge(["the cat sat"], ["the cat sat"]) == {"rouge1": 100.0, "rouge2": 100.0, "rougeL": 100.0}


def test_the_bootstrap_tells_equal_from_better() -> None:
    references = [f"this is the sentence number {number} of them" for number in range(40)]
    worse = [line.replace("sentence", "word") for line in references]
    assert bootstrap(worse, references, references, 100)["p_value"] < 0.05
    first, second = [*worse[:20], *references[20:]], [*references[:20], *worse[20:]]
    assert bootstrap(first, second, references, 100)["p_value"] > 0.3
    assert bootstrap(worse, worse, references, 100)["p_value"] == 1.0


@pytest.mark.parametrize("task", ["language-model", "summary"])
def test_the_other_tasks(tmp_path: Path, task: str) -> None:
    model = {**TINY["model"], "encoder_layers": 0 if task == "language-model" else 1}
    config = Config.model_validate({**TINY, "task": task, "model": model})
    record = train(config, tmp_path / "run")
    assert record["test"]["perplexity"] > 1
    assert ("rougeL" in record["test"]) == (task == "summary")


@pytest.mark.parametrize("name", names())
def test_every_configuration_that_ships_is_valid(name: str) -> None:
    config = read_config(name)
    assert config.about
    with torch.device("meta"):
        model = TextModel(config.model)
    if name.startswith("mini-lite"):
        other = read_config(name.replace("lite", "transformer"))
        assert (other.training, other.data, other.test) == (config.training, config.data, config.test)
        with torch.device("meta"):
            plain = TextModel(other.model)
        assert count(operators(plain)) == pytest.approx(count(operators(model)), rel=0.025)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in names() if not name.startswith("mini")])
def test_a_step_of_the_paper_configurations_at_full_size(name: str) -> None:
    config = read_config(name, {"training.batch_tokens": 512, "training.accumulate": 1})
    draw = torch.Generator().manual_seed(0)
    rows = torch.randint(4, config.model.vocabulary, (8, 31), generator=draw).tolist()
    source = [] if config.task == "language-model" else rows[0]
    model = TextModel(config.model)
    trainer = Trainer(model, TokenBatches([(source, row) for row in rows], 512), config.training)
    before = [one.clone() for one in model.parameters()]
    loss = trainer.update()
    assert 0.5 * torch.tensor(float(config.model.vocabulary)).log() < loss < 100
    changed = [not torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True)]
    assert sum(changed) > 0.9 * len(changed)


def test_a_name_that_is_no_configuration() -> None:
    with pytest.raises(ConfigError, match="nearest: mini-lite-translation"):
        read_config("mini-lite-translate")
    with pytest.raises(ConfigError, match=r"unknown setting 'training\.step'; nearest: training\.steps"):
        read_config("mini-lite-translation", {"training.step": 3})


def test_a_tokenizer_of_another_model(run: Path, tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes((run / MODEL).read_bytes())
    Tokenizer.train(["something else"], 300).save(tmp_path / TOKENIZER)
    with pytest.raises(InputError, match="is the tokenizer of another model"):
        load_model(tmp_path)


def test_a_model_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        load_model(tmp_path)
    (tmp_path / MODEL).write_bytes(b"x" * 100)
    with pytest.raises(InputError, match="is damaged or was not written by hwloop"):
        load_model(tmp_path)


def test_a_trained_model_translates(run: Path) -> None:
    ready = load_ready(run)
    assert len(ready(["the red cat sees a dog .", "a house"], beam=2)) == 2
    with pytest.raises(InputError, match=r"40 words is \d+ tokens, the model takes 32; nearest: --truncate"):
        ready(["cat " * 40])
    assert len(ready(["cat " * 40], truncate=True)) == 1
    with pytest.raises(InputError, match="empty"):
        ready(["  "])


def test_the_study_goes_on_after_a_kill(tmp_path: Path) -> None:
    settings = {
        "data.source": "generated", "model.vocabulary": 300, "training.steps": 2, "training.save_every": 2,
        "training.batch_tokens": 256, "training.average": 1, "model.max_tokens": 40,
        "test.sentences": 5, "test.beam": 1,
    }  # fmt: skip
    tasks = {"translation": 1}
    assert [name for name, _ in runs(tasks, settings)] == ["translation-lite-0", "translation-transformer-0"]

    def kill(stage: str, done: int, total: int) -> None:
        if stage == "runs" and done == 1:
            raise Stop

    with pytest.raises(Stop):
        run_study(tmp_path / "s", tasks, settings, kill)
    first = (tmp_path / "s" / "translation-lite-0" / "train.json").stat().st_mtime_ns
    record = run_study(tmp_path / "s", tasks, settings)
    assert (tmp_path / "s" / "translation-lite-0" / "train.json").stat().st_mtime_ns == first
    row = record["tasks"][0]
    assert row["lite"]["target_tokens"] == row["transformer"]["target_tokens"]
    assert {"p_value", "baseline", "system"} <= set(row["bootstrap"][0])


@pytest.mark.slow
def test_two_processes_give_the_same_model(tmp_path: Path) -> None:
    script = tmp_path / "go.py"
    script.write_text(
        "import sys\nfrom models.lite_transformer.config import Config\n"
        "from models.lite_transformer.train import train\n"
        "train(Config.model_validate_json(sys.argv[1]), sys.argv[2])\n",
        encoding="utf-8",
    )
    dropless = {"dropout": 0.0, "attention_dropout": 0.0, "weight_dropout": 0.0}
    alone = Config.model_validate({**TINY, "model": {**TINY["model"], **dropless}})
    training = {"accumulate": 2, "average": 1, "steps": 3, "save_every": 3}
    alone = alone.model_copy(update={"training": alone.training.model_copy(update=training)})
    both = alone.model_copy(update={"training": alone.training.model_copy(update={"accumulate": 1})})
    train(alone, tmp_path / "alone")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(script)]
    subprocess.run(
        [*command, both.model_dump_json(), str(tmp_path / "both")], check=True, capture_output=True, timeout=300
    )
    one, two = (load_model(tmp_path / name)[0] for name in ("alone", "both"))
    others = dict(two.named_parameters())
    for name, first in one.named_parameters():
        if not name.endswith("key.bias"):
            assert torch.allclose(first, others[name], atol=1e-5), name
    # The softmax does not see the bias of keys: its gradient is rounding alone, of which Adam makes whole steps. So
    # what the models say with it is compared.
    source, target = torch.randint(4, 300, (2, 5, 9), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        said = [net.eval()(source, target) for net in (one, two)]
    assert torch.allclose(*said, atol=1e-5)


def test_one_process_is_a_world_of_its_own() -> None:
    world = World()
    assert (world.rank, world.size) == (0, 1)
    pairs, _ = encode_pairs([("a", "b")], Tokenizer.train(["a b"], 300), 8)
    assert len(pairs) == 1


def test_the_adapter_of_the_command(tmp_path: Path) -> None:
    settings = [
        "model.width=16", "model.vocabulary=300", "model.heads=4", "model.max_tokens=40", "training.steps=2",
        "training.save_every=2", "training.average=1", "test.sentences=3", "training.batch_tokens=256",
    ]  # fmt: skip
    record = run_one("mini-lite-translation", tmp_path / "run", data="generated", seed=7, settings=settings)
    assert record["config"]["training"]["seed"] == 7
    assert record["config"]["data"]["source"] == "generated"
    assert record["history"][-1]["loss"] > 0
    with pytest.raises(InputError, match="cannot read nowhere"):
        run_one("mini-lite-translation", tmp_path / "other", data="nowhere.en,nowhere.fr")
    with pytest.raises(ConfigError, match="no study 'mini-x'"):
        run_one("mini-x", tmp_path / "third", study=True)
    with pytest.raises(ConfigError, match="unknown setting"):
        run_one("mini-lite-translation", tmp_path / "third", settings=["model.hights=3"])
    with pytest.raises(ConfigError, match="nearest: --seed 3"):
        run_one("mini-lite-translation", tmp_path / "third", settings=["training.seed=3"])
    assert not (tmp_path / "third").exists()
