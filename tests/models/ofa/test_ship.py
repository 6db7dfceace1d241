"""A trained supernet becomes predictor and supernet files that say where they are from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")

from models.data.fashion_mnist import SMALL  # noqa: E402
from models.data.sources import open_data  # noqa: E402
from models.ofa import predictor, ship, train_state  # noqa: E402
from models.ofa.predictor_training import Recipe  # noqa: E402
from models.ofa.scored import distinct, score_networks  # noqa: E402
from models.ofa.space import space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from models.ofa.train_config import read_config  # noqa: E402
from models.ofa.trained import load_supernet  # noqa: E402
from sim.errors import ConfigError, InputError  # noqa: E402

QUICK = Recipe(members=2, hidden=32, steps=150)
FEW = ("study.pairs=24", "study.unseen=20", "study.workers=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training: an untrained supernet that says it knows the small set of images."""
    folder = tmp_path_factory.mktemp("run")
    settings = read_config("mini", ("full.epochs=3", "evaluation.calibration_images=200")).model_dump(mode="json")
    note = {"space": "mini", "seed": 4, "data": open_data(SMALL).sha256, "settings": settings, "architecture": None}
    torch.manual_seed(0)
    train_state.save_tensors(folder / "weights.safetensors", Supernet(space("mini")).state_dict(), note)
    (folder / "record.json").write_text(json.dumps(note | {"history": [{"phase": "full"}]}), encoding="utf-8")
    return folder


def test_the_files_say_where_they_are_from_and_how_good_they_are(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    record = ship.train(str(run), out, data=SMALL, settings=FEW, recipe=QUICK)
    trained = load_supernet(out / "mini_supernet.safetensors", "mini")
    assert (trained.seed, trained.data_sha256) == (4, open_data(SMALL).sha256)
    again = score_networks(run / "weights.safetensors", trained, 44, data=SMALL, workers=1)  # kept: not scored again
    assert len(set(again.archs)) == 44  # the unseen ones are unseen
    truth = np.array(again.accuracies[24:])
    loaded = predictor.load(out / "mini_predictor.safetensors")
    guessed = loaded.predict(ship.Population.of(again.archs[24:]))
    rmse = float(np.sqrt(np.mean((guessed - truth) ** 2)))
    assert record["unseen"]["rmse"] == pytest.approx(rmse, rel=1e-6)
    assert record["unseen"]["ratio"] == pytest.approx(rmse / float(truth.std()), rel=1e-6)
    assert loaded.origin.unseen == record["unseen"]
    assert loaded.origin.samples == record["known"] == 24
    assert trained.data_sha256 in loaded.origin.note
    assert record["ends"]["test_images"] == 1_000
    assert 0 <= record["ends"]["smallest"] <= 1
    with safetensors.safe_open(out / "mini_supernet.safetensors", "pt") as file:
        note = json.loads(file.metadata()["hwloop"])
    assert hashlib.sha256((out / note["curves"]).read_bytes()).hexdigest() == note["curves_sha256"]
    changed = "--set evaluation.calibration_images=200 --set full.epochs=3.0"
    assert note["command"].startswith(f"hwloop train ofa --config mini {changed} --seed 4 --out RUN;")


def test_a_space_of_too_few_networks_is_told_of() -> None:
    whole = space("mini")
    two = replace(whole, kernels=(3,), depths=(1,), expansions=whole.expansions[:1], resolutions=whole.resolutions[:2])
    rng = np.random.default_rng(0)
    assert sorted(one.r for one in distinct(two, 2, rng)) == list(two.resolutions)
    with pytest.raises(InputError, match="3 different networks of mini: 2 were found"):
        distinct(two, 3, rng)


def test_a_study_s_supernet_is_found(run: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "supernet").symlink_to(run)
    assert ship.train(str(study), tmp_path / "w", data=SMALL, settings=FEW, recipe=QUICK)["known"] == 24


def test_what_ships_is_small() -> None:
    sizes = ship.RECIPE.hidden
    inputs = space("mini").encode(space("mini").sample(1, np.random.default_rng(0))).shape[1]
    weights = ship.RECIPE.members * (inputs * sizes + 2 * sizes * sizes + sizes)
    supernet = sum(one.numel() for one in Supernet(space("mini")).state_dict().values())
    assert 4 * (weights + supernet) < 6e6


def test_bad_input_is_named(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    with pytest.raises(InputError, match=r"holds no finished training: it has no weights.safetensors; nearest: hwloop"):
        ship.train(str(tmp_path), out)
    options: list[dict[str, Any]] = [
        {"resume": True},
        {"study": True},
        {"settings": ("full.epochs=2",)},
        {"settings": ("study.supernet=shipped",)},
    ]
    for one in options:
        with pytest.raises(ConfigError, match="says nothing to ofa-predictor"):
            ship.train(str(run), out, **one)
    few = ("study.pairs=5", "study.unseen=5", "study.workers=1")
    with pytest.raises(InputError, match="nearest: at least 20 of each"):
        ship.train(str(run), out, data=SMALL, settings=few)
    assert not out.exists()


def test_other_images_and_lost_curves_are_refused(run: Path, tmp_path: Path) -> None:
    tensors, note = train_state.load_tensors(run / "weights.safetensors")
    train_state.save_tensors(tmp_path / "weights.safetensors", tensors, note | {"data": "d" * 64})
    with pytest.raises(InputError, match=r"record.json'.*nearest: the training again, --resume"):
        ship.train(str(tmp_path), tmp_path / "out", data=SMALL)
    (tmp_path / "record.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="is no record of a training"):
        ship.train(str(tmp_path), tmp_path / "out", data=SMALL)
    (tmp_path / "record.json").write_text('{"history": []}', encoding="utf-8")
    with pytest.raises(InputError, match="was trained on other images than fashion-mnist-small"):
        ship.train(str(tmp_path), tmp_path / "out", data=SMALL)
