"""The supernet: the active network is the exported one, which torch counts as the space does; training, resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for needed in ("torch", "safetensors", "tokenizers", "sacrebleu"):
    pytest.importorskip(needed)

import torch  # noqa: E402

from models.lite_transformer.architecture import MINI, TextArch, TextChoices, hand_set  # noqa: E402
from models.lite_transformer.batches import TokenBatches  # noqa: E402
from models.lite_transformer.checkpoint import load_model, save_model  # noqa: E402
from models.lite_transformer.config import Config, ModelTable  # noqa: E402
from models.lite_transformer.counting import operators  # noqa: E402
from models.lite_transformer.decoding import beam_search, greedy_full  # noqa: E402
from models.lite_transformer.model import TextModel  # noqa: E402
from models.lite_transformer.space import TextSpace  # noqa: E402
from models.lite_transformer.supernet import Supernet, SupernetTrainer  # noqa: E402
from models.lite_transformer.supernet_training import SUPERNET, SupernetRun, train_supernet  # noqa: E402
from models.lite_transformer.tokenizer import Tokenizer  # noqa: E402
from models.lite_transformer.train_runs import train as run_one  # noqa: E402
from models.lite_transformer.training import World  # noqa: E402
from models.zoo.mac_rules import count  # noqa: E402
from sim.errors import ConfigError, InputError  # noqa: E402

SMALL = TextChoices(
    "small", (16, 32), (1, 2, 3), (1, 2), (0.25, 0.5), (2, 4), (3, 7), (1, 2), (2, 4), (1, 2, 3), vocabulary=40,
    max_tokens=40,
)  # fmt: skip
SETTINGS = ModelTable(width=32, vocabulary=40, max_tokens=40, dropout=0.0, attention_dropout=0.0, weight_dropout=0.0)
SOURCE = torch.tensor([[5, 6, 7, 8, 9, 2], [9, 8, 2, 0, 0, 0]])
TARGET = torch.tensor([[1, 11, 12, 13, 14], [1, 15, 16, 0, 0]])


def net(seed: int = 0) -> Supernet:
    torch.manual_seed(seed)
    made = Supernet(SETTINGS, TextSpace(SMALL)).eval()
    with torch.no_grad():
        for one in made.parameters():
            if one.ndim == 1:
                one.add_(0.1 * torch.randn_like(one))  # biases and norms that tell slices apart
    return made


def archs(number: int, seed: int = 1) -> list[TextArch]:
    one = TextSpace(SMALL)
    return one.archs(np.concatenate([one.corners(), one.sample(number, np.random.default_rng(seed))]))


def test_the_exported_network_is_the_active_one() -> None:
    whole = net()
    outputs = []
    with torch.no_grad():
        for arch in archs(12):
            whole.set_active(arch)
            outputs.append(whole(SOURCE, TARGET))
            assert torch.equal(whole.export()(SOURCE, TARGET), outputs[-1])
    assert not any(torch.equal(one, outputs[0]) for one in outputs[1:])


def test_an_exported_network_has_weights_of_its_own() -> None:
    whole = net()
    alone = whole.export(archs(0)[0])
    before = alone(SOURCE, TARGET)
    with torch.no_grad():
        for one in whole.parameters():
            one.zero_()
    assert torch.equal(alone(SOURCE, TARGET), before)
    assert whole.active == SMALL.largest


def test_a_network_that_a_text_model_can_express_is_that_model() -> None:
    arch = hand_set(SMALL, 32, (3, 7))
    alone = net().export(arch)
    table = SETTINGS.model_copy(update={"kernels": (3, 7), "heads": 4, "encoder_layers": 2, "decoder_layers": 2})
    same = TextModel(table).eval()
    same.load_state_dict(alone.state_dict())
    assert torch.allclose(same(SOURCE, TARGET), alone(SOURCE, TARGET), atol=1e-6)


def test_gradients_reach_only_the_weights_that_run() -> None:
    whole = net()
    arch = hand_set(SMALL, 16, (3,))
    whole.set_active(arch)
    whole(SOURCE, TARGET).sum().backward()
    assert whole.embedding.weight.grad is not None
    assert whole.embedding.weight.grad[:, :16].abs().sum() > 0
    assert whole.embedding.weight.grad[:, 16:].abs().sum() == 0
    grads = {name: one.grad for name, one in whole.named_parameters()}
    taps = grads["encoder.layers.0.mixer.branch.dynamic.predict.weight"].view(4, 7, -1)  # type: ignore[union-attr]
    assert taps[:, 2:5].abs().sum() > 0
    assert taps[:, [0, 1, 5, 6]].abs().sum() == 0
    late = grads["decoder.layers.0.mixer.branch.dynamic.predict.weight"].view(4, 7, -1)  # type: ignore[union-attr]
    assert late[:, 4:].abs().sum() > 0
    assert late[:, :4].abs().sum() == 0
    assert grads["encoder.layers.1.first.weight"] is None


def test_a_space_counts_what_torch_runs() -> None:
    bare = TextSpace(replace(MINI, vocabulary=0))
    space = TextSpace(replace(MINI, vocabulary=40, max_tokens=40))
    whole = Supernet(SETTINGS.model_copy(update={"width": 160}), space).eval()
    for arch in [hand_set(MINI, 128, (7, 15)), *space.archs(space.sample(3, np.random.default_rng(4)))]:
        alone = whole.export(arch)
        assert bare.lower(bare.population(arch)).params[0] == sum(one.numel() for one in alone.body())
    assert count(operators(whole.export(hand_set(MINI, 128, (7, 15))))) > 0


def test_spans_look_at_the_last_layers() -> None:
    whole, arch = net(), hand_set(SMALL, 32, (3, 7))
    deep = replace(arch, encoder=(*arch.encoder, arch.encoder[0]))
    spans = [replace(deep, decoder=tuple(replace(one, span=span) for one in deep.decoder)) for span in (1, 2, 3)]
    lengths = [whole.export(one).encode(SOURCE)[0].shape[1] for one in spans]
    assert lengths == [6, 12, 18]
    mixed = replace(deep, decoder=(replace(deep.decoder[0], span=3), deep.decoder[1]))
    with torch.no_grad():
        outputs = [whole.export(one)(SOURCE, TARGET) for one in (*spans, mixed)]
    assert not any(torch.equal(outputs[3], one) for one in outputs[:3])
    memory, padding = whole.export(spans[2]).encode(SOURCE)
    assert padding.sum(dim=1).tolist() == [0, 9]
    assert torch.equal(memory[:, :6], whole.export(spans[0]).encode(SOURCE)[0])


@pytest.mark.parametrize("place", range(4))
def test_a_searched_network_decodes_step_by_step_as_at_once(place: int) -> None:
    alone = net().export(archs(4, 7)[place])
    source = [5, 6, 7, 2]
    assert beam_search(alone, [source], beam=1, limit=12)[0] == greedy_full(alone, source, 12)


def test_a_searched_network_goes_to_disk_and_back(tmp_path: Path) -> None:
    alone = net().export(archs(1)[-1])
    tokenizer = Tokenizer.train(["some words"], 300)
    save_model(tmp_path, alone, "translation", tokenizer)
    model, _, task = load_model(tmp_path)
    assert task == "translation"
    assert torch.equal(model(SOURCE, TARGET), alone(SOURCE, TARGET))


def test_settings_of_another_space() -> None:
    with pytest.raises(ConfigError, match=r"40 words and 40 tokens, the model 50 and 40"):
        Supernet(SETTINGS.model_copy(update={"vocabulary": 50}), TextSpace(SMALL))
    with pytest.raises(InputError, match="choice 0 is 24; nearest"):
        net().set_active(hand_set(SMALL, 24, (3,)))


def test_every_step_trains_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Config.model_validate({"training": {"warm_up": 1, "batch_tokens": 64}}).training
    sentences = [([5, 6, 7, 2], [9, 10, 2])] * 4
    trainer = SupernetTrainer(net(), TokenBatches(sentences, 64), training)
    seen = []
    for _ in range(4):
        trainer.update()
        seen.append(trainer.supernet.active)
    assert len(set(seen)) == 4
    again = SupernetTrainer(net(), TokenBatches(sentences, 64), training)
    again.step = 3
    again.update()
    assert again.supernet.active == seen[3]
    world = World()
    world.size = 2
    with pytest.raises(ConfigError, match="one process, not 2"):
        SupernetTrainer(net(), TokenBatches(sentences, 64), training, world)


class Stop(Exception):
    """Stands for a kill."""


def config(**training: Any) -> Config:
    shape = {"width": 16, "vocabulary": 300, "kernels": [3], "heads": 4, "branch_heads": 2, "conv_heads": 2}
    tree = {
        "model": {**shape, "max_tokens": 32, "encoder_layers": 1, "decoder_layers": 1},
        "data": {"source": "generated"},
        "training": {"steps": 6, "batch_tokens": 300, "warm_up": 2, "save_every": 2, **training},
    }
    return Config.model_validate(tree)


def test_a_killed_supernet_ends_with_the_same_bytes(tmp_path: Path) -> None:
    def kill(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == 3:
            raise Stop

    record = train_supernet(config(), tmp_path / "one", SMALL)
    with pytest.raises(Stop):
        train_supernet(config(), tmp_path / "two", SMALL, progress=kill)
    train_supernet(config(), tmp_path / "two", SMALL, resume=True)
    for name in (SUPERNET, "history.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert train_supernet(config(), tmp_path / "two", SMALL, resume=True)["networks"] == record["networks"]
    run = SupernetRun(tmp_path / "one", SMALL)
    shown = record["networks"][3]
    assert run.valid_loss(shown["arch"], 10**9) == pytest.approx(shown["valid_loss"], abs=1e-4)
    settings = ["model.vocabulary=300", "model.max_tokens=32", "training.steps=1", "training.batch_tokens=256"]
    made = run_one("mini-supernet", tmp_path / "mini", data="generated", settings=settings)
    assert made["space"]["name"] == "mini"
    with pytest.raises(InputError, match="of another space"):
        SupernetRun(tmp_path / "one", replace(SMALL, kernels=(3, 5)))
    with pytest.raises(InputError, match="no file"):
        SupernetRun(tmp_path)
